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

from airflow.triggers.base import BaseTrigger, TriggerEvent

from .client import RayJobsClient
from .errors import FailureReason, RayApiError
from .hook import RayHook
from .watch import JobWatch, Limits, Outcome

_STATE_ATTEMPTS = 5
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
        log_offset: int = 0,
        stop_on_kill: bool = True,
    ) -> None:
        super().__init__()
        self.conn_id = conn_id
        self.submission_id = submission_id
        self.task_key = task_key
        self.limits = limits
        self.poll_interval = poll_interval
        self.stream_logs = stream_logs
        self.log_offset = log_offset
        self.stop_on_kill = stop_on_kill

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Class path and arguments, as Airflow stores them."""
        names = (
            "conn_id",
            "submission_id",
            "task_key",
            "limits",
            "poll_interval",
            "stream_logs",
            "log_offset",
            "stop_on_kill",
        )
        return "airflow_ray.trigger.RayJobTrigger", {name: getattr(self, name) for name in names}

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Watch the job and fire its ``Outcome``, also when the connection is wrong: the worker raises the error."""
        try:
            async with RayJobsClient(await RayHook(self.conn_id).asettings()) as client:
                watch = JobWatch(
                    client,
                    self.submission_id,
                    limits=Limits(**self.limits),
                    emit=lambda line: self.log.info("%s", line),
                    interval=self.poll_interval,
                    stream_logs=self.stream_logs,
                    log_offset=self.log_offset,
                )
                outcome = await watch.run()
        except ValueError as error:
            outcome = _not_watched(self.submission_id, str(error), FailureReason.CONFIGURATION)
        except RayApiError as error:
            outcome = _not_watched(self.submission_id, str(error), error.reason)
        yield TriggerEvent(outcome.to_event())

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
        state = await self._task_state()
        if state in ("deferred", "unknown"):
            self.log.info("Task state is %s: the Ray job %s is left alone.", state, self.submission_id)
            return
        try:
            async with RayJobsClient(await RayHook(self.conn_id).asettings()) as client:
                await client.stop(self.submission_id)
        except (RayApiError, ValueError) as error:
            self.log.error("Could not stop Ray job %s: %s", self.submission_id, error)
        else:
            self.log.info("The task was ended by a user: asked Ray to stop job %s.", self.submission_id)

    async def _task_state(self) -> str:
        from airflow.sdk.execution_time import task_runner
        from airflow.sdk.execution_time.comms import ErrorResponse, GetTaskStates, TaskStatesResult

        dag_id, run_id, task_id, map_index = self.task_key
        name = task_id if map_index < 0 else f"{task_id}_{map_index}"
        for attempt in range(_STATE_ATTEMPTS):
            request = GetTaskStates(dag_id=dag_id, task_ids=[task_id], run_ids=[run_id], map_index=map_index)
            answer = await task_runner.SUPERVISOR_COMMS.asend(request)
            if isinstance(answer, TaskStatesResult):
                states = answer.task_states.get(run_id, {})
                # A task without a state was cleared; one that is gone was removed with its run.
                return str(states.get(name) or "none")
            detail = answer.error if isinstance(answer, ErrorResponse) else type(answer).__name__
            self.log.warning("Cannot read the state of task %s (%s).", task_id, detail)
            await asyncio.sleep(attempt + 1)
        return "unknown"


def _not_watched(submission_id: str, sentence: str, reason: FailureReason) -> Outcome:
    return Outcome(submission_id, "UNKNOWN", api_error=sentence, api_reason=reason.value)
