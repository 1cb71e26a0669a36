"""Buffer a stream on disk, so that it is read at its own speed while its consumer is busy."""

from __future__ import annotations

import pickle
import tempfile
from collections.abc import Iterable, Iterator
from itertools import count
from pathlib import Path
from threading import Condition, Thread
from typing import TypeVar

T = TypeVar("T")


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
