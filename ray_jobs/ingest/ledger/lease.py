"""One run at a time over a prefix: leases in Milvus, the only place that all runs share.

Two runs over overlapping prefixes must not write at once: each deletes the rows of versions that are not its own, and
so one could delete rows that the other has just claimed in the ledger. The second run waits before it lists anything,
and then sees the store and the ledger as the first one left them: the result is the same as one after the other.

Milvus has no compare-and-set, but each run writes its own row alone, and reads with Strong consistency see every
acknowledged one. That is what Lamport's bakery needs ("A New Solution of Dijkstra's Concurrent Programming Problem",
CACM 17(8), 1974): announce yourself, take a number above all others, and wait for everyone with a smaller one.

A holder renews its row (`beat`). A waiting run assumes that a row belongs to a dead run if it has not been renewed for
`seconds` on the waiting run's own clock, and deletes it; no clocks are compared. A holder that was only paused finds
its row missing and stops (`assert_held`) before it writes anything more. One gap remains: a process that is paused for
longer than `seconds` between that check and its next write.
"""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from itertools import product, takewhile
from typing import TYPE_CHECKING, Any

from ingest.common.errors import JobError
from ingest.milvus.client import TIMEOUT
from ingest.milvus.expressions import literal
from ingest.milvus.schema import LEASES, SOURCE_LENGTH, ensure_leases

if TYPE_CHECKING:
    from pymilvus import MilvusClient

SECONDS = 30.0
"""How long a lease outlives its holder: longer than Ray takes to end the workers of a dead driver."""

RENEWALS = 6
"""Renewals within `seconds`: several may fail before a lease is lost."""

NOTICE_SECONDS = 10.0
"""Seconds between the messages of a waiting run."""

_FIELDS = ["id", "pipeline", "source", "run_id", "ticket", "beat"]
_CHOOSING = 0
"""Ticket of a run that is about to take its number."""


class LeaseLostError(JobError):
    """Another run assumed that this one was dead and deleted its lease."""


@dataclass(frozen=True, slots=True)
class Lease:
    """Identifies a run's lease to the other processes of the run."""

    collection: str
    id: str

    def assert_held(self, client: MilvusClient) -> None:
        """Raises LeaseLostError if the run has lost its lease: then it must not write anything more."""
        found = client.query(
            self.collection, filter=f"id == {literal(self.id)}", output_fields=["id"], consistency_level="Strong",
            timeout=TIMEOUT,
        )  # fmt: skip
        if not found:
            raise LeaseLostError(
                "this run did not renew its lease for so long that another run over the same prefix took it for dead; "
                "it stops here, and the other run or the next one completes its work"
            )


SEPARATOR = "\n"


def joint(sources: Sequence[str]) -> str:
    """The `source` of one lease over several prefixes.

    One lease and not one for each: a run that held the first and waited for the second could wait for a run over both,
    which has a number already and waits for the first. Prefixes that are too long for one row are replaced by their
    common prefix, as which they lock more than they need.
    """
    joined = SEPARATOR.join(sources)
    if len(joined.encode()) <= SOURCE_LENGTH:
        return joined
    # All of them begin with the characters that the first and the last one in order have in common.
    pairs = zip(min(sources), max(sources), strict=False)
    return "".join(one for one, _ in takewhile(lambda pair: pair[0] == pair[1], pairs))


def overlap(one: str, other: str) -> bool:
    """Whether an object's source can begin with a prefix of both, which are as returned by `joint`.

    A prefix that holds a line break itself is cut there, and so locks more than it needs.
    """
    pairs = product(one.split(SEPARATOR), other.split(SEPARATOR))
    return any(first.startswith(second) or second.startswith(first) for first, second in pairs)


def _shown(source: str) -> str:
    """A lease's `source` for people."""
    first, *others = source.split(SEPARATOR)
    return (repr(first) if first else "everything") + (f" and {len(others)} more" if others else "")


@dataclass(slots=True)
class _Watched:
    """Rows of other runs as seen by this process: the last `beat` of each, and since when it has not changed."""

    seconds: float
    clock: Callable[[], float]
    seen: dict[str, tuple[int, float]] = field(default_factory=dict)

    def is_dead(self, row: dict[str, Any]) -> bool:
        beat, since = self.seen.get(row["id"], (None, 0.0))
        if beat != row["beat"]:
            self.seen[row["id"]] = (row["beat"], self.clock())
            return False
        return self.clock() - since >= self.seconds


