"""Limits the load that many watchers in one process put on a cluster: the more there are, the less often each asks.

Each request costs the Ray head some milliseconds of CPU. Log streams cost more: each holds a connection between the
dashboard and the head's agent, of which there are 100 (aiohttp's default in ``JobAgentSubmissionClient``,
ray/dashboard/modules/job/job_head.py), and keeps it for a while after its client has gone. While 100 are held, nobody
can submit or stop a job. So a few watchers stream; the others fetch the log from time to time until a stream is free.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Literal

#: Requests per second for a job's state that the watchers of one process send to one cluster together.
POLLS_PER_SECOND = 25.0
#: Requests per second for a whole log, from watchers that have no stream.
LOGS_PER_SECOND = 10.0
#: Log streams that the watchers of one process keep open to one cluster at a time.
LOG_STREAMS = 30


class ClusterThrottle:
    """Counts the watchers of one process, by cluster. It belongs to one event loop and needs no locks."""

    def __init__(self, log_streams: int = LOG_STREAMS) -> None:
        self._log_streams = log_streams
        self._watchers: Counter[str] = Counter()
        self._streams: dict[str, asyncio.Semaphore] = {}

    @contextmanager
    def watcher(self, cluster: str) -> Iterator[WatcherQuota]:
        """Count as a watcher of ``cluster`` (its address) within the block."""
        streams = self._streams.setdefault(cluster, asyncio.Semaphore(self._log_streams))
        self._watchers[cluster] += 1
        try:
            yield WatcherQuota(streams, lambda: self._watchers[cluster])
        finally:
            self._watchers[cluster] -= 1


class WatcherQuota:
    """The limits of one watcher. ``WatcherQuota()`` is that of a watcher that is alone: it has no limits."""

    def __init__(self, streams: asyncio.Semaphore | None = None, watchers: Callable[[], int] = lambda: 0) -> None:
        self._streams = streams or asyncio.Semaphore()
        self._watchers = watchers

    @property
    def poll_seconds(self) -> float:
        """Minimum seconds between two polls, so that all watchers together keep to ``POLLS_PER_SECOND``."""
        return self._watchers() / POLLS_PER_SECOND

    @property
    def log_seconds(self) -> float:
        """Minimum seconds between two requests for a log, so that all together keep to ``LOGS_PER_SECOND``."""
        return self._watchers() / LOGS_PER_SECOND

    @asynccontextmanager
    async def stream(self) -> AsyncIterator[asyncio.Task[Literal[True]]]:
        """Queue for a log stream: the yielded task is done when one is free. The end of the block releases it."""
        acquire = asyncio.create_task(self._streams.acquire())
        try:
            await asyncio.sleep(0)  # a stream that is free is there at once
            yield acquire
        finally:
            # No await here: a second cancellation would leave the stream taken for ever.
            acquire.cancel()
            acquire.add_done_callback(lambda done: None if done.cancelled() else self._streams.release())
