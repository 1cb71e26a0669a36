"""A watcher that follows another one, as triggers do when their triggerer dies: the log continues where it stopped.

Airflow's supervisor is a stand-in that keeps XComs in memory; the real one is in ``tests/dags/test_kills.py``.
"""

import asyncio
from typing import Any

import pytest
from airflow.sdk.execution_time.comms import SetXCom, XComResult

from airflow_ray.supervisor import LOG_KEY, TaskKey, XComLogPosition
from ray_head_client import JOBS, behaving, place_attempt, watched
from ray_jobs_api.client import RayJobsClient
from ray_jobs_api.packages import pack

TASK = TaskKey("dag", "run", "task", -1)


class Supervisor:
    """Stores XComs and answers for them."""

    def __init__(self) -> None:
        self.stored: dict[str, Any] = {}

    async def asend(self, message: Any) -> Any:
        if isinstance(message, SetXCom):
            self.stored[message.key] = message.value
            return None
        return XComResult(key=message.key, value=self.stored.get(message.key))


@pytest.fixture
def supervisor(supervise: Any) -> Supervisor:
    supervisor = Supervisor()
    supervise(supervisor)
    return supervisor


def test_the_position_belongs_to_one_job_and_one_watcher(supervisor):
    supervisor.stored[LOG_KEY] = {}  # as the operator does before it defers; without it, a watcher asks for 10 s

    async def story() -> None:
        first = XComLogPosition(TASK, "job-1")
        assert await first.load() == 0
        await first.save(120)
        second = XComLogPosition(TASK, "job-1")
        assert await first.is_current()
        assert await second.load() == 120
        assert (await first.is_current(), await second.is_current()) == (False, True)
        assert await XComLogPosition(TASK, "job-2").load() == 0

    asyncio.run(story())


@pytest.mark.nightly
def test_a_successor_shows_the_rest_and_its_predecessor_nothing_more(cluster, attempt, supervisor, tmp_path):
    first: list[str] = []
    second: list[str] = []

    async def story(client: RayJobsClient) -> Any:
        await place_attempt(client, attempt, behaving("until", tmp_path / "end"), packages=[pack(JOBS)])
        enough, more = asyncio.Event(), asyncio.Event()

        def show_first(line: str) -> None:
            first.append(line)
            if "line 20 of the job" in first:
                enough.set()

        def show_second(line: str) -> None:
            second.append(line)
            if len(second) > 20:
                more.set()

        def follow(emit: Any) -> asyncio.Task[Any]:
            position = XComLogPosition(TASK, attempt.submission_id)
            return asyncio.create_task(watched(client, attempt.submission_id, emit=emit, position=position))

        hung = follow(show_first)  # continues in vain, like a trigger whose triggerer was believed dead
        await enough.wait()
        successor = follow(show_second)
        await more.wait()
        await asyncio.to_thread((tmp_path / "end").touch)
        await hung
        outcome, _ = await successor
        return outcome

    outcome = cluster.ask(story)
    shown = [line for line in [*first, *second] if line.startswith("line ")]
    assert shown == [f"line {number} of the job" for number in range(len(shown))]
    assert len(shown) > 40
    assert not outcome.log_complete  # the second saw only the rest, so the worker reads the log's end itself
