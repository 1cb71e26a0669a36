"""Puts the failure of a job into one sentence and chooses the exception that ends its task."""

from __future__ import annotations

from collections.abc import Mapping

from airflow_ray.exceptions import RayJobError, RayJobFatalError, task_error
from ray_jobs_api.failures import FailureReason, classify, signal_name
from ray_jobs_api.job_outcome import JobOutcome
from ray_jobs_api.ray_messages import cause_of_setup

_LIMITS = {
    "deadline": ("it ran into the task's execution_timeout", FailureReason.TIMEOUT),
    "job_timeout": ("it ran into job_timeout", FailureReason.TIMEOUT),
    "pending_timeout": ("it was still pending after pending_timeout", FailureReason.NOT_PLACED),
}


def job_failure(
    outcome: JobOutcome, exit_codes: Mapping[int, FailureReason], limits: Mapping[str, float | None]
) -> RayJobError | RayJobFatalError:
    """The exception for a job that did not succeed. Its sentence names the job, the reason and the remedy.

    :param exit_codes: the meaning of the driver's exit codes.
    :param limits: the seconds of each limit of ``JobLimits``, for the sentence.
    """
    job = f"Ray job {outcome.submission_id}"
    if outcome.api_error is not None:
        reason = FailureReason(outcome.api_reason or FailureReason.UNREACHABLE)
        # Retryable whatever the reason: it says nothing about the work, and the next try finds the job again or fails
        # at its first step.
        return RayJobError(
            f"{job} could not be watched to its end ({reason}): {outcome.api_error} {reason.advice}", reason
        )
    if outcome.limit is not None:
        text, reason = _LIMITS[outcome.limit]
        if (seconds := limits.get(outcome.limit)) is not None:
            text += f" of {seconds:g} s"
        endings = {"STOPPED": "and was stopped", "PENDING": "and will be stopped when Ray would start it"}
        ending = endings.get(outcome.status, f"and is {outcome.status}")
        return task_error(f"{job} failed ({reason}): {text} {ending}. {reason.advice}", reason)
    reason = classify(outcome.status, outcome.error_type, outcome.exit_code, exit_codes, outcome.message)
    code = f", exit code {outcome.exit_code}" if outcome.exit_code is not None else ""
    if outcome.exit_code and (name := signal_name(outcome.exit_code)):
        code += f" = {name}"
    detail = outcome.error or _said_by_ray(outcome, reason) or f"Ray reports {outcome.status}"
    error = task_error(f"{job} failed ({reason}{code}): {detail.rstrip('.')}. {reason.advice}", reason)
    error.report = outcome.report
    return error


def _said_by_ray(outcome: JobOutcome, reason: FailureReason) -> str:
    if reason is FailureReason.RUNTIME_ENV and (cause := cause_of_setup(outcome.message)):
        return f"the runtime environment could not be set up ({cause})"
    return _first_line(outcome.message)


def _first_line(message: str) -> str:
    """The line with the reason: Ray appends log lines or a traceback to it, or puts it at a traceback's end."""
    lines = [line.strip() for line in message.splitlines() if line.strip()]
    if not lines:
        return ""
    chosen = lines[-1] if lines[0].startswith("Traceback") else lines[0]
    for suffix in (", last available logs (truncated to 20,000 chars):", ". Full traceback:"):
        chosen = chosen.removesuffix(suffix)
    return chosen[:500]
