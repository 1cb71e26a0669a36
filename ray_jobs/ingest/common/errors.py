"""How a run or one object fails: the exit codes that other programs rely on, and the exceptions behind them."""

from __future__ import annotations

from enum import IntEnum

from ingest.common.redaction import redact


class ExitCode(IntEnum):
    """Exit status of a job script. RayOperator retries OTHER and UNREACHABLE, and fails at once on the rest."""

    OK = 0
    OTHER = 1
    CONFIGURATION = 2
    TOO_MANY_FAILED = 3
    UNREACHABLE = 4


class JobError(Exception):
    """Ends the run. The message is one sentence that names what is wrong and what to do about it."""

    exit_code = ExitCode.OTHER


class ConfigurationError(JobError):
    """An argument, a model or a collection that no retry will make right."""

    exit_code = ExitCode.CONFIGURATION


class TooManyFailedError(JobError):
    """More objects failed than `--max-failed-fraction` allows."""

    exit_code = ExitCode.TOO_MANY_FAILED


class UnreachableError(JobError):
    """The object store or Milvus did not answer, or refused the credentials."""

    exit_code = ExitCode.UNREACHABLE


MAY_PASS = frozenset(
    {
        "Vanished",
        "Unreadable",
        "ChangedDuringRun",
        "Forbidden",
        "Crashed",
        "TimeLimit",
        "MemoryLimit",
        "Interrupted",
        "NoSpace",
        "ModelError",
    }
)
"""Types of failure that another try may not meet again. All others are the object's own: it has to change first."""

MAX_ATTEMPTS = 3
"""How often an object that keeps failing like that is tried before it has to change first."""


def worth_another_try(error_type: str, attempts: int) -> bool:
    """Whether an object that failed like this, at its try number `attempts`, is tried again as it is."""
    return error_type in MAY_PASS and attempts < MAX_ATTEMPTS


class ObjectError(Exception):
    """Costs one object, never the run.

    Args:
        stage: where it failed: `read`, `parse`, `embed` or `write`.
        error_type: a short stable name to group by, such as `Encrypted`.
        message: one sentence for the object's owner; secrets in it are hidden.
        limit: the value of the limit that the object went over, if it was one: with a higher one it is tried again.
    """

    def __init__(self, stage: str, error_type: str, message: str, limit: float | None = None) -> None:
        message = redact(message)
        super().__init__(stage, error_type, message, limit)
        self.limit = limit
        self.stage = stage
        self.error_type = error_type
        self.message = message
