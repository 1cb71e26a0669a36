"""Watches a job in the triggerer while the task is deferred, and fires one event when it has ended.

What ends a job and what does not: a triggerer that stops, restarts or hands the trigger over must leave the job alone,
so nothing happens in ``cleanup``. Only ``on_kill``, the user's action, stops it. Airflow also calls ``on_kill`` when a
recovered triggerer drops a trigger that another one took over (apache/airflow#73454), so the task's state is asked
first: as long as the task is deferred, somebody else watches the job.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from airflow.sdk.exceptions import AirflowException
from airflow.triggers.base import BaseTrigger, TriggerEvent

from airflow_ray.hooks.cluster import RayHook
from airflow_ray.supervisor import TaskKey, XComLogPosition
from ray_jobs_api.client import RayJobsClient
from ray_jobs_api.cluster_throttle import Crowd
from ray_jobs_api.failures import FailureReason, RayApiError
from ray_jobs_api.job_outcome import Outcome
from ray_jobs_api.settings import ClusterSettings
from ray_jobs_api.watch import JobWatch, Limits

#: The watchers of this triggerer process.
_crowd = Crowd()
#: Stops under way. The event loop keeps weak references only, and a stop outlives the trigger that began it.
_stops: set[asyncio.Task[None]] = set()


class RayJobTrigger(BaseTrigger):
    """``task_key`` is ``[dag_id, run_id, task_id, map_index]``; ``limits`` the fields of ``Limits``.

    Only the connection's id is stored, never its secrets. The event's payload is an ``Outcome``.
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
        """Watch the job and fire its ``Outcome``, also when the connection is wrong: the worker raises the error."""
        try:
            settings = await self._settings()
            async with RayJobsClient(settings) as client:
                with _crowd.joined(settings.base_url) as crowd:
                    outcome = await JobWatch(
                        client,
                        self.submission_id,
                        limits=Limits(**self.limits),
                        emit=lambda line: self.log.info("%s", line),
                        interval=self.poll_interval,
                        stream_logs=self.stream_logs,
                        session=self.session,
                        position=XComLogPosition(TaskKey(*self.task_key), self.submission_id),
                        crowd=crowd,
                    ).run()
        except ValueError as error:
            outcome = _not_watched(self.submission_id, str(error), FailureReason.CONFIGURATION)
        except RayApiError as error:
            outcome = _not_watched(self.submission_id, str(error), error.reason)
        yield TriggerEvent(outcome.to_event())

    async def _settings(self) -> ClusterSettings:
        """The connection. Airflow says "not found" also when its database or secrets backend is away for a moment."""
        for pause in (1, 5, 15):
            try:
                return await RayHook(self.conn_id).asettings()
            except AirflowException as error:
                self.log.warning("Cannot read connection '%s' (%s); trying again in %d s.", self.conn_id, error, pause)
            await asyncio.sleep(pause)
        try:
            return await RayHook(self.conn_id).asettings()
        except AirflowException as error:
            sentence = f"Cannot read connection '{self.conn_id}': {error}."
            raise RayApiError(sentence, FailureReason.UNREACHABLE) from None

    async def on_kill(self) -> None:
        """Stop the job if the task is really no longer deferred. An unknown state leaves the job alone."""
        if not self.stop_on_kill:
            self.log.info("The task ended; its Ray job %s goes on (on_kill='detach').", self.submission_id)
            return
        # Airflow cancels a trigger once per sync until it is gone, so a second cancel can hit this method while it
        # waits (seen with a slow supervisor). The stop therefore runs beside it and goes on.
        stop = asyncio.create_task(self._stop_unless_deferred())
        _stops.add(stop)
        stop.add_done_callback(_stops.discard)
        await asyncio.shield(stop)

    async def _stop_unless_deferred(self) -> None:
        state = await TaskKey(*self.task_key).state()
        if state in ("deferred", "unknown"):
            self.log.info("Task state is %s: the Ray job %s is left alone.", state, self.submission_id)
            return
        try:
            async with RayJobsClient(await RayHook(self.conn_id).asettings()) as client:
                await client.stop(self.submission_id)
        except (RayApiError, ValueError, AirflowException) as error:
            self.log.error("Could not stop Ray job %s: %s", self.submission_id, error)
        else:
            self.log.info("The task was ended by a user: asked Ray to stop job %s.", self.submission_id)


def _not_watched(submission_id: str, sentence: str, reason: FailureReason) -> Outcome:
    return Outcome(submission_id, "UNKNOWN", api_error=sentence, api_reason=reason.value)
