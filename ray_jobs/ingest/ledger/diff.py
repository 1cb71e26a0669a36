"""The work of a run: a sorted merge of the store's listing and the ledger.

Both streams are sorted by source, so the merge holds one entry of each, and its memory does not grow with the prefix.

- NEW: listed, not in the ledger.
- CHANGED: listed and in the ledger, but with another version or fingerprint (or the run is a full refresh).
- RETRY: failed before at the same version and fingerprint, and either the failure may be temporary and attempts are
  left, or the object exceeded a limit that has been raised. Also: written, but rows of other versions may remain.
- METADATA: done at the same version and fingerprint, but what its owner says about it may have changed: it was written
  to the store at another time, its sidecar has another version or is gone, or the last such change was interrupted.
- UNCHANGED: done, or permanently failed, at the same version and fingerprint.
- MISSING: in the ledger, no longer listed.

A listing that is compared while it still comes (`diff_as_listed`) may turn out not to be in order. What it has given by
then was in order, and all that comes later is sorted: so it consists of two ascending sequences at most. The ledger's
entries that the first one lacks are held on disk, and compared with the second one.

A run for failed objects only (`OnlyFailed`) processes the objects that failed for the given reason according to the
ledger, as CHANGED or RETRY, for any type of failure and after any number of attempts. Other objects are UNCHANGED, or
SKIPPED if another run would process them; objects that are no longer listed are ignored.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from itertools import chain
from typing import TypeVar

from ingest.common.disk_buffer import HeldOnDisk
from ingest.common.failures import is_retried
from ingest.common.objects import StoredObject
from ingest.ledger.entries import LedgerEntry


class Change(StrEnum):
    NEW = "new"
    CHANGED = "changed"
    RETRY = "retry"
    METADATA = "metadata"
    UNCHANGED = "unchanged"
    MISSING = "missing"
    SKIPPED = "skipped"


Entry = TypeVar("Entry", StoredObject, LedgerEntry)


@dataclass(frozen=True, slots=True)
class Difference:
    """One object and its change.

    `attempts` counts the attempts at this version before this run; `failed` means UNCHANGED and permanently failed;
    `modified`, `sidecar` and `sidecar_size` are those of `StoredObject`, and 0 or empty if the object is MISSING.
    """

    change: Change
    source: str
    version: str
    size: int
    attempts: int = 0
    failed: bool = False
    modified: float = 0.0
    sidecar: str = ""
    sidecar_size: int = 0


@dataclass(slots=True)
class OnlyFailed:
    """Selects the objects that failed for `reason`: a type of failure or `stage/type`, or all failures if it is empty.

    `seen` counts all failures that were checked, by `stage/type`.
    """

    reason: str = ""
    seen: Counter[str] = field(default_factory=Counter)

    def chooses(self, known: LedgerEntry) -> bool:
        if known.ok:
            return False
        name = f"{known.stage}/{known.error_type}"
        self.seen[name] += 1
        return self.reason in ("", known.error_type, name)


def _compare(
    listed: StoredObject,
    known: LedgerEntry,
    fingerprint: str,
    full_refresh: bool,
    limits: Mapping[str, float],
    refresh_metadata: bool,
) -> Difference:
    same = known.version == listed.version and known.fingerprint == fingerprint
    if full_refresh or not same:
        change, attempts = Change.CHANGED, 0
    elif not known.finished:
        change, attempts = Change.RETRY, known.attempts - 1
    elif not known.ok and known.limit is not None and limits.get(known.error_type, 0) > known.limit:
        change, attempts = Change.RETRY, 0
    elif not known.ok and is_retried(known.error_type, known.attempts):
        change, attempts = Change.RETRY, known.attempts
    elif known.ok and (refresh_metadata or _may_have_other_metadata(listed, known)):
        change, attempts = Change.METADATA, known.attempts
    else:
        change, attempts = Change.UNCHANGED, known.attempts
    return Difference(
        change,
        listed.source,
        listed.version,
        listed.size,
        attempts,
        failed=change is Change.UNCHANGED and not known.ok,
        modified=listed.modified,
        sidecar=listed.sidecar or "",
        sidecar_size=listed.sidecar_size,
    )


def _may_have_other_metadata(listed: StoredObject, known: LedgerEntry) -> bool:
    """Whether the metadata may have changed by what the listing says. A copy in place has its ETag at another time."""
    return (
        known.relabelling
        or (listed.modified > 0 < known.stored != int(listed.modified))
        or (listed.sidecar is not None and listed.sidecar != known.sidecar)
    )


def _compare_failed(difference: Difference, known: LedgerEntry | None, only_failed: OnlyFailed) -> Difference:
    """The difference as a run for failed objects only treats it."""
    if known is not None and only_failed.chooses(known):
        if difference.change is Change.CHANGED:
            return difference
        attempts = known.attempts if is_retried(known.error_type, known.attempts) else 0
        return replace(difference, change=Change.RETRY, attempts=attempts, failed=False)
    return difference if difference.change is Change.UNCHANGED else replace(difference, change=Change.SKIPPED)


def diff(
    listing: Iterable[StoredObject],
    ledger: Iterable[LedgerEntry],
    fingerprint: str,
    full_refresh: bool = False,
    limits: Mapping[str, float] | None = None,
    only_failed: OnlyFailed | None = None,
    refresh_metadata: bool = False,
) -> Iterator[Difference]:
    """Merge the two streams, each in strictly ascending code-point order of the sources.

    Args:
        limits: this run's limits, by the type of failure of an object that exceeds the limit.
        only_failed: restricts the run to these objects.
        refresh_metadata: whether every object that is done and not processed again is METADATA.

    Raises:
        ValueError: a stream is out of order, so that existing objects would look missing.
    """
    merged = _merge(listing, ledger, fingerprint, full_refresh, limits or {}, refresh_metadata)
    yield from _chosen(merged, only_failed)


def diff_as_listed(
    listing: Iterable[StoredObject],
    ledger: Iterable[LedgerEntry],
    fingerprint: str,
    full_refresh: bool = False,
    limits: Mapping[str, float] | None = None,
    only_failed: OnlyFailed | None = None,
    refresh_metadata: bool = False,
) -> Iterator[Difference]:
    """The same for a listing in two ascending sequences at most. Objects that are MISSING come after the first one."""
    first, later = _in_two(listing)
    how = fingerprint, full_refresh, limits or {}, refresh_metadata

    def merged(held: HeldOnDisk[LedgerEntry]) -> Iterator[tuple[Difference, LedgerEntry | None]]:
        for difference, known in _merge(first, ledger, *how):
            if known is not None and difference.change is Change.MISSING:
                held.add(known)
            else:
                yield difference, known
        yield from _merge(later, held.read(), *how)

    with HeldOnDisk[LedgerEntry].temporary() as held:
        yield from _chosen(merged(held), only_failed)


def _chosen(
    merged: Iterable[tuple[Difference, LedgerEntry | None]], only_failed: OnlyFailed | None
) -> Iterator[Difference]:
    for difference, known in merged:
        if only_failed is None:
            yield difference
        elif difference.change is not Change.MISSING:
            yield _compare_failed(difference, known, only_failed)


def _in_two(listing: Iterable[StoredObject]) -> tuple[Iterator[StoredObject], Iterator[StoredObject]]:
    """The first ascending sequence of a listing and, to be read after it, the rest."""
    remaining = iter(listing)
    rest: list[StoredObject] = []

    def first() -> Iterator[StoredObject]:
        last = ""
        for entry in remaining:
            if entry.source <= last:
                rest.append(entry)
                return
            last = entry.source
            yield entry

    def later() -> Iterator[StoredObject]:
        yield from chain(rest, remaining)

    return first(), later()


def _merge(
    listing: Iterable[StoredObject],
    ledger: Iterable[LedgerEntry],
    fingerprint: str,
    full_refresh: bool,
    limits: Mapping[str, float],
    refresh_metadata: bool,
) -> Iterator[tuple[Difference, LedgerEntry | None]]:
    """Every object of either stream, with its ledger entry."""
    known_entries = _ascending(ledger, "ledger")
    known = next(known_entries, None)
    for listed in _ascending(listing, "listing"):
        while known is not None and known.source < listed.source:
            yield Difference(Change.MISSING, known.source, known.version, 0), known
            known = next(known_entries, None)
        if known is not None and known.source == listed.source:
            yield _compare(listed, known, fingerprint, full_refresh, limits, refresh_metadata), known
            known = next(known_entries, None)
        else:
            yield _new(listed), None
    while known is not None:
        yield Difference(Change.MISSING, known.source, known.version, 0), known
        known = next(known_entries, None)


def _new(listed: StoredObject) -> Difference:
    return Difference(
        Change.NEW,
        listed.source,
        listed.version,
        listed.size,
        modified=listed.modified,
        sidecar=listed.sidecar or "",
        sidecar_size=listed.sidecar_size,
    )


def _ascending(entries: Iterable[Entry], name: str) -> Iterator[Entry]:
    last = ""
    for entry in entries:
        if entry.source <= last:
            raise ValueError(f"the {name} is out of order: {entry.source!r} came after {last!r}")
        last = entry.source
        yield entry
