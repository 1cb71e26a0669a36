"""Watch something from a thread while a program is at work, and announce long waits to a person."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

SECONDS_BETWEEN_LINES = 5.0
"""Seconds between two lines about the same wait."""


@contextmanager
def watching(look: Callable[[], bool], seconds: float, name: str) -> Iterator[None]:
    """Call `look` every `seconds` seconds, in a thread of this name, until it returns True or the block ends."""
    ended = threading.Event()

    def watch() -> None:
        while not ended.wait(seconds):
            if look():
                return

    thread = threading.Thread(target=watch, name=name, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


@contextmanager
def announce_wait(message: str, say: Callable[[str], None]) -> Iterator[None]:
    """Say `message` at once, and again every SECONDS_BETWEEN_LINES seconds until the block ends."""
    started = time.monotonic()

    def repeat() -> bool:
        say(f"{time.monotonic() - started:5.0f} s  {message}")
        return False

    say(message)
    with watching(repeat, SECONDS_BETWEEN_LINES, "announce-wait"):
        yield
