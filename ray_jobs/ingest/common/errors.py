"""The exit codes that other programs rely on, and the exceptions that end a run or fail one object."""

from __future__ import annotations

from enum import IntEnum

from ingest.common.failures import Failure
from ingest.common.redaction import redact


class ExitCode(IntEnum):
    """The exit status of a job script. The Dags retry OTHER and UNREACHABLE, and no other failure."""

    OK = 0
    OTHER = 1
    CONFIGURATION = 2
    TOO_MANY_FAILED = 3
    UNREACHABLE = 4


class JobError(Exception):
    """Ends the run. The message is one sentence that names the problem and its remedy."""

    exit_code = ExitCode.OTHER


class ConfigurationError(JobError):
    """An argument, a model or a collection is wrong, and no retry can help."""

    exit_code = ExitCode.CONFIGURATION


class TooManyFailedError(JobError):
    """More objects failed than `--max-failed-fraction` allows."""

    exit_code = ExitCode.TOO_MANY_FAILED


class UnreachableError(JobError):
    """The object store or Milvus did not answer, or refused the credentials."""

    exit_code = ExitCode.UNREACHABLE


class ObjectError(Exception):
    """Fails one object, never the run.

    Args:
        failure: the type of failure.
        problem: the facts of this case, as the beginning of a sentence. Secrets in it are redacted.
        limit: the limit that the object exceeded, if any. A run with a higher limit tries the object again.
    """

    def __init__(self, failure: Failure, problem: str, limit: float | None = None) -> None:
        problem = redact(problem)
        super().__init__(failure, problem, limit)
        self.failure = failure
        self.problem = problem
        self.limit = limit

    @property
    def message(self) -> str:
        """One sentence for the owner of the object."""
        return f"{self.problem}; {self.failure.advice}"

    def __str__(self) -> str:
        return self.message
