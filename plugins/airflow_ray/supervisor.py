"""Requests to Airflow through the supervisor of the process, which has no database: a triggerer's or a task's."""

from __future__ import annotations

import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from tenacity import AsyncRetrying, retry_if_result, stop_after_attempt, wait_incrementing

T = TypeVar("T")

_ATTEMPTS = 5
#: The XCom of ``XComLogPosition``. The operator stores ``{}`` before it defers, because Airflow logs an error when a
#: trigger asks for an XCom that does not exist.
LOG_KEY = "ray_log_position"


@dataclass(frozen=True)
class TaskKey:
    """The task instance that a process works for."""

    dag_id: str
    run_id: str
    task_id: str
    map_index: int

    async def state(self) -> str:
        """The task's state now; ``none`` for a cleared or removed task, ``unknown`` when Airflow does not tell it."""

        async def ask_once() -> str:
            return self.state_in(await _ask(self.states_request()))

        return await _retry(ask_once, lambda state: state != "unknown", "unknown")

    def state_now(self) -> str:
        """The same for a process that runs the task, asked once."""
        from airflow.sdk.exceptions import AirflowRuntimeError
        from airflow.sdk.execution_time import task_runner

        try:
            return self.state_in(task_runner.SUPERVISOR_COMMS.send(self.states_request()))
        except AirflowRuntimeError:
            return "unknown"

    def states_request(self) -> Any:
        """The request for the state, as a supervisor takes it."""
        from airflow.sdk.execution_time.comms import GetTaskStates

        return GetTaskStates(
            dag_id=self.dag_id, task_ids=[self.task_id], run_ids=[self.run_id], map_index=self.map_index
        )

    def state_in(self, answer: Any) -> str:
        """The state in the answer to ``states_request``, as ``state`` returns it."""
        from airflow.sdk.execution_time.comms import TaskStatesResult

        if not isinstance(answer, TaskStatesResult):
            return "unknown"
        name = self.task_id if self.map_index < 0 else f"{self.task_id}_{self.map_index}"
        return str(answer.task_states.get(self.run_id, {}).get(name) or "none")

    async def get_xcom(self, key: str) -> Any:
        """The value under ``key``, or None; also when Airflow does not answer."""
        from airflow.sdk.execution_time.comms import GetXCom, XComResult

        answer = await _ask(GetXCom(key=key, **self._fields()))
        return answer.value if isinstance(answer, XComResult) else None

    async def set_xcom(self, key: str, value: Any) -> None:
        """Store a value of JSON types under ``key``. A failure is ignored: no value here is worth a failed task."""
        from airflow.sdk.execution_time.comms import SetXCom

        await _ask(SetXCom(key=key, value=value, **self._fields()))

    def _fields(self) -> dict[str, Any]:
        return {"dag_id": self.dag_id, "run_id": self.run_id, "task_id": self.task_id, "map_index": self.map_index}


class XComLogPosition:
    """A ``LogPosition`` in an XCom of the task: it lives as long as the try, and is cleared before the next one.

    A trigger has no other place that outlives its process (in Airflow 3.3, it has no task state store). The value also
    names the watcher that wrote it, so that the watcher in a triggerer that hung and comes back sees that it was
    replaced.
    """

    def __init__(self, task: TaskKey, submission_id: str) -> None:
        self._task = task
        self._submission_id = submission_id
        self._watcher = uuid.uuid4().hex

    async def load(self) -> int:
        """The position that an earlier watcher of the same job left, or 0."""

        async def ask_once() -> Any:
            return await self._task.get_xcom(LOG_KEY)

        # The operator stored a dict, so another answer means that Airflow could not tell.
        stored: dict[str, Any] = await _retry(ask_once, lambda stored: isinstance(stored, dict), {})
        offset = int(stored["offset"]) if stored.get("job") == self._submission_id else 0
        await self.save(offset)
        return offset

    async def is_current(self) -> bool:
        """False once another watcher has loaded the position."""
        stored = await self._task.get_xcom(LOG_KEY)
        return not isinstance(stored, dict) or stored.get("watcher", self._watcher) == self._watcher

    async def save(self, offset: int) -> None:
        """Store the position under this watcher's name."""
        await self._task.set_xcom(LOG_KEY, {"job": self._submission_id, "offset": offset, "watcher": self._watcher})


async def _retry(ask: Callable[[], Awaitable[T]], is_answer: Callable[[T], bool], otherwise: T) -> T:
    """Ask until there is an answer, with delays of 1, 2, 3 and 4 s; ``otherwise`` when there is none in the end."""
    return await AsyncRetrying(
        retry=retry_if_result(lambda answer: not is_answer(answer)),
        stop=stop_after_attempt(_ATTEMPTS),
        wait=wait_incrementing(start=1, increment=1),
        retry_error_callback=lambda state: otherwise,
    )(ask)


async def _ask(request: Any) -> Any:
    """Send one request to the supervisor. Returns None when it answers with an error."""
    from airflow.sdk.exceptions import AirflowRuntimeError
    from airflow.sdk.execution_time import task_runner

    try:
        return await task_runner.SUPERVISOR_COMMS.asend(request)
    except AirflowRuntimeError:
        return None
