"""Share a long object among several processes, on cores that are idle: the pages of a document, stretches of a film.

The parse task reads an object in its own child process. If the rest is likely to take long, it gives ranges of it to
other children of this node, and of the other nodes (`remote_readers`). They need no CPU of Ray's, which the actors
of idle models hold as well as those of busy ones; instead, each takes a slot of its node, which has one for each CPU.
So does the task, but nothing ever waits for a slot: without one, the task reads everything by itself.

The limits on time and memory count for each range. A range that fails, fails the object; a reader that cannot start
or go on leaves its range to the others. A range has units, which are numbered from 1: pages, or stretches.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from math import ceil
from threading import Condition
from typing import IO, Any, Generic, Protocol, TypeVar

from ingest.common.errors import JobError
from ingest.common.limits import Limits
from ingest.common.sandbox import Sandbox
from ingest.common.sharing import SHARED_SECONDS
from ingest.common.slots import take_slot

R = TypeVar("R")
R_co = TypeVar("R_co", covariant=True)

LEAST_SECONDS = 2.0
"""A range is at least so long, as each reader opens the object anew: half a second for 5,000 pages."""

RANGES_PER_READER = 2
"""Each reader's share of the rest is at least so many ranges: all readers end at about the same time."""

MAX_READERS = 256
"""Maximum number of readers of one object, beside the task's own."""

SLOT = "reader"
"""The name of the slots of the readers on a machine."""

READER_BYTES = 1_500_000_000
"""Memory of a reader: 0.8 GB with the models of OCR, and 1.1 to 1.8 GB while it reads a page (measured)."""

Read = Callable[[R], tuple[int, bytes]]
"""Reads the first units of a range, and returns their number and what it has read."""

Reader = AbstractContextManager[Read[R]]
"""A reader, which is there as long as the context."""

Recruit = Callable[[int], Iterable[Reader[R]]]
"""Returns readers that can start now, at most as many as its argument says."""


class Begun(Protocol[R_co]):
    """An object whose first units are read."""

    @property
    def read(self) -> int:
        """Their number."""

    @property
    def found(self) -> bytes:
        """What was read of them."""

    @property
    def count(self) -> int:
        """The number of all units."""

    @property
    def unit_seconds(self) -> float:
        """How long each of the others is likely to take."""

    def range(self, first: int, last: int) -> R_co:
        """The units from `first` to `last`, as readers take them."""