class _Entry:
    """This run's own row, which a thread renews from the first `write` to `close`."""

    def __init__(
        self, client: MilvusClient, collection: str, pipeline: str, source: str, run_id: str, seconds: float
    ) -> None:
        self.id = uuid.uuid4().hex
        self.ticket = _CHOOSING
        self._client = client
        self._collection = collection
        self._row = {"id": self.id, "pipeline": pipeline, "source": source, "run_id": run_id, "vector": [0.0, 0.0]}
        self._seconds = seconds
        self._beat = 0
        self._renewed = float("-inf")
        self._lock = threading.Lock()
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._renew, name="lease", daemon=True)

    def write(self, ticket: int) -> None:
        """Store the row with this ticket, even if another run has deleted the row.

        A ticket is valid only if the row was fresh all the time since the number was read; otherwise other runs may
        have passed meanwhile, and the row is not stored.
        """
        with self._lock:
            if ticket != _CHOOSING and not self.fresh():
                return
            self.ticket = ticket
            self._store(TIMEOUT)
        if not self._thread.is_alive():
            self._thread.start()

    def fresh(self) -> bool:
        """False if other runs may have taken this run for dead, or soon will."""
        return time.monotonic() - self._renewed < self._seconds / 2

    def close(self) -> None:
        """Remove the row."""
        self._done.set()
        with self._lock, suppress(*_away()):  # otherwise other runs will take this one for dead, which it is
            self._client.delete(self._collection, ids=[self.id], timeout=self._seconds)

    def _store(self, timeout: float) -> None:
        began = time.monotonic()
        self._beat += 1
        row = {**self._row, "ticket": self.ticket, "beat": self._beat}
        self._client.upsert(self._collection, [row], timeout=timeout)
        self._renewed = began

    def _renew(self) -> None:
        while not self._done.wait(self._seconds / RENEWALS):
            with self._lock, suppress(*_away()):  # waiting runs cannot reach Milvus either
                # Other runs may have deleted a row that is not fresh; it must not come back.
                if self._done.is_set() or not self.fresh():
                    continue
                before = self._renewed
                self._store(self._seconds / 3)
                if time.monotonic() - before >= self._seconds:  # this process was paused just here
                    self._renewed = float("-inf")
                    self._client.delete(self._collection, ids=[self.id], timeout=self._seconds)


def _away() -> tuple[type[Exception], ...]:
    """The exceptions that pymilvus raises when the server does not answer."""
    from grpc import RpcError
    from pymilvus.exceptions import MilvusException

    return MilvusException, RpcError, ConnectionError


@contextmanager
def lease(
    client: MilvusClient,
    prefix: str,
    pipeline: str,
    source: str,
    run_id: str,
    say: Callable[[str], None],
    seconds: float = SECONDS,
) -> Iterator[Lease]:
    """Hold the lease of `pipeline` over `source` during the block; first wait for earlier runs that overlap.

    Args:
        prefix: prefix of the collections' names; runs with another prefix write to other collections.
        source: as returned by `joint` for sources of `normalise_sources`; the empty string covers everything.
        run_id: shown to waiting runs.
        say: prints which runs this one waits for, every NOTICE_SECONDS seconds.
        seconds: time after which a lease that is not renewed counts as that of a dead run.
    """
    collection = prefix + LEASES
    ensure_leases(client, collection)
    entry = _Entry(client, collection, pipeline, source, run_id, seconds)
    try:
        _take_turn(client, entry, collection, pipeline, source, say, seconds)
        yield Lease(collection, entry.id)
    finally:
        entry.close()


def _take_turn(
    client: MilvusClient,
    entry: _Entry,
    collection: str,
    pipeline: str,
    source: str,
    say: Callable[[str], None],
    seconds: float,
) -> None:
    watched, said, began = _Watched(seconds, time.monotonic), float("-inf"), time.monotonic()
    answered = began
    while True:
        try:
            before = _ahead(client, entry, collection, pipeline, source, watched)
        except _away():
            if time.monotonic() - answered >= TIMEOUT:
                raise
            watched.seen.clear()  # no run could renew its lease while Milvus was away
            before = None
        else:
            answered = time.monotonic()
        if before == [] and entry.fresh():
            return
        if before and answered - said >= NOTICE_SECONDS:
            said = answered
            others = ", ".join(f"{row['run_id']!r} over {_shown(row['source'])}" for row in before[:3])
            say(
                f"{answered - began:5.0f} s  waiting for a run that works on the same objects: {others}; "
                f"one that shows no sign of life is given up after {seconds:g} s"
            )
        time.sleep(min(1.0, seconds / RENEWALS))


def _ahead(
    client: MilvusClient, entry: _Entry, collection: str, pipeline: str, source: str, watched: _Watched
) -> list[dict[str, Any]]:
    """The rows of the runs that come before this one; rows of dead runs are deleted."""
    if entry.ticket == _CHOOSING or not entry.fresh():  # at first, or after a pause during which others may have passed
        entry.write(_CHOOSING)
        entry.write(1 + max(row["ticket"] for row in _rows(client, collection, pipeline)))
    before = []
    for row in _rows(client, collection, pipeline):
        if row["id"] == entry.id or not overlap(row["source"], source):
            continue
        if row["ticket"] == _CHOOSING or (row["ticket"], row["id"]) < (entry.ticket, entry.id):
            if watched.is_dead(row):
                client.delete(collection, ids=[row["id"]], timeout=TIMEOUT)
            else:
                before.append(row)
    return before


def _rows(client: MilvusClient, collection: str, pipeline: str) -> list[dict[str, Any]]:
    return list(
        client.query(
            collection, filter=f"pipeline == {literal(pipeline)}", output_fields=_FIELDS, limit=10_000,
            consistency_level="Strong", timeout=TIMEOUT,
        )
    )  # fmt: skip
