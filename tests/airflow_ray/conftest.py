"""The shared Ray head as the tests of the provider see it, and a stand-in for a task's supervisor."""

from collections.abc import Callable
from typing import Any

import pytest
from airflow.sdk.execution_time import task_runner

from ray_head_client import attempt, cluster

__all__ = ["attempt", "cluster", "supervise"]


@pytest.fixture
def supervise(monkeypatch: pytest.MonkeyPatch) -> Callable[[Any], None]:
    """Lets a stand-in answer for the task's supervisor, whose name has a value only in a process that runs a task."""

    def by(supervisor: Any) -> None:
        assert "SUPERVISOR_COMMS" in task_runner.__annotations__
        monkeypatch.setitem(vars(task_runner), "SUPERVISOR_COMMS", supervisor)

    return by
