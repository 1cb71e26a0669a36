"""A listing on its way from the store to the diff: ignored objects are counted, the others are sorted on disk."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass

from ingest.common.objects import StoredObject


@dataclass(slots=True)
class Ignored:
    """Counts the objects and folders that a listing ignored, and keeps the source of the first one."""

    count: int = 0
    first: str = ""

    def add(self, source: str) -> None:
        self.count += 1
        self.first = self.first or source


def sorted_on_disk(entries: Iterable[StoredObject]) -> Iterator[StoredObject]:
    """A listing in code-point order of its sources, without duplicates. It is sorted on disk, so it may have any size.

    S3 itself lists in this order, but SeaweedFS lists folder by folder and S3 Express in no order at all.
    """
    with closing(sqlite3.connect("")) as database:  # "" is a temporary file that is removed with the connection
        database.execute("CREATE TABLE listing (source TEXT PRIMARY KEY, version TEXT, size INTEGER) WITHOUT ROWID")
        rows = ((entry.source, entry.version, entry.size) for entry in entries)
        database.executemany("INSERT OR REPLACE INTO listing VALUES (?, ?, ?)", rows)
        for row in database.execute("SELECT source, version, size FROM listing ORDER BY source"):
            yield StoredObject(*row)
