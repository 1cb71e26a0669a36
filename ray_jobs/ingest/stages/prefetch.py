"""Fetch the objects of a block while the ones before them are parsed."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from ingest.common.errors import ObjectError
from ingest.common.failures import Failure
from ingest.stages.progress import Observe
from ingest.store.object_reading import read_object
from ingest.store.object_store import is_s3, s3_client

PREFETCHED_OBJECTS = 4
"""Objects fetched while one is parsed, per task."""


def check_size(entry: Mapping[str, Any], max_bytes: int) -> None:
    """Raise ObjectError if the object of a difference is larger than `max_bytes`."""
    if entry["size"] > max_bytes:
        raise ObjectError(
            Failure.TOO_LARGE,
            f"the size of the object is {entry['size'] / 1e6:.0f} MB, over the limit of {max_bytes / 1e6:.0f} MB",
            limit=max_bytes,
        )


def prefetch(
    entries: list[dict[str, Any]], max_bytes: int, observe: Observe
) -> Iterator[tuple[dict[str, Any], Callable[[], bytes]]]:
    """Yield every entry, with a function that returns the bytes of its object or raises the error of reading it."""

    def fetch(entry: dict[str, Any]) -> bytes:
        check_size(entry, max_bytes)
        started = time.perf_counter()
        data = read_object(entry["source"], entry["version"])
        observe("read", 1, time.perf_counter() - started)
        return data

    if any(is_s3(entry["source"]) for entry in entries):
        s3_client()  # before the threads start, because each would create its own
    with ThreadPoolExecutor(PREFETCHED_OBJECTS) as pool:
        waiting: deque[tuple[dict[str, Any], Future[bytes]]] = deque()
        for entry in entries:
            waiting.append((entry, pool.submit(fetch, entry)))
            if len(waiting) > PREFETCHED_OBJECTS:
                first, future = waiting.popleft()
                yield first, future.result
        while waiting:
            first, future = waiting.popleft()
            yield first, future.result
