"""The base of operators that talk to Ray: the connection, requests with retries, and the stop of the job on a kill."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from airflow.sdk import BaseOperator

from airflow_ray.exceptions import no_job_error
from airflow_ray.links.job import job_url
from airflow_ray.provider_info import DEFAULT_CONN_ID
from ray_jobs_api.failures import FailureReason, RayApiError

if TYPE_CHECKING:
    from tenacity import RetryCallState

    from ray_jobs_api.client import RayJobsClient
    from ray_jobs_api.settings import ClusterSettings

#: Delay between two attempts to reach a Ray that is away, in seconds.
_RECONNECT_DELAY = 5.0
T = TypeVar("T")
E = TypeVar("E", bound=Exception)


class RayBaseOperator(BaseOperator):
    """Base of operators that talk to Ray. Subclasses set ``_submission_id`` before they submit a job.

    :param conn_id: connection of type ``ray``.
    :param on_kill: ``"stop"`` or ``"detach"``; see ``RayOperator``.
    """

    def __init__(
        self, *, conn_id: str = DEFAULT_CONN_ID, on_kill: Literal["stop", "detach"] = "stop", **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        if on_kill not in ("stop", "detach"):
            raise ValueError(f"on_kill must be 'stop' or 'detach', not {on_kill!r}.")
        self.conn_id = conn_id
        self.on_kill_action = on_kill
        # Set in each process that runs the task; a resumed task starts without them.
        self.job_url: str | None = None
        self._settings: ClusterSettings | None = None
        self._submission_id: str | None = None
        self._killed = False

    def on_kill(self) -> None:
        """Stop the job when the task is killed while it holds a worker; the trigger does it while deferred.

        Airflow calls this inside its SIGTERM handler or after ``execution_timeout``, so ``_connect`` has resolved the
        settings before.
        """
        self._killed = True
        if self._settings is None or self._submission_id is None:
            return
        if self.on_kill_action == "detach":
            self.log.info("The task was killed; its Ray job %s continues (on_kill='detach').", self._submission_id)
            return
        from airflow_ray.hooks.cluster import stop_from_signal_handler

        failure = stop_from_signal_handler(self._settings, self._submission_id)
        if failure:
            self.log.error("Could not stop Ray job %s: %s", self._submission_id, failure)
        else:
            self.log.info("The task was killed: asked Ray to stop job %s.", self._submission_id)

    def _connect(self, submission_id: str | None) -> ClusterSettings:
        """Resolve the connection while no request is under way: a signal handler could not."""
        from airflow.sdk.exceptions import AirflowNotFoundException

        from airflow_ray.hooks.cluster import RayHook

        try:
            self._settings = RayHook(self.conn_id).settings()
        except ValueError as error:
            raise self._logged(no_job_error(str(error), FailureReason.CONFIGURATION)) from None
        except AirflowNotFoundException as error:  # also raised while Airflow's secrets backend is away
            sentence = f"Cannot read connection '{self.conn_id}': {error}."
            raise self._logged(no_job_error(sentence, FailureReason.UNREACHABLE)) from None
        if submission_id is not None:
            self._submission_id = submission_id
            self.job_url = job_url(self._settings.dashboard_url, submission_id)
        return self._settings

    def _call(self, ask: Callable[[RayJobsClient], Awaitable[T]], retry_seconds: float = 0.0) -> T:
        """Run requests to Ray and turn their failure into the task's exception.

        While Ray is away, ``ask`` is called again for ``retry_seconds``, so it must be repeatable then.
        """
        from tenacity import AsyncRetrying, retry_if_exception, stop_after_delay

        from ray_jobs_api.client import RayJobsClient

        settings = self._settings or self._connect(None)

        def may_pass(error: BaseException) -> bool:
            return isinstance(error, RayApiError) and error.transient and not self._killed

        def remaining(state: RetryCallState) -> float:
            return retry_seconds - (state.seconds_since_start or 0.0)

        def say(state: RetryCallState) -> None:
            error = state.outcome.exception() if state.outcome else None
            self.log.warning("%s Retrying for %.0f s more.", error, remaining(state))

        async def retrying() -> T:
            async with RayJobsClient(settings) as client:

                async def ask_once() -> T:
                    return await ask(client)

                return await AsyncRetrying(
                    retry=retry_if_exception(may_pass),
                    stop=stop_after_delay(retry_seconds),
                    wait=lambda state: min(_RECONNECT_DELAY, remaining(state)),
                    before_sleep=say,
                    reraise=True,
                )(ask_once)

        try:
            return asyncio.run(retrying())
        except RayApiError as error:
            raise self._logged(no_job_error(f"{error} {error.reason.advice}", error.reason)) from None

    def _logged(self, error: E) -> E:
        """Log the error on a line of its own: Airflow's UI folds an exception's text away behind its stack trace."""
        self.log.error("%s", error)
        return error
