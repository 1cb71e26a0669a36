"""Fetch the objects of a block ahead of whoever parses them."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar

from ingest.errors import ObjectError
from ingest.object_store import is_s3, read_object, s3_client
from ingest.progress import Observe

T = TypeVar("T")

READ_AHEAD = 4
"""Objects fetched while one is parsed, per task."""


def read_ahead(
    entries: list[dict[str, Any]], max_bytes: int, observe: Observe
) -> Iterator[tuple[dict[str, Any], Callable[[], bytes]]]:
    """Yield every entry with a function that returns its bytes or raises its error, fetching READ_AHEAD at a time."""

    def read(entry: dict[str, Any]) -> bytes:
        return read_object(entry["source"], entry["version"])

    return fetched_ahead(entries, max_bytes, observe, read, READ_AHEAD)


def fetched_ahead(
    entries: list[dict[str, Any]],
    max_bytes: int,
    observe: Observe,
    read: Callable[[dict[str, Any]], T],
    ahead: int,
) -> Iterator[tuple[dict[str, Any], Callable[[], T]]]:
    """Yield every entry with a function that returns what `read` made of it, or raises its error.

    Args:
        max_bytes: larger objects are not read; their error is of type `TooLarge`.
        ahead: how many are read while one is parsed.
    """

    def fetch(entry: dict[str, Any]) -> T:
        if entry["size"] > max_bytes:
            raise ObjectError(
                "read",
                "TooLarge",
                f"the object has {entry['size'] / 1e6:.0f} MB, over the limit of {max_bytes / 1e6:.0f} MB; "
                "raise --max-object-mb to take it",
                limit=max_bytes,
            )
        started = time.perf_counter()
        data = read(entry)
        observe("read", 1, time.perf_counter() - started)
        return data

    if any(is_s3(entry["source"]) for entry in entries):
        s3_client()  # before the threads, each of which would make one of its own
    with ThreadPoolExecutor(ahead) as pool:
        waiting: deque[tuple[dict[str, Any], Future[T]]] = deque()
        for entry in entries:
            waiting.append((entry, pool.submit(fetch, entry)))
            if len(waiting) > ahead:
                first, future = waiting.popleft()
                yield first, future.result
        while waiting:
            first, future = waiting.popleft()
            yield first, future.result
