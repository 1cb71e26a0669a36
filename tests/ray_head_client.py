"""Requests of a test to a real Ray head, through the project's own client, and small jobs for it."""

import asyncio
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from airflow_ray.job_ids import Attempt
from ray_jobs_api.client import RayJobsClient
from ray_jobs_api.job_outcome import JobOutcome
from ray_jobs_api.job_request import command_line, job_request
from ray_jobs_api.packages import pack
from ray_jobs_api.placement import Placement, place
from ray_jobs_api.settings import ClusterSettings
from ray_jobs_api.watch import JobLimits, JobWatch

JOBS = Path(__file__).parent / "jobs"


@dataclass
class RayHeadClient:
    """Requests to one Ray head, directly or through a gateway at ``settings.base_url``."""

    settings: ClusterSettings

    def at(self, url: str, **changes: Any) -> "RayHeadClient":
        """The same head under another address."""
        return RayHeadClient(replace(self.settings, base_url=url, **changes))

    def ask(self, question: Callable[[RayJobsClient], Awaitable[Any]], **options: Any) -> Any:
        async def run() -> Any:
            async with RayJobsClient(self.settings, **options) as client:
                return await question(client)

        return asyncio.run(run())

    def run_job(self, attempt: Attempt, *behave: Any, **options: Any) -> tuple[JobOutcome, list[str]]:
        """Submit a job that behaves so and watch it to its end. Returns the outcome and the lines of the log."""

        async def all_of_it(client: RayJobsClient) -> tuple[JobOutcome, list[str]]:
            placed = await place_attempt(client, attempt, behaving(*behave), packages=[pack(JOBS)])
            return await watched(client, placed.submission_id, **options)

        result: tuple[JobOutcome, list[str]] = self.ask(all_of_it)
        return result


def behaving(*behave: Any, metadata: dict[str, str] | None = None) -> dict[str, Any]:
    """The request for a job of ``tests/jobs/behave.py``."""
    return job_request(
        entrypoint=command_line(["python", "behave.py", *behave]),
        runtime_env={"working_dir": pack(JOBS).uri},
        metadata=metadata or {},
    )


@pytest.fixture
def cluster(ray_head: Any) -> RayHeadClient:
    """The shared Ray head."""
    return RayHeadClient(ClusterSettings(ray_head.dashboard_url, "test", token=ray_head.auth_token))


@pytest.fixture
def attempt() -> Attempt:
    """An attempt that no other test has."""
    return Attempt("dag", f"run-{uuid.uuid4()}", "task", -1, epoch=0, try_number=1)


async def place_attempt(
    client: RayJobsClient, attempt: Attempt, request: dict[str, Any], *, adopt: bool = True, **options: Any
) -> Placement:
    """Place an attempt's job as ``RayOperator`` does."""
    earlier = [each.submission_id for each in attempt.predecessors()] if adopt else []
    return await place(client, attempt.submission_id, request, earlier=earlier, **options)


async def watched(client: RayJobsClient, submission_id: str, **options: Any) -> tuple[JobOutcome, list[str]]:
    """Watch a job to its end; returns the outcome and the lines, unless they go to an ``emit`` of the caller."""
    lines: list[str] = []
    options = {"limits": JobLimits(), "emit": lines.append, "interval": 0.5, **options}
    return await JobWatch(client, submission_id, **options).run(), lines
