"""Watches a job in the triggerer while its task is deferred, and fires one event when the job has ended.

A triggerer that stops, restarts or hands the trigger over must leave the job alone, so ``cleanup`` does nothing. Only
``on_kill``, the user's action, stops the job. Airflow also calls ``on_kill`` when a recovered triggerer drops a trigger
that another one took over (apache/airflow#73454), so ``on_kill`` first asks for the task's state: as long as the task
is deferred, another watcher has the job.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any

from airflow.sdk.exceptions import AirflowException
from airflow.triggers.base import BaseTrigger, TriggerEvent
from tenacity import AsyncRetrying, RetryCallState, retry_if_exception_type, stop_after_attempt, wait_chain, wait_fixed

from airflow_ray.hooks.cluster import RayHook
from airflow_ray.supervisor import TaskKey, XComLogPosition
from ray_jobs_api.client import RayJobsClient
from ray_jobs_api.cluster_throttle import ClusterThrottle
from ray_jobs_api.failures import FailureReason, RayApiError
from ray_jobs_api.job_outcome import JobOutcome
from ray_jobs_api.settings import ClusterSettings
from ray_jobs_api.watch import JobLimits, JobWatch

#: Shared by the watchers of this triggerer process.
_throttle = ClusterThrottle()
#: Stops under way. The event loop keeps weak references only, and a stop outlives the trigger that started it.
_stops: set[asyncio.Task[None]] = set()
#: Delays in seconds between attempts to read the connection.
_CONNECTION_DELAYS = (1, 5, 15)
#: Seconds from the trigger's start to the earliest event. Up to 5 s after a task has deferred, its process reports its
#: end to the scheduler. Airflow 3.3 takes that for the end of the resumed task, where the task has resumed by then, and
#: fails the try (apache/airflow#67287, apache/airflow#72716).
EARLIEST_EVENT = 10.0


class RayJobTrigger(BaseTrigger):
    """Watches one job. Only the id of its connection is stored, never the secrets. The event holds a ``JobOutcome``.

    :param task_key: ``[dag_id, run_id, task_id, map_index]``.
    :param limits: the fields of ``JobLimits``.
    :param stop_on_kill: whether ``on_kill`` stops the job.
    :param session: ``session_name`` of the cluster that took the job.
    """

    def __init__(
        self,
        *,
        conn_id: str,
        submission_id: str,
        task_key: list[Any],
        limits: dict[str, Any],
        poll_interval: float = 5.0,
        stream_logs: bool = True,
        stop_on_kill: bool = True,
        session: str | None = None,
    ) -> None:
        super().__init__()
        self.conn_id = conn_id
        self.submission_id = submission_id
        self.task_key = task_key
        self.limits = limits
        self.poll_interval = poll_interval
        self.stream_logs = stream_logs
        self.stop_on_kill = stop_on_kill
        self.session = session

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Class path and arguments, as Airflow stores them."""
        names = (
            "conn_id",
            "submission_id",
            "task_key",
            "limits",
            "poll_interval",
            "stream_logs",
            "stop_on_kill",
            "session",
        )
        return "airflow_ray.triggers.job.RayJobTrigger", {name: getattr(self, name) for name in names}

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Watch the job and fire its outcome, also when the connection is wrong: the worker raises the error."""
        earliest = time.monotonic() + EARLIEST_EVENT
        try:
            settings = await self._settings()
            async with RayJobsClient(settings) as client:
                with _throttle.watcher(settings.base_url) as quota:
                    outcome = await JobWatch(
                        client,
                        self.submission_id,
                        limits=JobLimits(**self.limits),
                        emit=lambda line: self.log.info("%s", line),
                        interval=self.poll_interval,
                        stream_logs=self.stream_logs,
                        session=self.session,
                        position=XComLogPosition(TaskKey(*self.task_key), self.submission_id),
                        quota=quota,
                    ).run()
        except ValueError as error:
            outcome = self._not_watched(str(error), FailureReason.CONFIGURATION)
        except RayApiError as error:
            outcome = self._not_watched(str(error), error.reason)
        await asyncio.sleep(earliest - time.monotonic())
        yield TriggerEvent(outcome.to_event())

    async def _settings(self) -> ClusterSettings:
        """Read the connection. Airflow reports it as missing also while its database or secrets backend is away."""

        def say(state: RetryCallState) -> None:
            error = state.outcome.exception() if state.outcome else None
            self.log.warning("Cannot read connection '%s' (%s); retrying.", self.conn_id, error)

        try:
            return await AsyncRetrying(
                retry=retry_if_exception_type(AirflowException),
                stop=stop_after_attempt(len(_CONNECTION_DELAYS) + 1),
                wait=wait_chain(*map(wait_fixed, _CONNECTION_DELAYS)),
                before_sleep=say,
                reraise=True,
            )(RayHook(self.conn_id).asettings)
        except AirflowException as error:
            sentence = f"Cannot read connection '{self.conn_id}': {error}."
            raise RayApiError(sentence, FailureReason.UNREACHABLE) from None

    def _not_watched(self, sentence: str, reason: FailureReason) -> JobOutcome:
        return JobOutcome(self.submission_id, "UNKNOWN", api_error=sentence, api_reason=reason.value)

    async def on_kill(self) -> None:
        """Stop the job if the task is really no longer deferred. An unknown state leaves the job alone."""
        if not self.stop_on_kill:
            self.log.info("The task ended; its Ray job %s continues (on_kill='detach').", self.submission_id)
            return
        # Airflow cancels a trigger once per sync until it is gone, so a second cancel can hit this method while it
        # waits (seen with a slow supervisor). The stop therefore runs in a task of its own, which continues.
        stop = asyncio.create_task(self._stop_unless_deferred())
        _stops.add(stop)
        stop.add_done_callback(_stops.discard)
        await asyncio.shield(stop)

    async def _stop_unless_deferred(self) -> None:
        state = await TaskKey(*self.task_key).state()
        if state in ("deferred", "unknown"):
            self.log.info("The task's state is %s: Ray job %s is left alone.", state, self.submission_id)
            return
        try:
            async with RayJobsClient(await RayHook(self.conn_id).asettings()) as client:
                await client.stop(self.submission_id)
        except (RayApiError, ValueError, AirflowException) as error:
            self.log.error("Could not stop Ray job %s: %s", self.submission_id, error)
        else:
            self.log.info("A user ended the task: asked Ray to stop job %s.", self.submission_id)
