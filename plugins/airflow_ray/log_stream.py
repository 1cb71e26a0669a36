"""Shows the log of one job while it runs, each line once, over reconnects and over watchers that die.

Ray's log stream starts at byte 0 on every connection, so what counts is how far the log was *shown*. In the triggerer
that position outlives the process (``LogPosition``): lines are shown in batches, and each batch is followed by the new
position. A watcher that dies in between leaves one batch that its successor shows again, never a gap.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import Protocol

from .client import RayJobsClient
from .crowd import Member
from .errors import JobNotFoundError, RayApiError
from .logs import LineSplitter
from .report import OutputDigest

#: Connections in a row without a new line after which the reader is told.
_MAX_FAILURES = 8
#: Seconds between two batches where the shown position is saved: one small write to Airflow's database.
_BATCH_SECONDS = 2.0
#: How much of a log a watcher without a stream may read again, on average; and its longest pause, in seconds.
_CHARACTERS_PER_SECOND = 100_000
_LONGEST_PAUSE = 120.0
#: Characters that may wait for the next batch; a job that prints faster is shown at once.
_MAX_HELD = 1_000_000


class LogPosition(Protocol):
    """How many characters of a job's log were shown, kept where the next watcher finds it."""

    async def load(self) -> int:
        """The position to continue at; from here on this watcher is the one that shows the log."""

    async def mine(self) -> bool:
        """False once another watcher has taken over."""

    async def save(self, offset: int) -> None:
        """Note that ``offset`` characters were shown."""


class LogStream:
    """``emit`` gets each line. ``has_ended`` looks afresh whether the job has ended, ``ended`` is set when it has.

    Without a ``position`` lines are shown as they come. With one they are shown in batches, some seconds apart. In a
    ``crowd`` that has no stream to spare, the log is fetched from time to time.
    """

    def __init__(
        self,
        client: RayJobsClient,
        submission_id: str,
        *,
        emit: Callable[[str], None],
        has_ended: Callable[[], Awaitable[bool]],
        ended: asyncio.Event,
        position: LogPosition | None = None,
        crowd: Member | None = None,
    ) -> None:
        self._client = client
        self._id = submission_id
        self._emit = emit
        self._has_ended = has_ended
        self._ended = ended
        self._position = position
        self._crowd = crowd or Member()
        self._lines = LineSplitter()
        self._held: list[str] = []
        self._held_length = 0
        self._more = asyncio.Event()
        self._showing = asyncio.Lock()
        self._replaced = False
        self.digest = OutputDigest()
        self.seen_from_start = True

    async def resume(self) -> None:
        """Go on where an earlier watcher stopped. Call it before ``run``: Airflow's answer may take a while."""
        if self._position is not None:
            self._lines = LineSplitter(await self._position.load())
            self.seen_from_start = self._lines.offset == 0

    async def run(self) -> bool:
        """Show the log until the job has ended and its log was read to the end (True), or nothing more comes (False).

        Cancelling drops the batch that waits: whoever comes next shows it.
        """
        if self._position is None:
            return await self._follow()
        batches = asyncio.create_task(self._show_in_batches(self._position))
        try:
            return await self._follow()
        finally:
            batches.cancel()
            await asyncio.gather(batches, return_exceptions=True)

    async def finish(self) -> None:
        """Show what is left, the last line without a line break included. For a job that has ended."""
        self._take(self._lines.flush())
        if self._position is not None:
            await self._show(self._position)

    async def _follow(self) -> bool:
        async with self._crowd.stream() as free:
            while not (free.done() or self._ended.is_set()):
                await self._fetch()
                often = max(_BATCH_SECONDS, self._crowd.log_seconds)
                pause = min(_LONGEST_PAUSE, often + self._lines.offset / _CHARACTERS_PER_SECOND)
                ended = asyncio.create_task(self._ended.wait())
                await asyncio.wait({free, ended}, timeout=pause, return_when=asyncio.FIRST_COMPLETED)
                ended.cancel()
            if free.done():
                return await self._stream()
            if not (whole := await self._fetch()):
                self._emit("(The rest of the job's log could not be fetched; it is in the Ray dashboard.)")
            return whole

    async def _fetch(self) -> bool:
        """Show what is new in the whole log; whether it could be had."""
        self._lines.reconnected()
        try:
            text = await self._client.log(self._id)
        except RayApiError:
            return False  # the polls find out what that means
        self._take(self._lines.feed(text))
        return bool(text)

    async def _stream(self) -> bool:
        self._lines.reconnected()
        # A stream that ends while the job runs is opened again, and what is known already is skipped. Ray closes a
        # stream properly only after it saw the job's end, so an end that a fresh look confirms is the log's end.
        failures = 0
        while True:
            before = self._lines.offset
            try:
                async with contextlib.aclosing(self._client.tail(self._id)) as stream:
                    async for text in stream:
                        self._take(self._lines.feed(text))
                        if self._position is not None and self._held_length > _MAX_HELD:
                            await self._show(self._position)
                if await self._has_ended():
                    return True
            except JobNotFoundError:
                return False
            except RayApiError as error:
                if not error.transient:
                    return False
            failures = 0 if self._lines.offset > before else failures + 1
            if failures == _MAX_FAILURES:
                self._emit("(The job's log cannot be streamed; it is in the Ray dashboard. Trying on.)")
            if failures > 1 and await self._has_ended():
                return False  # the log is gone, or cannot be read any more
            await asyncio.sleep(min(0.5 * 2 ** min(failures, 5), 15))
            self._lines.reconnected()

    def _take(self, lines: list[str]) -> None:
        for line in lines:
            self.digest.add(line)
            if self._position is None:
                self._emit(line)
            else:
                self._held.append(line)
                self._held_length += len(line)
        if lines:
            self._more.set()

    async def _show_in_batches(self, position: LogPosition) -> None:
        while True:
            await self._more.wait()
            self._more.clear()
            await self._show(position)
            await asyncio.sleep(max(_BATCH_SECONDS, self._crowd.log_seconds))

    async def _show(self, position: LogPosition) -> None:
        async with self._showing:
            if not self._held or self._replaced:
                return
            if not await position.mine():
                self._replaced = True  # another watcher shows them; this one is about to be ended
                return
            held, offset = self._held, self._lines.offset
            self._held, self._held_length = [], 0
            for line in held:
                self._emit(line)
            await position.save(offset)
