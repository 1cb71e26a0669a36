"""The outcomes of a run's objects: counts, and failures grouped by reason."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ingest.common.errors import ObjectError
from ingest.common.objects import PARTLY_READ, is_under
from ingest.common.owner_values import NOTE

MAX_FAILURES = 100
"""The number of failures that a report lists; the ledger has all of them."""


@dataclass(slots=True)
class ObjectOutcomes:
    """Counts of objects and rows, and the failures in the form of a report.

    Attributes:
        ok, failed: numbers of objects.
        empty: number of objects that are ok and have no rows.
        partly: number of objects that are ok although a part of them could not be read.
        rows_in: number of rows written to each collection, by its number in the pipeline.
        partly_read: the first MAX_FAILURES of those, as `source, message`.
        failures: the first MAX_FAILURES failures.
        groups: number of failures and the first one, by stage and type.
        sources: the sources of the run.
        failed_under: number of failed objects under each of these.
        retried_under: number of those among them that the next run tries again.
        done: the sources of the objects of one write.
        unfinished: of one write, the rows of objects of which others are still to be written, as `rows_in`, by source.
            Neither is added up.
    """

    sources: tuple[str, ...] = ()
    ok: int = 0
    empty: int = 0
    failed: int = 0
    partly: int = 0
    rows_deleted: int = 0
    rows_in: Counter[int] = field(default_factory=Counter)
    failures: list[dict[str, str]] = field(default_factory=list)
    partly_read: list[dict[str, str]] = field(default_factory=list)
    groups: dict[tuple[str, str], tuple[int, dict[str, str]]] = field(default_factory=dict)
    failed_under: Counter[str] = field(default_factory=Counter)
    retried_under: Counter[str] = field(default_factory=Counter)
    done: list[str] = field(default_factory=list)
    unfinished: dict[str, Counter[int]] = field(default_factory=dict)

    @property
    def rows_written(self) -> int:
        """The number of rows written to all collections."""
        return self.rows_in.total()

    def write(self, collection: int, sources: Iterable[str]) -> None:
        """Count rows that are written to a collection. `sources` are those of their objects, one for each row."""
        for source, rows in Counter(sources).items():
            self.rows_in[collection] += rows
            self.unfinished.setdefault(source, Counter())[collection] += rows

    def succeed(self, source: str, rows: int, metadata: Mapping[str, Any]) -> None:
        """Count an object that was read completely or in part."""
        self.ok += 1
        self._end(source)
        self.empty += rows == 0
        if losses := [metadata[key] for key in (PARTLY_READ, NOTE) if key in metadata]:
            self.partly += 1
            if len(self.partly_read) < MAX_FAILURES:
                self.partly_read.append({"source": source, "message": "; ".join(losses)})

    def fail(self, source: str, failure: ObjectError, is_retried: bool = False) -> None:
        """Count an object that failed, and that the next run tries again or not."""
        self.failed += 1
        self._end(source)
        roots = [root for root in self.sources if is_under(source, root)]
        self.failed_under.update(roots)
        self.retried_under.update(roots if is_retried else ())
        shown = {
            "source": source,
            "stage": failure.failure.stage,
            "error_type": failure.failure,
            "message": failure.message,
        }
        if len(self.failures) < MAX_FAILURES:
            self.failures.append(shown)
        self._group((failure.failure.stage, failure.failure), 1, shown)

    def grouped(self) -> list[dict[str, Any]]:
        """All failures as `stage, error_type, count, example`, the most frequent first."""
        return [
            {"stage": stage, "error_type": error_type, "count": count, "example": example}
            for (stage, error_type), (count, example) in sorted(self.groups.items(), key=lambda item: -item[1][0])
        ]

    def _end(self, source: str) -> None:
        self.done.append(source)
        self.unfinished.pop(source, None)

    def _group(self, key: tuple[str, str], count: int, example: dict[str, str]) -> None:
        known, first = self.groups.get(key, (0, example))
        self.groups[key] = (known + count, first)

    def add(self, other: ObjectOutcomes) -> None:
        """Add the counts and failures of another writer."""
        self.ok += other.ok
        self.empty += other.empty
        self.failed += other.failed
        self.partly += other.partly
        self.rows_in.update(other.rows_in)
        self.rows_deleted += other.rows_deleted
        self.failed_under.update(other.failed_under)
        self.retried_under.update(other.retried_under)
        self.failures = (self.failures + other.failures)[:MAX_FAILURES]
        self.partly_read = (self.partly_read + other.partly_read)[:MAX_FAILURES]
        for key, (count, example) in other.groups.items():
            self._group(key, count, example)
