"""Keep streams on disk, and read them ahead of their consumer: one into a buffer, or several at the same time."""

from __future__ import annotations

import pickle
import tempfile
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from itertools import chain, count, islice
from pathlib import Path
from threading import Condition, Thread
from typing import IO, Generic, Self, TypeVar

T = TypeVar("T")

HELD_IN_MEMORY = 1000
"""Items that `HeldOnDisk` writes at once."""


def buffered_on_disk(items: Iterable[T]) -> Iterator[T]:
    """Yield the same items; from the first request on, a thread reads them ahead of the consumer.

    The thread pickles the items to a temporary file; few and large items of plain types cost least. When the iterator
    is closed, the thread stops after its current item and leaves the rest of `items` unread.

    Raises:
        Exception: `items` raised it; the items before it are yielded first.
    """
    changed = Condition()
    written, ended, closed = 0, False, False
    failure: Exception | None = None

    def read() -> None:
        nonlocal written, ended, failure
        try:
            for item in items:
                pickle.dump(item, file, pickle.HIGHEST_PROTOCOL)
                file.flush()
                with changed:
                    written += 1
                    changed.notify()
                if closed:
                    break
        except Exception as error:
            failure = error
        with changed:
            ended = True
            changed.notify()

    thread = Thread(target=read, name="disk-buffer", daemon=True)
    with tempfile.NamedTemporaryFile(prefix="ingest-buffer-") as file, Path(file.name).open("rb") as reader:
        thread.start()
        try:
            for taken in count():
                with changed:
                    while written == taken and not ended:
                        changed.wait()
                if written == taken:
                    break
                yield pickle.load(reader)
            if failure is not None:
                raise failure
        finally:
            closed = True
            thread.join()


class HeldOnDisk(Generic[T]):
    """Items in a temporary file, in the order in which they were added; they pickle well."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._latest: list[T] = []

    @classmethod
    @contextmanager
    def temporary(cls) -> Iterator[Self]:
        """A new one, whose file is removed at the end of the block."""
        with tempfile.TemporaryFile(prefix="ingest-held-") as file:
            yield cls(file)

    def add(self, item: T) -> None:
        self._latest.append(item)
        if len(self._latest) == HELD_IN_MEMORY:
            pickle.dump(self._latest, self._file, pickle.HIGHEST_PROTOCOL)
            self._latest = []

    def read(self) -> Iterator[T]:
        """Read the items back; nothing can be added afterwards."""
        end = self._file.tell()
        self._file.seek(0)
        while self._file.tell() < end:
            yield from pickle.load(self._file)
        yield from self._latest


def begun_ahead(streams: Iterable[Iterator[T]], ahead: int) -> Iterator[Iterator[T]]:
    """Yield the same streams, each after its first item was read; a thread each begins to read the next `ahead` ones.

    For streams whose first item takes long because they wait for a server, and that buffer the others by themselves.

    Raises:
        Exception: reading the first item of the stream whose turn it is raised it.
    """

    def begun(stream: Iterator[T]) -> Iterator[T]:
        return chain(list(islice(stream, 1)), stream)

    waiting: deque[Future[Iterator[T]]] = deque()
    with ThreadPoolExecutor(ahead + 1) as pool:
        for stream in streams:
            waiting.append(pool.submit(begun, stream))
            if len(waiting) > ahead:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
