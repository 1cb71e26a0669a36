"""The exceptions that end a task with a Ray job. Their type tells Airflow whether to retry the task."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from airflow.sdk.exceptions import AirflowException, AirflowFailException

from ray_jobs_api.failures import FailureReason


class RayJobError(AirflowException):
    """The task failed and may be retried. An Airflow ``retry_policy`` can use its ``reason``.

    ``report`` is the one that the job printed before it failed, or None; callbacks find it in ``context["exception"]``.
    """

    report: Mapping[str, Any] | None = None

    def __init__(self, sentence: str, reason: FailureReason):
        super().__init__(sentence)
        self.reason = reason


class RayJobFatalError(AirflowFailException):
    """The task failed permanently: Airflow does not retry it, because a retry would only repeat the failure.

    ``reason`` and ``report`` are those of ``RayJobError``.
    """

    report: Mapping[str, Any] | None = None

    def __init__(self, sentence: str, reason: FailureReason):
        super().__init__(sentence)
        self.reason = reason


def task_error(sentence: str, reason: FailureReason) -> RayJobError | RayJobFatalError:
    """The exception for a failure with this reason."""
    return RayJobError(sentence, reason) if reason.retryable else RayJobFatalError(sentence, reason)


def no_job_error(sentence: str, reason: FailureReason) -> RayJobError | RayJobFatalError:
    """As ``task_error``, for a task that failed before it had a job; the sentence gets the reason's name."""
    return task_error(f"Failed ({reason}): {sentence}", reason)
