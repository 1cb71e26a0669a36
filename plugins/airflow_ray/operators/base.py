"""What every task with a Ray job needs: the connection, conversations with Ray, and the end of the job on a kill."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from airflow.sdk import BaseOperator

from airflow_ray.exceptions import early_error
from airflow_ray.links.job import job_url
from airflow_ray.provider_info import DEFAULT_CONN_ID
from ray_jobs_api.failures import FailureReason, RayApiError

if TYPE_CHECKING:
    from ray_jobs_api.client import RayJobsClient
    from ray_jobs_api.settings import ClusterSettings

#: Seconds between two beginnings of a conversation with a Ray that is away.
_PATIENT_PAUSE = 5.0
T = TypeVar("T")
E = TypeVar("E", bound=Exception)


class RayJobTask(BaseOperator):
    """Base of operators that hold a Ray job. Subclasses set ``_submission_id`` before they submit.

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
        """Stop the job when the task is killed while it holds a worker (the trigger does it while deferred).

        Airflow calls this inside its SIGTERM handler or after ``execution_timeout``; the settings are resolved before.
        """
        self._killed = True
        if self._settings is None or self._submission_id is None:
            return
        if self.on_kill_action == "detach":
            self.log.info("The task was killed; its Ray job %s goes on (on_kill='detach').", self._submission_id)
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
            raise self._logged(early_error(str(error), FailureReason.CONFIGURATION)) from None
        except AirflowNotFoundException as error:  # also said when Airflow's secrets backend is away
            sentence = f"Cannot read connection '{self.conn_id}': {error}."
            raise self._logged(early_error(sentence, FailureReason.UNREACHABLE)) from None
        if submission_id is not None:
            self._submission_id = submission_id
            self.job_url = job_url(self._settings.dashboard_url, submission_id)
        return self._settings

    def _call(self, ask: Callable[[RayJobsClient], Awaitable[T]], patience: float = 0.0) -> T:
        """Run one conversation with Ray and turn its failure into the task's exception.

        While Ray is away it is begun again, for ``patience`` seconds: it must be one that may be repeated.
        """
        from ray_jobs_api.client import RayJobsClient

        settings = self._settings or self._connect(None)

        async def talk() -> T:
            until = time.monotonic() + patience
            async with RayJobsClient(settings) as client:
                while True:
                    try:
                        return await ask(client)
                    except RayApiError as error:
                        left = until - time.monotonic()
                        if self._killed or not error.transient or left <= 0:
                            raise
                        self.log.warning("%s Asking again, for %.0f s more.", error, left)
                    await asyncio.sleep(min(_PATIENT_PAUSE, left))

        try:
            return asyncio.run(talk())
        except RayApiError as error:
            raise self._logged(early_error(f"{error} {error.reason.advice}", error.reason)) from None

    def _logged(self, error: E) -> E:
        """Say it as a line of its own: the exception's text is folded away behind a stack trace in Airflow's UI."""
        self.log.error("%s", error)
        return error
