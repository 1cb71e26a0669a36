"""Conversations of a test with a real Ray head, through the provider's own client, and small jobs for it."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from airflow_ray.job_ids import Attempt
from ray_jobs_api.client import RayJobsClient
from ray_jobs_api.job_outcome import Outcome
from ray_jobs_api.job_request import command_line, job_request
from ray_jobs_api.packages import pack
from ray_jobs_api.placement import Placement, place
from ray_jobs_api.settings import ClusterSettings
from ray_jobs_api.watch import JobWatch, Limits

JOBS = Path(__file__).parent / "jobs"


@dataclass
class Cluster:
    """Conversations with one Ray head, directly or through whatever stands at ``settings.base_url``."""

    settings: ClusterSettings

    def at(self, url: str, **changes: Any) -> "Cluster":
        """The same head under another address."""
        return Cluster(replace(self.settings, base_url=url, **changes))

    def ask(self, question: Callable[[RayJobsClient], Awaitable[Any]], **options: Any) -> Any:
        async def run() -> Any:
            async with RayJobsClient(self.settings, **options) as client:
                return await question(client)

        return asyncio.run(run())

    def run_job(self, attempt: Attempt, *behave: Any, **options: Any) -> tuple[Outcome, list[str]]:
        """Submit a job that behaves so and watch it to its end; returns the outcome and its lines."""

        async def all_of_it(client: RayJobsClient) -> tuple[Outcome, list[str]]:
            placed = await place_attempt(client, attempt, behaving(*behave), packages=[pack(JOBS)])
            return await watched(client, placed.submission_id, **options)

        result: tuple[Outcome, list[str]] = self.ask(all_of_it)
        return result


def behaving(*behave: Any, metadata: dict[str, str] | None = None) -> dict[str, Any]:
    """The request for a job of ``tests/jobs/behave.py``."""
    return job_request(
        entrypoint=command_line(["python", "behave.py", *behave]),
        runtime_env={"working_dir": pack(JOBS).uri},
        metadata=metadata or {},
    )


async def place_attempt(
    client: RayJobsClient, attempt: Attempt, request: dict[str, Any], *, adopt: bool = True, **options: Any
) -> Placement:
    """Place an attempt's job as ``RayOperator`` does."""
    earlier = [each.submission_id for each in attempt.predecessors()] if adopt else []
    return await place(client, attempt.submission_id, request, earlier=earlier, **options)


async def watched(client: RayJobsClient, submission_id: str, **options: Any) -> tuple[Outcome, list[str]]:
    """Watch a job to its end; returns the outcome and the lines, unless they go to an ``emit`` of the caller."""
    lines: list[str] = []
    options = {"limits": Limits(), "emit": lines.append, "interval": 0.5, **options}
    return await JobWatch(client, submission_id, **options).run(), lines
