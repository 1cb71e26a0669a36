"""Announce long waits, so that a person sees that a program is still working."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

SECONDS_BETWEEN_LINES = 5.0
"""Seconds between two lines about the same wait."""


@contextmanager
def announce_wait(message: str, say: Callable[[str], None]) -> Iterator[None]:
    """Say `message` at once, and again every SECONDS_BETWEEN_LINES seconds until the block ends."""
    done = threading.Event()

    def repeat() -> None:
        started = time.monotonic()
        while not done.wait(SECONDS_BETWEEN_LINES):
            say(f"{time.monotonic() - started:5.0f} s  {message}")

    say(message)
    thread = threading.Thread(target=repeat, name="announce-wait", daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()
