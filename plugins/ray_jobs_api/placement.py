"""Places one piece of work on the cluster exactly once: adopts the job of an earlier attempt, or submits a new one."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ray_jobs_api.client import JobInfo, RayJobsClient
from ray_jobs_api.failures import FailureReason, JobExistsError, JobNotFoundError, RayApiError
from ray_jobs_api.packages import Package
from ray_jobs_api.stopping import STOP_SECONDS, stop_and_wait

#: Ray says so of a job, too, with whose supervisor it only could not speak while its head was replaced (ray#65025).
_GIVEN_UP = ("JOB_SUPERVISOR_ACTOR_UNKNOWN_FAILURE", "JOB_SUPERVISOR_ACTOR_DIED")


@dataclass(frozen=True)
class Placement:
    """The job that does the work. ``attached``: it had been submitted before, by an earlier attempt or by this one.

    ``session`` is the ``session_name`` of the cluster at that time.
    """

    submission_id: str
    attached: bool
    session: str


async def place(
    client: RayJobsClient,
    submission_id: str,
    request: Mapping[str, Any],
    *,
    packages: Sequence[Package] = (),
    earlier: Sequence[str] = (),
    in_doubt: str | None = None,
    superseded: str | None = None,
    on_submit: Callable[[str], None] = lambda submission_id: None,
) -> Placement:
    """Make sure that exactly one job does this work, and return which.

    :param submission_id: the id of this attempt's job. When it is taken, this attempt had submitted the job before.
    :param request: the other fields of Ray's ``JobSubmitRequest``.
    :param packages: uploaded before the submission where the cluster does not hold them.
    :param earlier: ids of the earlier attempts' jobs, the latest first. A job among them that is pending, running or
        done is adopted: its worker died, the job did not. A driver that Ray has given up ends before the submission.
    :param in_doubt: the id among ``earlier`` under which a submission may still be under way. Where Ray does not know
        it, the new job gets this id, so that Ray refuses the late request.
    :param superseded: the id of a job that nobody wants any more. It has stopped before the submission, and its driver
        has ended where Ray has given that up.
    :param on_submit: called with the job's id just before the submission.
    """
    session = (await client.version())["session_name"]
    if superseded is not None:
        await _stop_if_alive(client, superseded)
    for earlier_id in earlier:
        job = await _find(client, earlier_id)
        if job is not None and job.status in ("PENDING", "RUNNING", "SUCCEEDED"):
            return Placement(earlier_id, attached=True, session=session)
        if job is not None:
            await _end_driver(client, job)
            break
        if earlier_id == in_doubt:
            submission_id = earlier_id
            break
    if await _find(client, submission_id) is not None:
        return Placement(submission_id, attached=True, session=session)
    for package in packages:
        if not await client.has_package(package.name):
            await client.upload_package(package.name, package.content)
    on_submit(submission_id)
    try:
        await client.submit({**request, "submission_id": submission_id})
    except JobExistsError:
        await client.job(submission_id)  # confirms that the refusal was about this id
        return Placement(submission_id, attached=True, session=session)
    return Placement(submission_id, attached=False, session=session)


async def _find(client: RayJobsClient, submission_id: str) -> JobInfo | None:
    try:
        return await client.job(submission_id)
    except JobNotFoundError:
        return None


async def _end_driver(client: RayJobsClient, job: JobInfo) -> None:
    """End the driver of a job that Ray has given up, if it lives on."""
    if job.error_type not in _GIVEN_UP:
        return
    deadline = time.monotonic() + STOP_SECONDS
    while await client.stop(job.submission_id):  # its supervisor still answers
        if time.monotonic() >= deadline:
            raise RayApiError(
                f"The job {job.submission_id} has failed, but its driver does not stop; the next try asks it again, or "
                f"end the driver on its node{f' {job.node_id}' if job.node_id else ''}.",
                FailureReason.INFRASTRUCTURE,
            )
        await asyncio.sleep(0.5)


async def _stop_if_alive(client: RayJobsClient, submission_id: str) -> None:
    job = await _find(client, submission_id)
    if job is None or job.finished:
        if job is not None:
            await _end_driver(client, job)
        return
    job = await stop_and_wait(client, submission_id)
    if not job.finished and job.status != "PENDING":
        raise RayApiError(f"The superseded job {submission_id} does not stop.", FailureReason.INFRASTRUCTURE)
