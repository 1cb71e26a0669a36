"""A Ray head that keeps its tables in Redis is replaced while the driver of a job goes on, on a node of its own."""

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pytest

from embedded import processes, redis
from embedded.processes import base_environment, poll
from embedded.ray_head import RayHead
from embedded.ray_node import RayNode
from ray_head_client import JOBS, RayHeadClient, behaving, place_attempt, watched
from ray_jobs_api.client import RayJobsClient
from ray_jobs_api.packages import pack
from ray_jobs_api.settings import ClusterSettings

pytestmark = [
    pytest.mark.chaos,
    pytest.mark.timeout(600),
    pytest.mark.skipif(not redis.installed(), reason="no Redis here (Debian's package redis-server)"),
]
ON_NODE = {"entrypoint_resources": {"driver": 1}}


@pytest.fixture
def head(tmp_path: Path) -> Iterator[RayHead]:
    """A head without CPUs, with its tables in Redis, beside a node for drivers and their work."""
    with (
        redis.Redis(tmp_path / "redis") as tables,
        RayHead(tmp_path / "ray", tables.head_environment(), num_cpus=0) as head,
        RayNode(tmp_path / "node", head, 2, resources={"driver": 1}),
    ):
        yield head


@pytest.fixture
def jobs(head: RayHead) -> RayHeadClient:
    return RayHeadClient(ClusterSettings(head.dashboard_url, "test", token=head.auth_token))


def test_a_job_outlives_the_head_and_is_watched_to_its_end(head, jobs, attempt, tmp_path):
    end = tmp_path / "end"

    async def story(client: RayJobsClient) -> Any:
        request = {**behaving("until", end), **ON_NODE}
        placed = await place_attempt(client, attempt, request, packages=[pack(JOBS)])
        lines: list[str] = []
        watch = asyncio.create_task(watched(client, placed.submission_id, emit=lines.append))
        while "line 3 of the job" not in lines:
            assert not watch.done(), watch.result()
            await asyncio.sleep(0.2)
        await asyncio.to_thread(head.kill)
        await asyncio.to_thread(head.start)
        end.touch()
        outcome, _ = await watch
        retry = await place_attempt(client, replace(attempt, try_number=2), request)
        return outcome, lines, retry, placed

    outcome, lines, retry, placed = jobs.ask(story)
    assert (outcome.status, outcome.api_error) == ("SUCCEEDED", None), outcome
    numbers = [int(line.split()[1]) for line in lines if line.startswith("line ")]
    assert numbers == list(range(len(numbers)))
    assert outcome.report == {"pipeline": "behave", "listed": len(numbers)}
    assert (retry.submission_id, retry.attached) == (placed.submission_id, True)


def test_a_retry_ends_a_driver_that_ray_has_given_up(head, jobs, attempt, tmp_path):
    """As in ray#65025: during the replacement, Ray takes a live job for failed."""
    end = tmp_path / "end"

    async def story(client: RayJobsClient) -> Any:
        request = {**behaving("until", end), **ON_NODE}
        placed = await place_attempt(client, attempt, request, packages=[pack(JOBS)])
        living = await asyncio.to_thread(drivers, end)
        await asyncio.to_thread(given_up, head, placed.submission_id)
        assert (await client.job(placed.submission_id)).status == "FAILED"
        assert all(driver.is_running() for driver in living)
        retry = await place_attempt(client, replace(attempt, try_number=2), request)
        assert not any(driver.is_running() for driver in living)
        end.touch()
        return placed, retry, await watched(client, retry.submission_id)

    placed, retry, (outcome, _) = jobs.ask(story)
    assert retry.submission_id != placed.submission_id
    assert outcome.status == "SUCCEEDED"


GIVE_UP = """
import asyncio, sys
from ray._raylet import GcsClient
from ray.dashboard.modules.job.common import JobErrorType, JobInfoStorageClient, JobStatus

jobs = JobInfoStorageClient(GcsClient(address=sys.argv[1]), None)
failure = JobErrorType.JOB_SUPERVISOR_ACTOR_UNKNOWN_FAILURE
asyncio.run(jobs.put_status(sys.argv[2], JobStatus.FAILED, message="Unexpected error occurred", error_type=failure))
"""


def given_up(head: RayHead, submission_id: str) -> None:
    """Let Ray's table say what its monitor writes when it cannot speak with the supervisor of a job."""
    command = [sys.executable, "-c", GIVE_UP, head.gcs_address, submission_id]
    subprocess.run(command, env={**base_environment(), **head.client_environment()}, check=True)


def drivers(end: Path) -> list[psutil.Process]:
    """The drivers of the job that goes on until this file is there."""

    def found() -> list[psutil.Process]:
        return [each for each in psutil.process_iter() if processes.command_line(each)[-1:] == [str(end)]]

    poll(found, 60, "the driver has begun")
    return found()
