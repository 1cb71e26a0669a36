"""The exceptions that end a task with a Ray job. Their type carries the decision to retry."""

from __future__ import annotations

from airflow.sdk.exceptions import AirflowException, AirflowFailException

from ray_jobs_api.failures import FailureReason


class RayJobError(AirflowException):
    """The task failed and may be retried. ``reason`` is usable in an Airflow ``retry_policy``."""

    def __init__(self, sentence: str, reason: FailureReason):
        super().__init__(sentence)
        self.reason = reason


class RayJobFatalError(AirflowFailException):
    """The task failed for a reason that a retry would only repeat; Airflow does not retry it."""

    def __init__(self, sentence: str, reason: FailureReason):
        super().__init__(sentence)
        self.reason = reason


def early_error(sentence: str, reason: FailureReason) -> RayJobError | RayJobFatalError:
    """As ``task_error``, for a task that failed before it had a job; the sentence gets the reason's name."""
    return task_error(f"Failed ({reason}): {sentence}", reason)


def task_error(sentence: str, reason: FailureReason) -> RayJobError | RayJobFatalError:
    """The exception to raise in a task: its type carries the decision to retry or to fail."""
    return RayJobError(sentence, reason) if reason.retry else RayJobFatalError(sentence, reason)
