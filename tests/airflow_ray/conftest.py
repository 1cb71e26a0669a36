"""The shared Ray head as the provider's tests see it, and an attempt of its own for each test."""

import uuid
from collections.abc import Callable
from typing import Any

import pytest
from airflow.sdk.execution_time import task_runner

from airflow_ray.job_ids import Attempt
from conversations import Cluster
from ray_jobs_api.settings import ClusterSettings


@pytest.fixture
def supervise(monkeypatch: pytest.MonkeyPatch) -> Callable[[Any], None]:
    """Lets a stand-in answer for the task's supervisor, whose name has a value only in a process that runs a task."""

    def by(supervisor: Any) -> None:
        assert "SUPERVISOR_COMMS" in task_runner.__annotations__
        monkeypatch.setitem(vars(task_runner), "SUPERVISOR_COMMS", supervisor)

    return by


@pytest.fixture
def cluster(ray_head: Any) -> Cluster:
    return Cluster(ClusterSettings(ray_head.dashboard_url, "test", token=ray_head.auth_token))


@pytest.fixture
def attempt() -> Attempt:
    return Attempt("dag", f"run-{uuid.uuid4()}", "task", -1, epoch=0, try_number=1)
