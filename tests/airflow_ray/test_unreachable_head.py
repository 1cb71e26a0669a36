"""A Ray head that is away when a task submits: the task retries, as long as ``unreachable_timeout`` says."""

import pytest

from airflow_ray.exceptions import RayJobError
from airflow_ray.operators import base
from airflow_ray.operators.job import RayOperator
from ray_jobs_api.failures import FailureReason, RayApiError
from ray_jobs_api.settings import ClusterSettings


class Away:
    """Requests that fail so many times before they succeed."""

    def __init__(self, times: int, *, transient: bool = True) -> None:
        self.times, self.transient, self.asked = times, transient, 0

    async def __call__(self, client: object) -> str:
        self.asked += 1
        if self.asked <= self.times:
            raise RayApiError("Cannot reach Ray.", FailureReason.UNREACHABLE, transient=self.transient)
        return "placed"


@pytest.fixture
def task(monkeypatch: pytest.MonkeyPatch) -> RayOperator:
    monkeypatch.setattr(base, "_RECONNECT_DELAY", 0.01)
    task = RayOperator(task_id="t", entrypoint="x")
    task._settings = ClusterSettings("http://ray.invalid:8265", "test")
    return task


def test_a_head_that_comes_back_is_waited_for(task):
    away = Away(3)
    assert task._call(lambda client: away(client), retry_seconds=60) == "placed"
    assert away.asked == 4


@pytest.mark.parametrize(("retry_seconds", "transient"), [(0, True), (60, False)])
def test_a_failure_that_does_not_pass_is_not_retried(task, retry_seconds, transient):
    away = Away(3, transient=transient)
    with pytest.raises(RayJobError, match=r"Failed \(ray_unreachable\): Cannot reach Ray"):
        task._call(away, retry_seconds=retry_seconds)
    assert away.asked == 1


def test_a_killed_task_does_not_wait(task):
    task._killed = True
    away = Away(3)
    with pytest.raises(RayJobError):
        task._call(away, retry_seconds=60)
    assert away.asked == 1
