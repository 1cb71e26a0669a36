"""Fetch the objects of a block while the ones before them are parsed."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar

from ingest.stages.progress import Observe
from ingest.store.object_reading import ReadSettings, read_object
from ingest.store.object_store import is_s3, s3_client
from ingest.store.owner_metadata import owner_metadata

T = TypeVar("T")

PREFETCHED_OBJECTS = 4
"""Objects fetched while one is parsed, per task."""

OWNERS = "owners"
"""Key of an entry whose object was read: what its metadata say of its owner's, see `owner_metadata`."""


def prefetch(
    entries: list[dict[str, Any]],
    settings: ReadSettings,
    observe: Observe,
    known: Callable[[dict[str, Any]], T | None] = lambda _: None,
) -> Iterator[tuple[dict[str, Any], Callable[[], bytes | T]]]:
    """Yield every entry, with a function that returns the bytes of its object or raises the error of reading it.

    It returns the result of `known` for the entry instead, unless that is None. When it has returned, the entry has the
    key OWNERS.
    """

    def fetch(entry: dict[str, Any]) -> bytes | T:
        settings.check_size(entry["size"])
        if (found := known(entry)) is not None:
            entry[OWNERS] = owner_metadata(entry, None, settings)
            return found
        headers: dict[str, str] = {}
        started = time.perf_counter()
        data = read_object(entry["source"], entry["version"], entry["size"], settings, note=headers.update)
        entry[OWNERS] = owner_metadata(entry, headers, settings)
        observe("read", 1, time.perf_counter() - started)
        return data

    if any(is_s3(entry["source"]) for entry in entries):
        s3_client()  # before the threads start, because each would create its own
    with ThreadPoolExecutor(PREFETCHED_OBJECTS) as pool:
        waiting: deque[tuple[dict[str, Any], Future[bytes | T]]] = deque()
        for entry in entries:
            waiting.append((entry, pool.submit(fetch, entry)))
            if len(waiting) > PREFETCHED_OBJECTS:
                first, future = waiting.popleft()
                yield first, future.result
        while waiting:
            first, future = waiting.popleft()
            yield first, future.result
