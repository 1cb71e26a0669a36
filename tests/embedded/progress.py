"""Lines of progress for a person: aligned, each with the elapsed seconds, and never a long silence."""

import shutil
import sys
import threading
import time
from types import TracebackType
from typing import Self, TextIO

QUIET_SECONDS = 4.0
TICK_SECONDS = 1.0
SUBJECT_WIDTH = 14


class Progress:
    """Prints `say(subject, text)` at once, and what it waits for whenever nothing was printed for a while.

    On a terminal the waiting line is rewritten in place every second; elsewhere it is a plain line every
    `QUIET_SECONDS`. Safe to use from several threads.
    """

    def __init__(self, out: TextIO = sys.stdout) -> None:
        self._out = out
        self._live = out.isatty()
        self._began = self._last = time.monotonic()
        self._waiting: list[str] = []
        self._lock = threading.RLock()
        self._done = threading.Event()
        self._ticker = threading.Thread(target=self._tick, daemon=True)

    @property
    def seconds(self) -> float:
        """Seconds since the beginning."""
        return time.monotonic() - self._began

    def say(self, subject: str, text: str) -> None:
        """Print one line."""
        self._line(f"[{self.seconds:6.1f} s]  {subject:<{SUBJECT_WIDTH}} {text}")

    def show(self, text: str = "") -> None:
        """Print text as it is."""
        self._line(text)

    def wait_for(self, *what: str) -> None:
        """From now on, waiting means waiting for this; for nothing, silence is right."""
        with self._lock:
            self._waiting = list(what)

    def _line(self, text: str) -> None:
        with self._lock:
            self._clear()
            self._out.write(f"{text}\n")
            self._out.flush()
            self._last = time.monotonic()

    def _clear(self) -> None:
        if self._live:
            self._out.write("\r\033[K")

    def _tick(self) -> None:
        while not self._done.wait(TICK_SECONDS):
            with self._lock:
                if not self._waiting or time.monotonic() - self._last < (TICK_SECONDS if self._live else QUIET_SECONDS):
                    continue
                text = f"[{self.seconds:6.1f} s]  {'...':<{SUBJECT_WIDTH}} waiting for {', '.join(self._waiting)}"
                if self._live:
                    self._clear()
                    self._out.write(text[: shutil.get_terminal_size().columns - 1])
                    self._out.flush()
                else:
                    self._line(text)

    def __enter__(self) -> Self:
        self._ticker.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._done.set()
        self._ticker.join()
        self._clear()
