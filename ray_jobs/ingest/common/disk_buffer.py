"""Read a stream at its own speed, to disk, while whoever wants it is busy with something else."""

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
    """The same items, which a thread reads on from when the first one is asked for.

    What lies ahead is pickled to a temporary file; few and large items of plain types cost least. `items` is left where
    it is when the iterator is closed.

    Raises:
        Exception: what `items` raised, after those before.
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
