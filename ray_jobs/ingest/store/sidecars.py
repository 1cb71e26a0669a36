"""Find the sidecars of objects in a listing: `report.pdf.json` belongs to `report.pdf`.

In a listing in order, a sidecar comes soon after its object, but other names can come between: `report.pdf-old.pdf`. So
an object waits until its sidecar has come or cannot come any more, and those behind it wait for their turn.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from heapq import merge
from itertools import chain

from ingest.common.objects import StoredObject
from ingest.common.owner_values import SIDECAR_SUFFIX
from ingest.store.access import split_s3
from ingest.store.listing import Ignored, Ordering, sorted_on_disk
from ingest.store.local_files import list_files, local_path
from ingest.store.object_store import is_s3, list_objects

UNSORTED = "--x-s3"
"""Ends the name of a bucket of S3 Express, which lists in no order."""

MAX_WAITING = 1000
"""Objects that wait. If there are more, the store is asked for the sidecar of the first one, so that memory does not
grow with the names that come between: `report.pdf-pages/1.pdf` and so on."""

Find = Callable[[str], StoredObject | None]
"""Asks the store for one object; None if there is none."""


def list_with_sidecars(
    source: str, suffixes: tuple[str, ...], ignored: Ignored, order: Ordering = sorted_on_disk
) -> Iterator[StoredObject]:
    """As `list_objects`, which has the arguments and the exceptions; each object comes with what belongs to it."""
    if is_s3(source) and split_s3(source)[0].endswith(UNSORTED):
        order = sorted_on_disk
    both = (*suffixes, *(suffix + SIDECAR_SUFFIX for suffix in suffixes))
    return with_sidecars(list_objects(source, both, ignored, order), find_object, ignored)


def find_object(source: str) -> StoredObject | None:
    """An object as the store lists it now; None if there is none."""
    if not is_s3(source):
        return next(list_files(source, Ignored()), None) if local_path(source).is_file() else None
    return next((entry for entry in list_objects(source, ()) if entry.source == source), None)


def with_sidecars(listing: Iterable[StoredObject], find: Find, ignored: Ignored) -> Iterator[StoredObject]:
    """The objects of a listing without their sidecars, of which each object has the version and the size.

    Args:
        listing: objects and names that end in SIDECAR_SUFFIX, in one ascending sequence or two. What is returned is,
            too. An object whose sidecar has not come in the first sequence is part of the second.
        ignored: counts sidecars that belong to no object.
    """
    waiting: deque[StoredObject] = deque()
    remaining = iter(listing)
    last = ""
    for entry in remaining:
        if entry.source <= last:
            later = merge(waiting, chain([entry], remaining), key=lambda each: each.source)
            yield from with_sidecars(later, find, ignored)
            return
        last = entry.source
        yield from _complete(waiting, last)
        if not last.lower().endswith(SIDECAR_SUFFIX):
            waiting.append(replace(entry, sidecar=entry.sidecar or ""))
        elif not _join(waiting, entry):  # it has no object, or another case than a sidecar's
            ignored.add(last)
        if len(waiting) > MAX_WAITING:
            first = waiting.popleft()
            sidecar = find(first.source + SIDECAR_SUFFIX)
            yield first if sidecar is None else _joined(first, sidecar)
    yield from waiting


def _complete(waiting: deque[StoredObject], last: str) -> Iterator[StoredObject]:
    """The objects at the beginning that have their sidecar, or whose sidecar would have come before `last`."""
    while waiting and (waiting[0].sidecar or waiting[0].source + SIDECAR_SUFFIX < last):
        yield waiting.popleft()


def _join(waiting: deque[StoredObject], sidecar: StoredObject) -> bool:
    """Give a sidecar to its object; returns whether it waits."""
    source = sidecar.source.removesuffix(SIDECAR_SUFFIX)
    for place, entry in enumerate(waiting):
        if entry.source == source:
            waiting[place] = _joined(entry, sidecar)
            return True
    return False


def _joined(entry: StoredObject, sidecar: StoredObject) -> StoredObject:
    return replace(entry, sidecar=sidecar.version, sidecar_size=sidecar.size)