class RemainingUnits:
    """The units of an object that nobody has read. Thread-safe.

    Args:
        first, last: the first and the last of them.
        least: the least number of units of a range.

    Attributes:
        readers: the number of readers among which they are divided.
        found: the ranges that were read, by their first unit.
    """

    def __init__(self, first: int, last: int, least: int) -> None:
        self._least = least
        self.readers = 1
        self.found: dict[int, bytes] = {}
        self._changed = Condition()
        self._waiting = deque([(first, last)])
        self._busy = 0
        self._stopped = False

    def __len__(self) -> int:
        """The number of units that wait for a reader."""
        with self._changed:
            return sum(last - first + 1 for first, last in self._waiting)

    def take(self) -> tuple[int, int] | None:
        """Take the first and the last unit of a range; None if all units are read, or a reader has failed.

        While no unit waits, it waits for the other readers, which may give a part of their range back.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or not self._busy or self._stopped)
            if self._stopped or not self._waiting:
                return None
            units = sum(last - first + 1 for first, last in self._waiting)
            first, last = self._waiting.popleft()
            end = min(last, first + max(self._least, ceil(units / (RANGES_PER_READER * self.readers))) - 1)
            if end < last:
                self._waiting.appendleft((end + 1, last))
            self._busy += 1
            return first, end

    def put(self, first: int, last: int, count: int, found: bytes) -> None:
        """Keep what was read, the first `count` units of a range that was taken, and give the others back."""
        with self._changed:
            if count:
                self.found[first] = found
            if first + count <= last:
                self._waiting.appendleft((first + count, last))
            self._busy -= 1
            self._changed.notify_all()

    def stop(self) -> None:
        """Let no reader take another range."""
        with self._changed:
            self._stopped = True
            self._changed.notify_all()


def reader_slots() -> tuple[int, dict[str, int]]:
    """The most readers, those of tasks among them: on this node, and on each other node by its id.

    There is one for each CPU of a node, as far as its memory allows.
    """
    import ray

    here = ray.get_runtime_context().get_node_id()
    slots = {
        node["NodeID"]: min(int(resources.get("CPU", 0)), int(resources.get("memory", 0) // READER_BYTES))
        for node in ray.nodes()
        if node["Alive"] and (resources := node["Resources"])
    }
    return slots.pop(here, 0), {node: count for node, count in slots.items() if count}


def read_remaining(begun: Begun[R], own: Read[R], recruit: Recruit[R]) -> list[bytes]:
    """Read the units that `begun` has left, and return what was read in all ranges in order.

    Raises:
        ObjectError: a range failed.
    """
    remaining = RemainingUnits(begun.read + 1, begun.count, ceil(LEAST_SECONDS / begun.unit_seconds))
    others: list[Future[None]] = []
    with ThreadPoolExecutor(MAX_READERS, "reader") as threads:
        try:
            while True:
                for other in [other for other in others if other.done()]:
                    other.result()
                    others.remove(other)
                worthwhile = int(len(remaining) * begun.unit_seconds / SHARED_SECONDS)
                for reader in recruit(min(worthwhile, MAX_READERS) - len(others)):
                    others.append(threads.submit(_help, remaining, begun, reader))
                remaining.readers = len(others) + 1
                if not _read_one(remaining, begun, own):
                    break
        finally:
            remaining.stop()
    for other in others:
        other.result()
    return [begun.found, *(found for _, found in sorted(remaining.found.items()))]


def _read_one(remaining: RemainingUnits, begun: Begun[R], read: Read[R]) -> bool:
    """Read a range; False if there is none."""
    taken = remaining.take()
    if taken is None:
        return False
    count, found = 0, b""
    try:
        count, found = read(begun.range(*taken))
    except BaseException as error:
        if not isinstance(error, JobError):
            remaining.stop()
        raise
    finally:
        remaining.put(*taken, count, found)
    return True


def _help(remaining: RemainingUnits, begun: Begun[R], reader: Reader[R]) -> None:
    try:
        with reader as read:
            while _read_one(remaining, begun, read):
                pass
    except JobError:
        return  # its child cannot start, or not again; the others read its range


class NodeReaders(Generic[R]):
    """Readers in children on this node, of which all tasks together have at most `slots`.

    Args:
        prepare: prepares a child.
        limits: of each range.
        function: reads a range in a child, which it is given.
        slots: of this node.
        answer: that of the sandboxes.
    """

    def __init__(
        self,
        prepare: Callable[[], None],
        limits: Limits,
        function: Callable[[Sandbox, R], tuple[int, bytes]],
        slots: int,
        answer: Callable[..., Any] | None = None,
    ) -> None:
        self._prepare, self._limits, self._function, self._slots = prepare, limits, function, slots
        self._answer = answer

    def __call__(self, wanted: int) -> Iterator[Reader[R]]:
        for _ in range(wanted):
            slot = take_slot(SLOT, self._slots)
            if slot is None:
                return
            yield self._reader(slot)

    @contextmanager
    def _reader(self, slot: IO[bytes]) -> Iterator[Read[R]]:
        with slot, Sandbox(self._prepare, self._limits) as sandbox:
            sandbox.answer = self._answer
            yield partial(self.read, sandbox)

    def read(self, sandbox: Sandbox, units: R) -> tuple[int, bytes]:
        """Read a range in a sandbox."""
        return self._function(sandbox, units)
