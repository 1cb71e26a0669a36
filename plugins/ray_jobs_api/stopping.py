"""Stops a job and waits until it has stopped."""

from __future__ import annotations

import asyncio
import time

from ray_jobs_api.client import JobInfo, RayJobsClient

#: Seconds to wait until a stopped job is seen to stop; Ray takes 3 s to SIGKILL and up to 5 s in all.
STOP_SECONDS = 30.0


async def stop_and_wait(client: RayJobsClient, submission_id: str, pending_seconds: float = STOP_SECONDS) -> JobInfo:
    """Stop a job and wait until Ray reports its end, for half a minute at most. Returns the last state seen.

    A job that is still PENDING after ``pending_seconds`` counts as stopped: Ray has queued the request behind the job's
    start, so the job ends when it would begin, or when Ray gives it up (``job_manager.py``; 15 minutes by default).
    """
    await client.stop(submission_id)
    began = time.monotonic()
    while True:
        job = await client.job(submission_id)
        waited = time.monotonic() - began
        if job.finished or waited >= (pending_seconds if job.status == "PENDING" else STOP_SECONDS):
            return job
        await asyncio.sleep(0.5)
