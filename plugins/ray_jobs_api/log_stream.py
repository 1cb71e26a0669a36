"""Shows the log of one job while it runs, each line once, over reconnects and over watchers that die.

Ray's log stream starts at byte 0 on every connection, so the stream counts how far the log was *shown*. In a triggerer
that position outlives the process (``LogPosition``): lines are shown in batches, and each batch is followed by the new
position. A watcher that dies in between leaves one batch that its successor shows again, never a gap.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Protocol

from ray_jobs_api.client import RayJobsClient
from ray_jobs_api.cluster_throttle import WatcherQuota
from ray_jobs_api.failures import JobNotFoundError, RayApiError
from ray_jobs_api.job_output import OutputDigest
from ray_jobs_api.log_lines import LineSplitter

#: Connections in a row without a new line after which the log says so.
_MAX_FAILURES = 8
#: Seconds between two batches where the shown position is saved: one small write to Airflow's database.
_BATCH_SECONDS = 2.0
#: How much of a log a watcher without a stream may read again, on average.
_REREAD_CHARACTERS_PER_SECOND = 100_000
#: The longest delay between two such reads, in seconds.
_MAX_REREAD_DELAY = 120.0
#: Characters that may wait for the next batch; more are shown at once.
_MAX_WAITING = 1_000_000
#: Seconds for which lines are shown before other tasks of the event loop get a turn.
_TURN_SECONDS = 0.02
#: Characters of a fetched log that are split at once.
_PIECE = 1 << 16
#: Seconds for counting the rest of a log that is not shown.
_COUNT_SECONDS = 30.0


class LogPosition(Protocol):
    """The number of characters of a job's log that were shown, kept where the next watcher finds it."""

    async def load(self) -> int:
        """The position to continue at. From here on this watcher is the one that shows the log."""

    async def is_current(self) -> bool:
        """False once another watcher has taken over."""

    async def save(self, offset: int) -> None:
        """Note that ``offset`` characters were shown."""


