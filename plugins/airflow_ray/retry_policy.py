"""An Airflow ``retry_policy`` that decides by the reason of a Ray failure."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import timedelta
from typing import TYPE_CHECKING

from airflow.sdk.definitions.retry_policy import RetryDecision, RetryPolicy

from airflow_ray.exceptions import RayJobError
from ray_jobs_api.failures import FailureReason

if TYPE_CHECKING:
    from airflow.sdk import Context


class RayRetryPolicy(RetryPolicy):
    """Retries some reasons after delays of their own, and fails at once for others; the rest is as without a policy.

        retry_policy=RayRetryPolicy(delays={"not_placed": timedelta(minutes=15)}, fail={"killed"})

    Tasks that fail permanently (``FailureReason.retryable`` is False) fail before Airflow asks a policy.

    Raises ``ValueError`` for a name that is not a ``FailureReason``.
    """

    def __init__(
        self,
        delays: Mapping[FailureReason | str, timedelta] | None = None,
        fail: Collection[FailureReason | str] = (),
    ) -> None:
        self.delays = {FailureReason(reason): delay for reason, delay in (delays or {}).items()}
        self.fail = frozenset(FailureReason(reason) for reason in fail)

    def evaluate(
        self, exception: BaseException, try_number: int, max_tries: int, context: Context | None = None
    ) -> RetryDecision:
        """Airflow calls this in the worker, with the exception that ended the task."""
        if not isinstance(exception, RayJobError):
            return RetryDecision.default()
        if exception.reason in self.fail:
            return RetryDecision.fail(f"'{exception.reason}' is not retried")
        if (delay := self.delays.get(exception.reason)) is not None:
            return RetryDecision.retry(delay, f"'{exception.reason}' is retried after {delay}")
        return RetryDecision.default()
