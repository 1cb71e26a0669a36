"""Watch something from a thread while a program is at work, and announce long waits to a person."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from ingest.common.text import one_line

SECONDS_BETWEEN_LINES = 5.0
"""Seconds between two lines about the same wait."""

END_SECONDS = 5.0
"""How long the end of a watch waits for its last look."""

LASTING_SECONDS = 60.0
"""Seconds after which an error that comes at each look is worth a line."""


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
        thread.join(END_SECONDS)  # it may ask a cluster whose head is away


def bearing_errors(
    look: Callable[[], bool], consequence: str, say: Callable[[str], None], clock: Callable[[], float] = time.monotonic
) -> Callable[[], bool]:
    """A function for `watching` that looks at a Ray cluster, and that goes on after errors.

    A head that is being replaced answers with errors of several kinds. Only those that stay for LASTING_SECONDS are
    said, once: the watch may not work with this version of Ray.

    Args:
        consequence: what it means for the run that nobody watches.
    """
    began: float | None = None
    said = False

    def bear() -> bool:
        nonlocal began, said
        try:
            found = look()
        except Exception as error:
            began = clock() if began is None else began
            if not said and clock() - began >= LASTING_SECONDS:
                said = True
                say(f"the Ray cluster cannot be watched, so {consequence} ({type(error).__name__}: {one_line(error)})")
            return False
        began = None
        return found

    return bear


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
