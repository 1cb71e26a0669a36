"""How a job ended, as plain data, with the gaps of its output filled from the end of its log."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from typing import Any

from ray_jobs_api.client import RayJobsClient
from ray_jobs_api.failures import RayApiError
from ray_jobs_api.job_output import OutputDigest
from ray_jobs_api.log_lines import LineSplitter

#: Lines of a finished job's log among which its report is looked for.
_LAST_LINES = 10_000


@dataclass
class Outcome:
    """How a job ended, as plain data that fits into a trigger event.

    ``limit`` names the limit for which the watcher stopped the job. ``api_error`` is set instead of a final ``status``
    when Ray could not be asked any more. ``log_complete`` is False when the output was not seen to its end, so that
    ``report``, ``error`` and ``tail`` may miss something.
    """

    submission_id: str
    status: str
    error_type: str | None = None
    exit_code: int | None = None
    message: str = ""
    limit: str | None = None
    api_error: str | None = None
    api_reason: str | None = None
    log_complete: bool = False
    report: dict[str, Any] | None = None
    report_problem: str | None = None
    error: str | None = None
    tail: list[str] = field(default_factory=list)

    def to_event(self) -> dict[str, Any]:
        """A dict of JSON types, for a ``TriggerEvent``."""
        return asdict(self)


async def complete_output(client: RayJobsClient, outcome: Outcome) -> Outcome:
    """Read report, error sentence and last lines from the end of the job's log.

    For a job whose log was not seen to its end. One that cannot be read (its node is gone) changes nothing but
    ``report_problem``.
    """
    lines, digest = LineSplitter(), OutputDigest()
    try:
        async for text in client.whole_log(outcome.submission_id, last_lines=_LAST_LINES):
            digest.add_all(lines.feed(text))
    except RayApiError as error:
        return replace(outcome, report_problem=f"A REPORT in it may be missing, for its log cannot be read: {error}")
    digest.add_all(lines.flush())
    return replace(
        outcome,
        report=digest.report or outcome.report,
        report_problem=digest.report_problem,
        error=digest.error or outcome.error,
        tail=digest.tail or outcome.tail,
    )
