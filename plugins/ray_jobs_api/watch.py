"""Watches one job to its end: polls its state, streams its log, enforces the limits.

The rule: only ``GET /api/jobs/{id}`` decides how a job ended. The log stream is shown as well as possible; its end, its
errors and its gaps decide nothing. A watch never stops its job except when a limit has passed.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ray_jobs_api.client import JobInfo, RayJobsClient
from ray_jobs_api.cluster_throttle import WatcherQuota
from ray_jobs_api.failures import JobNotFoundError, RayApiError
from ray_jobs_api.job_outcome import JobOutcome
from ray_jobs_api.log_stream import LogPosition, LogStream
from ray_jobs_api.ray_messages import shortened
from ray_jobs_api.stopping import STOP_SECONDS, stop_and_wait

#: Seconds without a new line after the job's end after which the stream is given up; Ray reads its file once a second.
_DRAIN_SECONDS = 10.0
#: Characters up to which an ended job's log is read once more from its start: Ray ends its stream 4 s after the job, as
#: it looks for more lines once a second (``JobManager.LOG_TAIL_SLEEP_S``).
_SHORT_LOG = 500_000
#: The longest time in seconds for which a job's log is shown after the job's end.
_MAX_DRAIN_SECONDS = 300.0
#: Seconds for the same after the deadline, so that the caller still gets the outcome.
_DRAIN_AFTER_DEADLINE = 30.0
#: Seconds to wait for the stop of a job that waits for resources: it cannot learn of the stop before it is placed.
_STOP_PENDING_SECONDS = 5.0
#: Seconds until the first poll.
_FIRST_POLL = 0.5


@dataclass(frozen=True)
class JobLimits:
    """When to give up. ``deadline`` is in seconds since 1970, by this machine's clock; the others are durations in s.

    ``pending_timeout`` and ``job_timeout`` count from the submission, as Ray's head recorded it, by its own clock.
    ``unreachable_timeout`` counts from Ray's last answer.
    """

    deadline: float | None = None
    job_timeout: float | None = None
    pending_timeout: float | None = None
    unreachable_timeout: float = 300.0

    def exceeded(self, job: JobInfo | None, now: float) -> str | None:
        """The name of the limit for which to stop the job, or None."""
        if self.deadline is not None and now >= self.deadline:
            return "deadline"
        if job is None or job.started is None:
            return None
        age = job.seconds_since(job.started, now)
        if self.pending_timeout is not None and job.status == "PENDING" and age >= self.pending_timeout:
            return "pending_timeout"
        if self.job_timeout is not None and age >= self.job_timeout:
            return "job_timeout"
        return None


class JobWatch:
    """One watch over one job.

    :param emit: gets each line of the log.
    :param interval: the longest delay between two polls, in seconds.
    :param session: ``session_name`` of the cluster that took the job. It distinguishes a replaced cluster from a
        deleted record.
    :param position: keeps how far the log was shown, where a successor may have to continue.
    :param quota: the limits of this watch where the process has other watchers of the cluster.
    """

    def __init__(
        self,
        client: RayJobsClient,
        submission_id: str,
        *,
        limits: JobLimits,
        emit: Callable[[str], None],
        interval: float = 5.0,
        stream_logs: bool = True,
        session: str | None = None,
        position: LogPosition | None = None,
        quota: WatcherQuota | None = None,
    ) -> None:
        self._client = client
        self._id = submission_id
        self._limits = limits
        self._emit = emit
        self._interval = interval
        self._stream_logs = stream_logs
        self._session = session
        self._quota = quota or WatcherQuota()
        self._finished = asyncio.Event()
        self._poll_now = asyncio.Event()
        self._still_running = asyncio.Event()
        self._end_is_near = False
        self._log = LogStream(
            client,
            submission_id,
            emit=emit,
            has_ended=self._has_ended,
            ended=self._finished,
            on_report=self._expect_end,
            position=position,
            quota=self._quota,
        )

    async def run(self) -> JobOutcome:
        """Wait for the end. Cancelling this coroutine leaves the job alone."""
        streamer = None
        if self._stream_logs:
            await self._log.resume()
            streamer = asyncio.create_task(self._log.run())
        try:
            outcome = await self._poll()
            self._finished.set()
            if streamer is not None:
                outcome.log_complete = await self._end_log(streamer, outcome) and self._log.seen_from_start
        finally:
            if streamer is not None:
                await _cancel(streamer)
        digest = self._log.digest
        outcome.report, outcome.report_problem = digest.report, digest.report_problem
        outcome.error, outcome.tail = digest.error, digest.tail
        return outcome

    async def _end_log(self, streamer: asyncio.Task[bool], outcome: JobOutcome) -> bool:
        """Show the rest of the log, for some minutes at most. Returns whether the log was read to its end.

        The log mentions any failure of it, which decides nothing: the job has ended.
        """
        seconds = _MAX_DRAIN_SECONDS
        if self._limits.deadline is not None:
            until_deadline = self._limits.deadline - time.time()
            seconds = max(_DRAIN_SECONDS, min(seconds, until_deadline + _DRAIN_AFTER_DEADLINE))
        try:
            async with asyncio.timeout(seconds):
                complete = await self._drain(streamer) if outcome.api_error is None else True
                await _cancel(streamer)
                return await self._log.finish(complete)
        except TimeoutError:
            await _cancel(streamer)
            return await self._log.count_rest()
        except Exception as error:
            self._emit(f"(The end of the job's log could not be shown: {error!r}. {self._log.hint})")
            return False

    async def _drain(self, streamer: asyncio.Task[bool]) -> bool:
        """Read the rest of a short log at once; else wait for the stream's end as long as new lines arrive.

        Returns whether the end was reached.
        """
        if not streamer.done() and self._log.characters < _SHORT_LOG:
            await _cancel(streamer)
            return await self._log.fetch()
        while True:
            before = self._log.lines_shown
            done, _ = await asyncio.wait({streamer}, timeout=_DRAIN_SECONDS)
            if done and (error := streamer.exception()) is not None:
                self._emit(f"(The job's log could not be shown while it ran: {error!r}.)")
            elif done:
                return streamer.result()
            if done or self._log.lines_shown == before:
                return False

    async def _poll(self) -> JobOutcome:
        delay, last_answer, job = min(_FIRST_POLL, self._interval), time.monotonic(), None
        while True:
            try:
                found = await self._job()
                if isinstance(found, JobOutcome):
                    return found
                job, last_answer = found, time.monotonic()
            except RayApiError as error:
                # A head that restarts is away for a while; its job continues, or is reported lost afterwards.
                away = time.monotonic() - last_answer
                # A request that succeeded before may succeed again: a token is being rotated, a proxy restarts.
                if (not error.transient and job is None) or away >= self._limits.unreachable_timeout:
                    return self._lost(error)
            if job is not None and job.finished:
                return _ended(job)
            if limit := self._limits.exceeded(job, time.time()):
                return await self._stop_for(limit)
            self._still_running.set()
            await self._wait(delay)
            delay, self._end_is_near = _FIRST_POLL if self._end_is_near else delay * 1.5, False
            delay = max(min(delay, self._interval), self._quota.poll_seconds)

    async def _wait(self, seconds: float) -> None:
        """Wait for the next poll, which the deadline or a question of the log stream may bring forward."""
        if self._limits.deadline is not None:
            seconds = min(seconds, max(0.05, self._limits.deadline - time.time()))
        try:
            await asyncio.wait_for(self._poll_now.wait(), seconds)
        except TimeoutError:
            return
        self._poll_now.clear()

    async def _stop_for(self, limit: str) -> JobOutcome:
        try:
            pending_seconds = _STOP_PENDING_SECONDS if limit == "pending_timeout" else STOP_SECONDS
            outcome = _ended(await stop_and_wait(self._client, self._id, pending_seconds))
        except RayApiError as error:
            outcome = self._lost(error)
        if outcome.status != "SUCCEEDED":  # it may have finished in the same moment
            outcome.limit = limit
        return outcome

    async def _job(self) -> JobInfo | JobOutcome:
        """The job, or the outcome of a job that the cluster does not know."""
        try:
            return await self._client.job(self._id)
        except JobNotFoundError as error:
            # A proxy without its backend answers the same, so only a cluster that is there is believed.
            session = (await self._client.version())["session_name"]
            outcome = self._lost(error)
        if self._session and session != self._session:
            outcome.api_error = f"the cluster was replaced: session {session} does not know a job of {self._session}."
        elif self._session:
            outcome.api_error = f"the cluster is the same (session {session}), but the job's record was deleted."
        return outcome

    def _lost(self, error: RayApiError) -> JobOutcome:
        return JobOutcome(self._id, "UNKNOWN", api_error=str(error), api_reason=error.reason.value)

    def _expect_end(self) -> None:
        """Poll at once, and then as often as at first."""
        self._end_is_near = True
        self._poll_now.set()

    async def _has_ended(self) -> bool:
        """Poll at once. Returns whether the job has ended."""
        self._still_running.clear()
        self._poll_now.set()
        waits = [asyncio.create_task(event.wait()) for event in (self._finished, self._still_running)]
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        for wait in waits:
            wait.cancel()
        return self._finished.is_set()


async def _cancel(task: asyncio.Task[Any]) -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


def _ended(job: JobInfo) -> JobOutcome:
    return JobOutcome(job.submission_id, job.status, job.error_type, job.exit_code, shortened(job.message))
