"""Keeps many watchers of one cluster in one process from becoming a load: the more there are, the rarer each asks.

Requests cost the Ray head some milliseconds of CPU each. Worse are log streams: each holds a connection between the
dashboard and the head's agent, of which there are 100 (aiohttp's default in ``JobAgentSubmissionClient``,
ray/dashboard/modules/job/job_head.py), and keeps it for a while after its client has gone. With 100 of them nobody can
submit or stop a job. So a few watchers stream, and the others fetch the log now and then until a stream is free.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Literal

#: Requests for a job's state per second that the watchers of one process send to one cluster together.
POLLS_PER_SECOND = 25.0
#: Requests for a whole log per second, of those that have no stream.
LOGS_PER_SECOND = 10.0
#: Log streams that the watchers of one process keep open to one cluster at a time.
LOG_STREAMS = 30


class Crowd:
    """The watchers of one process, by cluster. State of one event loop, so no locks."""

    def __init__(self, log_streams: int = LOG_STREAMS) -> None:
        self._log_streams = log_streams
        self._sizes: Counter[str] = Counter()
        self._streams: dict[str, asyncio.Semaphore] = {}

    @contextmanager
    def joined(self, cluster: str) -> Iterator[Member]:
        """Be one of the watchers of ``cluster`` (its address)."""
        streams = self._streams.setdefault(cluster, asyncio.Semaphore(self._log_streams))
        self._sizes[cluster] += 1
        try:
            yield Member(streams, lambda: self._sizes[cluster])
        finally:
            self._sizes[cluster] -= 1


class Member:
    """What one watcher must keep to. ``Member()`` is alone and free."""

    def __init__(self, streams: asyncio.Semaphore | None = None, size: Callable[[], int] = lambda: 0) -> None:
        self._streams = streams or asyncio.Semaphore()
        self._size = size

    @property
    def poll_seconds(self) -> float:
        """Seconds between two polls, such that all members together keep to the rate."""
        return self._size() / POLLS_PER_SECOND

    @property
    def log_seconds(self) -> float:
        """The same for requests for a log."""
        return self._size() / LOGS_PER_SECOND

    @asynccontextmanager
    async def stream(self) -> AsyncIterator[asyncio.Task[Literal[True]]]:
        """Queue for a stream: the task is done when there is one. It is free again when the block ends."""
        acquire = asyncio.create_task(self._streams.acquire())
        try:
            await asyncio.sleep(0)  # where one is free, it is there at once
            yield acquire
        finally:
            # No await here: a second cancellation would leave the stream taken for ever.
            acquire.cancel()
            acquire.add_done_callback(lambda done: None if done.cancelled() else self._streams.release())
