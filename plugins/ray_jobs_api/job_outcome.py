"""The outcome of a job as plain data, and the part of it that comes from the end of the job's log."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from typing import Any

from ray_jobs_api.client import RayJobsClient
from ray_jobs_api.failures import RayApiError
from ray_jobs_api.job_output import OutputDigest
from ray_jobs_api.log_lines import LineSplitter

#: Lines at the end of a finished job's log that are searched for its report.
_LAST_LINES = 10_000


@dataclass
class JobOutcome:
    """How a job ended, as plain data that fits into the event of an Airflow trigger.

    ``limit`` names the limit for which the watcher stopped the job. ``api_error`` is set instead of a final ``status``
    when Ray no longer answered. ``log_complete`` is False when the output was not read to its end, so that ``report``,
    ``error`` and ``tail`` may be incomplete.
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
        """A dict of JSON types."""
        return asdict(self)


async def complete_output(client: RayJobsClient, outcome: JobOutcome) -> JobOutcome:
    """Read report, error sentence and last lines from the end of a finished job's log.

    A log that cannot be read (its node is gone) changes nothing but ``report_problem``.
    """
    lines, digest = LineSplitter(), OutputDigest()
    try:
        async for text in client.whole_log(outcome.submission_id, last_lines=_LAST_LINES):
            digest.add_all(lines.feed(text))
    except RayApiError as error:
        return replace(outcome, report_problem=f"Its log cannot be read, so a REPORT in it may be missing: {error}")
    digest.add_all(lines.flush())
    return replace(
        outcome,
        report=digest.report or outcome.report,
        report_problem=digest.report_problem,
        error=digest.error if digest.tail else outcome.error,
        tail=digest.tail or outcome.tail,
    )