class LogStream:
    """The log of one job, from its start or from a saved position.

    Without a ``position``, lines are shown as they arrive; with one, in batches some seconds apart. While the ``quota``
    has no stream to spare, the log is fetched from time to time instead.

    :param emit: gets each line.
    :param has_ended: asks Ray anew whether the job has ended.
    :param ended: set when the job has ended.
    :param on_report: called after lines with a report, which is most often a job's last word.
    """

    def __init__(
        self,
        client: RayJobsClient,
        submission_id: str,
        *,
        emit: Callable[[str], None],
        has_ended: Callable[[], Awaitable[bool]],
        ended: asyncio.Event,
        on_report: Callable[[], None] = lambda: None,
        position: LogPosition | None = None,
        quota: WatcherQuota | None = None,
    ) -> None:
        self._client = client
        self._id = submission_id
        self._emit = emit
        self._has_ended = has_ended
        self._ended = ended
        self._on_report = on_report
        self._position = position
        self._quota = quota or WatcherQuota()
        self._lines = LineSplitter()
        self._waiting: deque[tuple[deque[str], int]] = deque()  # lines, and the position after them
        self._waiting_length = 0
        self._last: list[str] = []
        self._muted = False
        self._failure = ""
        self._more = asyncio.Event()
        self._showing = asyncio.Lock()
        self._replaced = False
        self.digest = OutputDigest()
        self.seen_from_start = True
        self.lines_shown = 0
        self.hint = f"Read them with 'ray job logs {submission_id}' or in the Ray dashboard."

    async def resume(self) -> None:
        """Continue where an earlier watcher stopped. Call it before ``run``: Airflow's answer may take a while."""
        if self._position is not None:
            self._lines = LineSplitter(await self._position.load())
            self.seen_from_start = self._lines.offset == 0

    async def run(self) -> bool:
        """Show the log until the job has ended and its log was read to the end (True), or nothing more comes (False).

        Cancelling drops the batch that waits: the next watcher shows it, or ``finish`` does.
        """
        if self._position is None:
            return await self._follow()
        batches = asyncio.create_task(self._show_in_batches())
        try:
            return await self._follow()
        finally:
            batches.cancel()
            await asyncio.gather(batches, return_exceptions=True)

    async def finish(self, complete: bool) -> bool:
        """Show the rest of an ended job's log, including a last line without a line break.

        ``complete`` is the result of ``run``. Returns whether the log was read to its end.
        """
        if not complete:
            complete = await self._catch_up()
        await self._take(self._lines.flush())
        await self._show()
        if not complete and not self._replaced:
            self._emit(f"(The rest of the job's log could not be read: {self._failure} {self.hint})")
        return complete

    async def count_rest(self) -> bool:
        """Count the rest of the log instead of showing it, and say so. Returns whether the log was read to its end."""
        self._muted = True
        rest = sum(len(line) + 1 for lines, _ in self._waiting for line in lines)
        self._waiting.clear()
        before = self._lines.offset
        try:
            async with asyncio.timeout(_COUNT_SECONDS):
                complete = await self._catch_up()
        except TimeoutError:
            complete = False
        await self._take(self._lines.flush())
        rest += self._lines.offset - before
        if not self._replaced:
            least = "" if complete else "at least "
            self._emit(f"({least}{rest:,} characters of the job's log are omitted here. {self.hint})")
        return complete

    async def _follow(self) -> bool:
        async with self._quota.stream() as free:
            while not (free.done() or self._ended.is_set()):
                await self.fetch()
                least = max(_BATCH_SECONDS, self._quota.log_seconds)
                delay = min(_MAX_REREAD_DELAY, least + self._lines.offset / _REREAD_CHARACTERS_PER_SECOND)
                ended = asyncio.create_task(self._ended.wait())
                await asyncio.wait({free, ended}, timeout=delay, return_when=asyncio.FIRST_COMPLETED)
                ended.cancel()
            return await self._stream() if free.done() else await self.fetch()

    @property
    def characters(self) -> int:
        """The number of characters read so far, from the log's start."""
        return self._lines.offset

    async def fetch(self) -> bool:
        """Fetch the whole log with one request and show its new part. Returns whether it could be fetched."""
        self._lines.reconnected()
        try:
            text = await self._client.log(self._id)
        except RayApiError:
            text = ""  # the polls find out the reason
        if not text:
            return await self._catch_up()
        for start in range(0, len(text), _PIECE):
            await self._take(self._lines.feed(text[start : start + _PIECE]))
        return True

    async def _catch_up(self) -> bool:
        """Show the new part of a log that Ray's Jobs API cannot give: very long lines, bytes that are not UTF-8."""
        self._lines.reconnected()
        try:
            async with contextlib.aclosing(self._client.whole_log(self._id)) as log:
                async for text in log:
                    await self._take(self._lines.feed(text))
        except RayApiError as error:
            self._failure = str(error)
            return False
        return True

    async def _stream(self) -> bool:
        self._lines.reconnected()
        # A stream that ends while the job runs is opened again, and the known part is skipped. Ray closes a stream
        # properly only after it saw the job's end, so an end that a fresh request confirms is the log's end.
        failures = 0
        while True:
            before = self._lines.offset
            try:
                async with contextlib.aclosing(self._client.tail(self._id)) as stream:
                    async for text in stream:
                        await self._take(self._lines.feed(text))
                if await self._has_ended() and await self._saw_last_line():
                    return True
            except JobNotFoundError:
                return False
            except RayApiError as error:
                if not error.transient:
                    return False
            failures = 0 if self._lines.offset > before else failures + 1
            if failures > 0 and await self._has_ended():
                return False
            if failures > 1 and not await self._catch_up() and failures == _MAX_FAILURES:
                self._emit(f"(The job's log cannot be streamed: {self._failure} {self.hint} Retrying.)")
            delay = min(0.5 * 2 ** min(failures, 5), 15)
            if failures > 1:
                delay += min(_MAX_REREAD_DELAY, self._lines.offset / _REREAD_CHARACTERS_PER_SECOND)
            await asyncio.sleep(delay)
            self._lines.reconnected()

    async def _saw_last_line(self) -> bool:
        """Whether the stream reached the log's end: Ray ends it at a line of 4 MiB as if the log ended there."""
        last, lines = LineSplitter(), []
        try:
            async with contextlib.aclosing(self._client.whole_log(self._id, last_lines=1)) as log:
                async for text in log:
                    lines += last.feed(text)
        except RayApiError:
            return True  # nothing contradicts it
        lines += last.flush()
        return lines[-1:] == ([self._lines.unfinished] if self._lines.unfinished else self._last)

    async def _take(self, lines: list[str]) -> None:
        before = self.digest.report
        if self.digest.add_all(lines).report is not before:
            self._on_report()
        self._last = lines[-1:] or self._last
        if not lines or self._muted or self._replaced:
            return
        self._waiting.append((deque(lines), self._lines.offset))
        self._waiting_length += sum(map(len, lines))
        self._more.set()
        if self._position is None or self._waiting_length > _MAX_WAITING:
            await self._show()

    async def _show_in_batches(self) -> None:
        while True:
            await self._more.wait()
            self._more.clear()
            await self._show()
            await asyncio.sleep(max(_BATCH_SECONDS, self._quota.log_seconds))

    async def _show(self) -> None:
        async with self._showing:
            while self._waiting:
                if self._position is not None and not await self._position.is_current():
                    self._replaced = True  # another watcher shows them; this one is about to be ended
                    self._waiting.clear()
                    return
                offset = await self._show_batch()
                if self._position is not None:
                    await self._position.save(offset)

    async def _show_batch(self) -> int:
        """Show waiting lines, for some seconds at most, and return the position after them.

        A line either waits or was shown, at any moment at which this may be cancelled.
        """
        loop = asyncio.get_running_loop()
        batch_start = turn_start = loop.time()
        offset = self._waiting[0][1]
        while self._waiting and turn_start < batch_start + _BATCH_SECONDS:
            lines, offset = self._waiting[0]
            while lines:
                line = lines.popleft()
                self._waiting_length -= len(line)
                self._emit(line)
                self.lines_shown += 1
                if loop.time() > turn_start + _TURN_SECONDS:
                    await asyncio.sleep(0)  # hundreds of triggers share this loop
                    turn_start = loop.time()
            self._waiting.popleft()
        return offset
