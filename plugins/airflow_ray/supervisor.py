"""What a trigger asks of Airflow, through the triggerer's supervisor: it has no database and no task context."""

from __future__ import annotations

import asyncio
import uuid
from dataclasses import dataclass
from typing import Any

_ATTEMPTS = 5
#: The XCom of ``XComLogPosition``. The operator stores ``{}`` before it defers: a trigger that asks for an XCom that is
#: not there makes Airflow log an error.
LOG_KEY = "ray_log_position"


@dataclass(frozen=True)
class TaskKey:
    """The task instance that a trigger works for."""

    dag_id: str
    run_id: str
    task_id: str
    map_index: int

    async def state(self) -> str:
        """The task's state now; ``none`` when it was cleared or removed, ``unknown`` when Airflow does not say."""
        for attempt in range(_ATTEMPTS):
            state = self.state_in(await _ask(self.states_request()))
            if state != "unknown":
                return state
            await asyncio.sleep(attempt + 1)
        return "unknown"

    def states_request(self) -> Any:
        """The question for the state, as a supervisor takes it."""
        from airflow.sdk.execution_time.comms import GetTaskStates

        return GetTaskStates(
            dag_id=self.dag_id, task_ids=[self.task_id], run_ids=[self.run_id], map_index=self.map_index
        )

    def state_in(self, answer: Any) -> str:
        """The state in the answer to ``states_request``, in the words of ``state``."""
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
        """Store a value of JSON types under ``key``. A failure is not reported: nothing here is worth a task."""
        from airflow.sdk.execution_time.comms import SetXCom

        await _ask(SetXCom(key=key, value=value, **self._fields()))

    def _fields(self) -> dict[str, Any]:
        return {"dag_id": self.dag_id, "run_id": self.run_id, "task_id": self.task_id, "map_index": self.map_index}


class XComLogPosition:
    """A ``LogPosition`` in an XCom of the task: it lives as long as the try, and is cleared before the next one.

    A trigger has no other place that outlives its process (facts of Airflow 3.3: no task state store here). The value
    also names the watcher that wrote it, so that a triggerer that hung and comes back sees that it was replaced.
    """

    def __init__(self, task: TaskKey, submission_id: str) -> None:
        self._task = task
        self._submission_id = submission_id
        self._watcher = uuid.uuid4().hex

    async def load(self) -> int:
        """The position that an earlier watcher of the same job left, or 0."""
        stored: Any = None
        for attempt in range(_ATTEMPTS):
            # The operator stored something, so nothing means that Airflow could not say.
            if isinstance(stored := await self._task.get_xcom(LOG_KEY), dict):
                break
            await asyncio.sleep(attempt + 1)
        stored = stored or {}
        offset = int(stored["offset"]) if stored.get("job") == self._submission_id else 0
        await self.save(offset)
        return offset

    async def mine(self) -> bool:
        """False once another watcher has loaded the position."""
        return (await self._stored()).get("watcher", self._watcher) == self._watcher

    async def save(self, offset: int) -> None:
        """Store the position under this watcher's name."""
        await self._task.set_xcom(LOG_KEY, {"job": self._submission_id, "offset": offset, "watcher": self._watcher})

    async def _stored(self) -> dict[str, Any]:
        stored = await self._task.get_xcom(LOG_KEY)
        return stored if isinstance(stored, dict) else {}


async def _ask(request: Any) -> Any:
    """One question to the supervisor; None when it answers with an error."""
    from airflow.sdk.exceptions import AirflowRuntimeError
    from airflow.sdk.execution_time import task_runner

    try:
        return await task_runner.SUPERVISOR_COMMS.asend(request)
    except AirflowRuntimeError:
        return None
