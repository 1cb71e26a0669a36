"""Follows one job to its end: polls its state, streams its log, enforces the limits. Used by task and trigger alike.

The rule: only ``GET /api/jobs/{id}`` decides how a job ended. The log stream is shown as well as it can be, and its
end, its errors and its gaps decide nothing. The watcher never stops a job except when a limit has passed.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any

from .client import JobInfo, RayJobsClient
from .errors import JobNotFoundError, RayApiError
from .logs import LineSplitter
from .report import OutputDigest

#: Seconds to wait for the rest of the log after the end; Ray's tail looks at its file once per second.
_DRAIN_SECONDS = 10.0
#: Seconds to wait until a stopped job is seen to stop; Ray takes 3 s to SIGKILL and up to 5 s in all.
_STOP_SECONDS = 30.0
_FIRST_POLL = 0.5
_MAX_STREAM_FAILURES = 8
_MESSAGE_LENGTH = 2_000


@dataclass(frozen=True)
class Limits:
    """When to give up. ``deadline`` is seconds since 1970 on Airflow's clock; the others are seconds.

    ``pending_timeout`` and ``job_timeout`` count from the submit as Ray's head saw it.
    """

    deadline: float | None = None
    job_timeout: float | None = None
    pending_timeout: float | None = None
    unreachable_timeout: float = 300.0

    def exceeded(self, job: JobInfo | None, now: float) -> str | None:
        """The name of the limit that has passed, or None."""
        if self.deadline is not None and now >= self.deadline:
            return "execution_timeout"
        if job is None or job.started is None:
            return None
        age = now - job.started
        if self.pending_timeout is not None and job.status == "PENDING" and age >= self.pending_timeout:
            return "pending_timeout"
        if self.job_timeout is not None and age >= self.job_timeout:
            return "job_timeout"
        return None


@dataclass
class Outcome:
    """How a job ended, as plain data that fits into a trigger event.

    ``limit`` names the limit for which the watcher stopped the job. ``api_error`` is set instead of a final ``status``
    when Ray could not be asked any more. ``log_complete`` is False when the output was not seen to its end, so that
    ``report``, ``error`` and ``tail`` may miss something.
    """

    submission_id: str
    status: str
    error_type: str | None = None
    exit_code: int | None = None
    message: str = ""
    limit: str | None = None
    api_error: str | None = None
    api_reason: str | None = None
    log_complete: bool = False
    report: dict[str, Any] | None = None
    error: str | None = None
    tail: list[str] = field(default_factory=list)

    def to_event(self) -> dict[str, Any]:
        """A dict of JSON types, for a ``TriggerEvent``."""
        return asdict(self)


class JobWatch:
    """One watch over one job. ``emit`` gets each line of the log; ``interval`` is the longest pause between polls."""

    def __init__(
        self,
        client: RayJobsClient,
        submission_id: str,
        *,
        limits: Limits,
        emit: Callable[[str], None],
        interval: float = 5.0,
        stream_logs: bool = True,
        log_offset: int = 0,
    ) -> None:
        self._client = client
        self._id = submission_id
        self._limits = limits
        self._emit = emit
        self._interval = interval
        self._stream_logs = stream_logs
        self._lines = LineSplitter(log_offset)
        self._digest = OutputDigest()
        self._finished = asyncio.Event()
        self._poll_now = asyncio.Event()
        self._still_running = asyncio.Event()
        self._whole_log_seen = log_offset == 0

    async def run(self) -> Outcome:
        """Wait for the end. Cancelling this coroutine leaves the job alone."""
        streamer = asyncio.create_task(self._follow_log()) if self._stream_logs else None
        try:
            outcome = await self._poll()
            self._finished.set()
            if streamer is not None:
                done, _ = await asyncio.wait({streamer}, timeout=_DRAIN_SECONDS)
                outcome.log_complete = bool(done) and streamer.result() and self._whole_log_seen
        finally:
            if streamer is not None:
                streamer.cancel()
                await asyncio.gather(streamer, return_exceptions=True)
        for line in self._lines.flush():
            self._show(line)
        outcome.report, outcome.error, outcome.tail = self._digest.report, self._digest.error, self._digest.tail
        return outcome

    async def _poll(self) -> Outcome:
        pause, last_answer, job = min(_FIRST_POLL, self._interval), time.monotonic(), None
        while True:
            try:
                job = await self._client.job(self._id)
                last_answer = time.monotonic()
            except JobNotFoundError as error:
                return self._lost(error)
            except RayApiError as error:
                # A head that restarts is away for a while, and its job goes on or is reported lost afterwards.
                away = time.monotonic() - last_answer
                if not error.transient or away >= self._limits.unreachable_timeout:
                    return self._lost(error)
            if job is not None and job.finished:
                return _ended(job)
            if limit := self._limits.exceeded(job, time.time()):
                return await self._end_for(limit, job)
            self._still_running.set()
            await self._pause(pause)
            pause = min(pause * 1.5, self._interval)

    async def _pause(self, seconds: float) -> None:
        if self._limits.deadline is not None:
            seconds = min(seconds, max(0.05, self._limits.deadline - time.time()))
        try:
            await asyncio.wait_for(self._poll_now.wait(), seconds)
        except TimeoutError:
            return
        self._poll_now.clear()

    async def _end_for(self, limit: str, job: JobInfo | None) -> Outcome:
        try:
            outcome = _ended(await stop_and_wait(self._client, self._id))
        except RayApiError as error:
            outcome = self._lost(error)
        if outcome.status != "SUCCEEDED":  # it may have finished in the same moment
            outcome.limit = limit
        return outcome

    def _lost(self, error: RayApiError) -> Outcome:
        return Outcome(self._id, "UNKNOWN", api_error=str(error), api_reason=error.reason.value)

    async def _follow_log(self) -> bool:
        """Show the log until the job has ended and the log was read to its end (True), or nothing more comes (False).

        A stream that ends while the job runs is opened again, from byte 0, and what was shown is skipped. Ray closes a
        stream properly only after it saw the job's end, so an end that a fresh poll confirms is the log's end.
        """
        failures = 0
        while failures < _MAX_STREAM_FAILURES:
            before = self._lines.offset
            try:
                async for text in self._client.tail(self._id):
                    for line in self._lines.feed(text):
                        self._show(line)
                if await self._job_has_ended():
                    return True
            except JobNotFoundError:
                return False
            except RayApiError as error:
                if not error.transient:
                    return False
            failures = 0 if self._lines.offset > before else failures + 1
            if self._finished.is_set() and failures > 1:
                return False
            await asyncio.sleep(min(0.5 * 2**failures, 15))
            self._lines.reconnected()
        self._emit("(The job's log cannot be streamed any more; it is in the Ray dashboard. The job goes on.)")
        return False

    async def _job_has_ended(self) -> bool:
        self._still_running.clear()
        self._poll_now.set()
        waits = [asyncio.create_task(event.wait()) for event in (self._finished, self._still_running)]
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        for wait in waits:
            wait.cancel()
        return self._finished.is_set()

    def _show(self, line: str) -> None:
        self._digest.add(line)
        self._emit(line)


async def stop_and_wait(client: RayJobsClient, submission_id: str, seconds: float = _STOP_SECONDS) -> JobInfo:
    """Stop a job and wait until Ray reports its end, at most ``seconds``. Returns the last state seen."""
    await client.stop(submission_id)
    give_up = time.monotonic() + seconds
    while True:
        job = await client.job(submission_id)
        if job.finished or time.monotonic() >= give_up:
            return job
        await asyncio.sleep(0.5)


def _ended(job: JobInfo) -> Outcome:
    return Outcome(job.submission_id, job.status, job.error_type, job.exit_code, job.message[:_MESSAGE_LENGTH])
