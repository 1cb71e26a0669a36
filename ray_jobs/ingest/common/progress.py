"""How work in progress shows: stages report their counts, and a long wait says what it waits for."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

Observe = Callable[[str, int, float], None]
"""`observe(stage, items, seconds)`: so many more items went through a stage, which took so long in one process."""

INTERVAL = 5.0
"""Seconds between lines."""


@contextmanager
def patience(what: str, say: Callable[[str], None]) -> Iterator[None]:
    """Says what is waited for, at once and then every INTERVAL seconds until the block ends."""
    done = threading.Event()

    def repeat() -> None:
        started = time.monotonic()
        while not done.wait(INTERVAL):
            say(f"{time.monotonic() - started:5.0f} s  {what}")

    say(what)
    thread = threading.Thread(target=repeat, name="patience", daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()
