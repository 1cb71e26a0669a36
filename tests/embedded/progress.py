"""The demo's progress for a person: one live table on a terminal, plain lines elsewhere, never a long silence."""

import os
import sys
import threading
import time
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self, TextIO

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

QUIET_SECONDS = 5.0
TICK_SECONDS = 1.0
PLAIN_WIDTH = 120
WIDEST_TABLE = 110
NAME_WIDTH = 28


@dataclass
class Step:
    """One row of the table: a piece of work with its latest news. `seconds` is set when the work has ended."""

    name: str
    text: str
    began: float
    spinner: Spinner
    seconds: float | None = None
    failed: bool = False


@dataclass
class Progress:
    """Shows steps as they begin, move on and end.

    On a terminal the steps are rows of a table that is redrawn in place. Elsewhere each change is a line with the
    seconds since the start, and after `QUIET_SECONDS` without one, a line names the steps that are going on.
    Safe to use from several threads.
    """

    out: TextIO = field(default_factory=lambda: sys.stdout)

    def __post_init__(self) -> None:
        self._is_live = self.out.isatty() and os.environ.get("TERM") != "dumb"
        self._console = Console(
            file=self.out,
            force_terminal=self._is_live,  # FORCE_COLOR would write escape sequences into a file
            width=None if self._is_live else PLAIN_WIDTH,
            highlight=False,
            markup=False,
            emoji=False,
        )
        self._is_ascii = self._console.options.ascii_only
        self._began = self._last = time.monotonic()
        self._steps: dict[str, Step] = {}
        self._live: Live | None = None
        self._lock = threading.RLock()
        self._closed = threading.Event()
        self._ticker = threading.Thread(target=self._tick, daemon=True)

    @property
    def seconds(self) -> float:
        """Seconds since the start."""
        return time.monotonic() - self._began

    def step(self, name: str, text: str) -> None:
        """Begin a step, or say how far it is."""
        with self._lock:
            step = self._steps.get(name)
            if step is not None and step.text == text:
                return
            if step is None:
                spinner = Spinner("line" if self._is_ascii else "dots", style="cyan")
                step = self._steps[name] = Step(name, text, time.monotonic(), spinner)
            step.text = text
            self._changed(step)

    def end(self, name: str, text: str, failed: bool = False) -> None:
        """End a step that has begun."""
        with self._lock:
            step = self._steps[name]
            step.text, step.failed, step.seconds = text, failed, time.monotonic() - step.began
            self._changed(step)

    def show(self, *parts: RenderableType) -> None:
        """Leave the table as it is and print below it; the next step begins another table."""
        with self._lock:
            self._leave_table()
            for part in parts:
                self._console.print(part, soft_wrap=isinstance(part, str))
            self._last = time.monotonic()

    def _leave_table(self) -> None:
        if self._live is not None:
            self._live.stop()
            self._live = None
        self._steps.clear()

    def _changed(self, step: Step) -> None:
        if not self._is_live:
            took = "" if step.seconds is None else f"  ({step.seconds:.1f} s)"
            self._line(step.name, f"{'FAILED: ' if step.failed else ''}{step.text}{took}")
        elif self._live is None:
            self._live = Live(get_renderable=self._table, console=self._console, refresh_per_second=8)
            self._live.start()

    def _table(self) -> RenderableType:
        table = Table.grid(padding=(0, 1))
        for options in ({"width": 1}, {"no_wrap": True}, {"no_wrap": True, "ratio": 1}, {"justify": "right"}):
            table.add_column(overflow="ellipsis", **options)
        table.width = min(self._console.width, WIDEST_TABLE)
        with self._lock:
            for step in self._steps.values():
                seconds = time.monotonic() - step.began if step.seconds is None else step.seconds
                style = "" if step.seconds is None else "red" if step.failed else "dim"
                table.add_row(self._mark(step), step.name, Text(step.text, style), Text(f"{seconds:.0f} s", "dim"))
        return Group(table)

    def _mark(self, step: Step) -> RenderableType:
        if step.seconds is None:
            return step.spinner
        good, bad = ("+", "x") if self._is_ascii else ("✓", "✗")
        return Text(bad, "bold red") if step.failed else Text(good, "bold green")

    def _line(self, name: str, text: str) -> None:
        self.out.write(f"[{self.seconds:6.1f} s]  {name:<{NAME_WIDTH}} {text[:PLAIN_WIDTH]}\n")
        self.out.flush()
        self._last = time.monotonic()

    def _tick(self) -> None:
        """Where nothing is drawn: name what goes on whenever no line came for a while."""
        while not self._closed.wait(TICK_SECONDS):
            with self._lock:
                going_on = [step.name for step in self._steps.values() if step.seconds is None]
                if going_on and time.monotonic() - self._last >= QUIET_SECONDS:
                    self._line("...", f"still going on: {', '.join(going_on)}")

    def __enter__(self) -> Self:
        if not self._is_live:
            self._ticker.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._closed.set()
        if not self._is_live:
            self._ticker.join()
        with self._lock:
            self._leave_table()
