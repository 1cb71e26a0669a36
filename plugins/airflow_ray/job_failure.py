"""Turns the end of a job into the task's result: fills the gaps of its output and puts a failure into words."""

from __future__ import annotations

from collections.abc import Mapping

from airflow_ray.exceptions import RayJobError, RayJobFatalError, task_error
from ray_jobs_api.failures import FailureReason, classify, signal_name
from ray_jobs_api.job_outcome import Outcome

_LIMITS = {
    "execution_timeout": ("it ran into the task's execution_timeout", FailureReason.TIMEOUT),
    "job_timeout": ("it ran into job_timeout", FailureReason.TIMEOUT),
    "pending_timeout": ("it was still pending after pending_timeout", FailureReason.NOT_PLACED),
}


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
