"""Brings one piece of work onto the cluster exactly once: find the job of an earlier attempt, or submit a new one."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ray_jobs_api.client import JobInfo, RayJobsClient
from ray_jobs_api.failures import FailureReason, JobExistsError, JobNotFoundError, RayApiError
from ray_jobs_api.packages import Package
from ray_jobs_api.stopping import stop_and_wait


@dataclass(frozen=True)
class Placement:
    """The job that does the work. ``attached``: an earlier attempt, or a lost answer, had submitted it before.

    ``session`` is the cluster's ``session_name`` at that time.
    """

    submission_id: str
    attached: bool
    session: str


async def place(
    client: RayJobsClient,
    submission_id: str,
    request: Mapping[str, Any],
    *,
    earlier: Sequence[str] = (),
    packages: Sequence[Package] = (),
    superseded: str | None = None,
    in_doubt: str | None = None,
    submitting: Callable[[str], None] = lambda submission_id: None,
) -> Placement:
    """Make sure that exactly one job does this work, and say which.

    ``superseded`` is a job that nobody wants any more: it is stopped first, and seen to stop. Then the job of an
    earlier attempt (``earlier`` holds their ids, the latest first) is adopted if it is pending, running or done (its
    worker died, the job did not). Otherwise a new job is submitted under ``submission_id``; when that is taken, this
    attempt had submitted it before. ``in_doubt`` is one of the earlier ids, under which a submit may still be under
    way: where Ray does not know it, the new job gets that id, so that the late request is refused when it arrives.
    ``submitting`` is called with the id just before the submit.
    """
    session = (await client.version())["session_name"]
    if superseded is not None:
        await _stop_if_alive(client, superseded)
    own = submission_id
    for earlier_id in earlier:
        job = await _find(client, earlier_id)
        if job is not None and job.status in ("PENDING", "RUNNING", "SUCCEEDED"):
            return Placement(earlier_id, attached=True, session=session)
        if job is not None:
            break
        if earlier_id == in_doubt:
            own = earlier_id
            break
    if await _find(client, own) is not None:
        return Placement(own, attached=True, session=session)
    for package in packages:
        if not await client.has_package(package.name):
            await client.upload_package(package.name, package.content)
    submitting(own)
    try:
        await client.submit({**request, "submission_id": own})
    except JobExistsError:
        await client.job(own)  # confirms that the refusal was about this id
        return Placement(own, attached=True, session=session)
    return Placement(own, attached=False, session=session)


async def _find(client: RayJobsClient, submission_id: str) -> JobInfo | None:
    try:
        return await client.job(submission_id)
    except JobNotFoundError:
        return None


async def _stop_if_alive(client: RayJobsClient, submission_id: str) -> None:
    job = await _find(client, submission_id)
    if job is None or job.finished:
        return
    job = await stop_and_wait(client, submission_id)
    if not job.finished and job.status != "PENDING":
        raise RayApiError(f"The superseded job {submission_id} does not stop.", FailureReason.INFRASTRUCTURE)
