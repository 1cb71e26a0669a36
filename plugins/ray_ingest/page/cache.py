"""Answers that requests share: Milvus is asked once for all users and tabs, and seldom for what takes it long."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass
from typing import Any

SHARE = 0.1
"""The largest share of the time in which one kind of answer may be under way."""

MAX_SECONDS = 60.0
"""How long an answer is kept at most."""

ERROR_SECONDS = 2.0
"""How long a failure is kept, so that a server that is away is not asked by everybody at once."""

MAX_ANSWERS = 200


@dataclass
class _Kept:
    task: asyncio.Task[Any]
    until: float


class Answers:
    """The latest answer for each key, of the running event loop.

    :param clock: seconds, for tests.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._kept: dict[Hashable, _Kept] = {}
        self._loop: asyncio.AbstractEventLoop | None = None

    async def get(self, key: Hashable, make: Callable[[], Awaitable[Any]], seconds: float) -> Any:
        """The answer that is kept for ``key``, or that somebody waits for already; else that of ``make``.

        A request that is given up does not end the work, since others may wait for it.

        :param seconds: how long it is kept; longer where making it took longer, up to MAX_SECONDS.
        """
        loop = asyncio.get_running_loop()
        if loop is not self._loop:
            self._loop, self._kept = loop, {}
        found = self._kept.get(key)
        if found is None or (found.task.done() and self._clock() >= found.until):
            found = self._begin(key, make, seconds)
        return await asyncio.shield(found.task)

    def _begin(self, key: Hashable, make: Callable[[], Awaitable[Any]], seconds: float) -> _Kept:
        async def work() -> Any:
            began = self._clock()
            kept.until = began + ERROR_SECONDS
            answer = await make()
            now = self._clock()
            kept.until = now + min(MAX_SECONDS, max(seconds, (now - began) / SHARE))
            return answer

        kept = _Kept(asyncio.ensure_future(work()), 0.0)
        kept.task.add_done_callback(lambda task: task.cancelled() or task.exception())  # heard, even if nobody waits
        self._kept.pop(key, None)
        self._kept[key] = kept
        for old in [key for key, other in self._kept.items() if other.task.done()][: len(self._kept) - MAX_ANSWERS]:
            del self._kept[old]
        return kept
