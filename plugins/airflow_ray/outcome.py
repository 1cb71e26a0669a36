"""Turns the end of a job into the task's result: fills the gaps of its output and puts a failure into words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from .client import RayJobsClient
from .errors import FailureReason, RayApiError, RayJobError, RayJobFatalError, classify, signal_name, task_error
from .logs import LineSplitter
from .report import OutputDigest
from .watch import Outcome

#: Lines of a finished job's log among which its report is looked for.
_LAST_LINES = 10_000
_LIMITS = {
    "execution_timeout": ("it ran into the task's execution_timeout", FailureReason.TIMEOUT),
    "job_timeout": ("it ran into job_timeout", FailureReason.TIMEOUT),
    "pending_timeout": ("it was still pending after pending_timeout", FailureReason.NOT_PLACED),
}


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


def judge(
    outcome: Outcome, exit_codes: Mapping[int, FailureReason], limits: Mapping[str, float | None] | None = None
) -> RayJobError | RayJobFatalError:
    """The exception for a job that did not succeed: one sentence with what failed, why, and what to do.

    ``limits`` are the seconds of each, for the sentence.
    """
    what = f"Ray job {outcome.submission_id}"
    if outcome.api_error is not None:
        reason = FailureReason(outcome.api_reason or FailureReason.UNREACHABLE)
        # Whatever it is, it says nothing about the work: the next try finds the job again, or fails at its first step.
        return RayJobError(
            f"{what} could not be watched to its end ({reason}): {outcome.api_error} {reason.advice}", reason
        )
    if outcome.limit is not None:
        text, reason = _LIMITS[outcome.limit]
        if (seconds := (limits or {}).get(outcome.limit)) is not None:
            text += f" of {seconds:g} s"
        endings = {"STOPPED": "and was stopped", "PENDING": "and will be stopped when Ray would start it"}
        ending = endings.get(outcome.status, f"and is {outcome.status}")
        return task_error(f"{what} failed ({reason}): {text} {ending}. {reason.advice}", reason)
    reason = classify(outcome.status, outcome.error_type, outcome.exit_code, exit_codes, outcome.message)
    code = f", exit code {outcome.exit_code}" if outcome.exit_code is not None else ""
    if outcome.exit_code and (name := signal_name(outcome.exit_code)):
        code += f" = {name}"
    detail = outcome.error or _first_line(outcome.message) or f"Ray reports {outcome.status}"
    return task_error(f"{what} failed ({reason}{code}): {detail.rstrip('.')}. {reason.advice}", reason)


def _first_line(message: str) -> str:
    """Ray appends log lines or a traceback to its messages; the reason stands in the first line, or in the last one."""
    lines = [line.strip() for line in message.splitlines() if line.strip()]
    if not lines:
        return ""
    chosen = lines[-1] if lines[0].startswith("Traceback") else lines[0]
    for suffix in (", last available logs (truncated to 20,000 chars):", ". Full traceback:"):
        chosen = chosen.removesuffix(suffix)
    return chosen[:500]
