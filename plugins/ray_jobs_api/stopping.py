"""Stops a job and waits until it has stopped."""

from __future__ import annotations

import asyncio
import time

from ray_jobs_api.client import JobInfo, RayJobsClient

#: Seconds to wait until Ray reports a stopped job's end; Ray takes 3 s to SIGKILL and up to 5 s in all.
STOP_SECONDS = 30.0


async def stop_and_wait(client: RayJobsClient, submission_id: str, pending_seconds: float = STOP_SECONDS) -> JobInfo:
    """Stop a job and wait until Ray reports its end, for ``STOP_SECONDS`` at most. Returns the last state seen.

    A job that is still PENDING after ``pending_seconds`` counts as stopped: Ray has queued the request behind the job's
    start, so the job ends when it would start, or when Ray gives it up (``job_manager.py``; after 15 minutes by
    default).
    """
    await client.stop(submission_id)
    stopped_at = time.monotonic()
    while True:
        job = await client.job(submission_id)
        waited = time.monotonic() - stopped_at
        if job.finished or waited >= (pending_seconds if job.status == "PENDING" else STOP_SECONDS):
            return job
        await asyncio.sleep(0.5)
