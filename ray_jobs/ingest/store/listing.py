"""A listing on its way from the store to the diff: it must come to an end, ignored objects are counted, the others are
sorted on disk."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from itertools import chain
from typing import Any

from ingest.common.errors import ConfigurationError, UnreachableError
from ingest.common.objects import StoredObject

MAX_EMPTY_PAGES = 10_000
"""Pages without an object, one after the other, after which a listing is endless. S3 gives some where many objects were
deleted."""


@dataclass(slots=True)
class Ignored:
    """Counts the objects and folders that a listing ignored, and keeps the source of the first one."""

    count: int = 0
    first: str = ""

    def add(self, source: str) -> None:
        self.count += 1
        self.first = self.first or source


@dataclass(slots=True)
class Circle:
    """Notices that the pages of a listing repeat, although their continuation tokens are new.

    Not all stores list in order, but none lists a key twice. So the first key of each page is compared with that of one
    page before, which is replaced after 1, 2, 4, 8… pages (Brent's algorithm): a circle of any length is found within a
    few rounds, and in constant memory.
    """

    seen: str | None = None
    pages: int = 0
    kept_for: int = 1
    empty: int = 0

    def closes(self, first: str | None) -> bool:
        """Whether the listing repeats with a page that begins with a key, or with none."""
        if first is None:
            self.empty += 1
            return self.empty > MAX_EMPTY_PAGES
        self.empty = 0
        if first == self.seen:
            return True
        if self.seen is None or self.pages == self.kept_for:
            self.kept_for *= 2 if self.seen else 1
            self.seen, self.pages = first, 0
        self.pages += 1
        return False


def pages(client: Any, bucket: str, prefix: str) -> Iterator[Mapping[str, Any]]:
    """Yield the pages of a listing, of which the last one says that there are more if the store cannot go on.

    If a page does not say how to go on, the listing goes on behind its last key; that is whole if the keys are sorted.
    """
    paginator = client.get_paginator("list_objects_v2")
    behind: dict[str, str] = {}
    last, is_sorted = "", True
    while True:
        page, keys = {}, []
        for page in paginator.paginate(Bucket=bucket, Prefix=prefix, **behind):
            keys = [item["Key"] for item in page.get("Contents", ())]
            if behind and keys and keys[0] <= last:  # the store begins anew
                return
            is_sorted = is_sorted and keys == sorted(keys) and (not keys or keys[0] > last)
            last = keys[-1] if keys else last
            yield page
        is_written_as_is = "EncodingType" in page or "%" not in last
        if not (page.get("IsTruncated") and keys and is_sorted and is_written_as_is):
            return
        behind = {"StartAfter": last}


def endless(store: str, source: str, count: int) -> UnreachableError:
    """The error for a listing that gave `count` objects and does not come to an end."""
    return UnreachableError(
        f"the object store {store} lists {source} without an end: after {count} objects it repeats itself and does not "
        "advance, or lists nothing; the fault is the store's, so update it, or ingest smaller prefixes one by one"
    )


def check_empty(bucket: str, prefix: str) -> None:
    """Raise ConfigurationError if a prefix under which there is no key looks like a mistake: a pattern, or a path."""
    if "//" in f"/{prefix}":
        raise ConfigurationError(
            f"no key in bucket {bucket!r} begins with {prefix!r}; a --source has one slash behind the bucket and "
            "behind each folder, unless the keys themselves have more"
        )
    if re.search("[*?]", prefix):
        raise ConfigurationError(
            f"no key in bucket {bucket!r} begins with {prefix!r}; a --source is a prefix of keys and no pattern, so "
            "give s3://bucket/prefix/, from which a pipeline takes the files of its own formats"
        )


COLUMNS = "source TEXT PRIMARY KEY, version TEXT, size INTEGER, modified REAL"

Ordering = Callable[[Iterable[StoredObject]], Iterator[StoredObject]]

CHUNK = 1000
"""Entries that are noted together."""


def sorted_on_disk(entries: Iterable[StoredObject]) -> Iterator[StoredObject]:
    """A listing in code-point order of its sources, without duplicates. It is sorted on disk, so it may have any size.

    S3 itself lists in this order, but SeaweedFS lists folder by folder and S3 Express in no order at all.
    """
    with closing(sqlite3.connect("", check_same_thread=False)) as database:  # "" is a temporary file, removed with it
        database.execute(f"CREATE TABLE listing ({COLUMNS}) WITHOUT ROWID")
        rows = ((entry.source, entry.version, entry.size, entry.modified) for entry in entries)
        database.executemany("INSERT OR REPLACE INTO listing VALUES (?, ?, ?, ?)", rows)
        for row in database.execute("SELECT source, version, size, modified FROM listing ORDER BY source"):
            yield StoredObject(*row)


def as_it_comes(entries: Iterable[StoredObject]) -> Iterator[StoredObject]:
    """A listing without duplicates, in one ascending sequence as it comes, or in two.

    From the first entry on that is not above all others, a listing is kept back until its end, and comes sorted.
    """
    remaining, last = iter(entries), ""
    with closing(sqlite3.connect("", check_same_thread=False)) as database:
        database.execute("CREATE TABLE given (source TEXT PRIMARY KEY) WITHOUT ROWID")
        latest: list[tuple[str]] = []
        for entry in remaining:
            if entry.source <= last:
                database.executemany("INSERT INTO given VALUES (?)", latest)
                for late in sorted_on_disk(chain([entry], remaining)):
                    if not database.execute("SELECT 1 FROM given WHERE source = ?", (late.source,)).fetchone():
                        yield late
                return
            last = entry.source
            latest.append((last,))
            if len(latest) == CHUNK:
                database.executemany("INSERT INTO given VALUES (?)", latest)
                latest = []
            yield entry
