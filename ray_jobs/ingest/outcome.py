"""What became of the objects of a run: counts, and failures grouped by reason."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from ingest.errors import ObjectError

MAX_FAILURES = 100
"""Failures that a report lists; all of them are in the ledger."""


@dataclass(slots=True)
class Outcome:
    """What was written: counts of objects and rows, and the failures as a report shows them.

    Attributes:
        ok, failed: objects; `empty` ones are ok and have no rows.
        failures: the first MAX_FAILURES.
        groups: of all failures, by stage and type: how many, and the first one.
    """

    ok: int = 0
    empty: int = 0
    failed: int = 0
    rows_written: int = 0
    rows_deleted: int = 0
    failures: list[dict[str, str]] = field(default_factory=list)
    groups: dict[tuple[str, str], tuple[int, dict[str, str]]] = field(default_factory=dict)

    def fail(self, source: str, failure: ObjectError) -> None:
        """Count an object that failed."""
        self.failed += 1
        shown = {
            "source": source,
            "stage": failure.stage,
            "error_type": failure.error_type,
            "message": failure.message,
        }
        if len(self.failures) < MAX_FAILURES:
            self.failures.append(shown)
        self._group((failure.stage, failure.error_type), 1, shown)

    def grouped(self) -> list[dict[str, Any]]:
        """`stage, error_type, count, example`, the most frequent first."""
        return [
            {"stage": stage, "error_type": error_type, "count": count, "example": example}
            for (stage, error_type), (count, example) in sorted(self.groups.items(), key=lambda item: -item[1][0])
        ]

    def _group(self, key: tuple[str, str], count: int, example: dict[str, str]) -> None:
        known, first = self.groups.get(key, (0, example))
        self.groups[key] = (known + count, first)

    def add(self, other: Outcome) -> None:
        self.ok += other.ok
        self.empty += other.empty
        self.failed += other.failed
        self.rows_written += other.rows_written
        self.rows_deleted += other.rows_deleted
        self.failures = (self.failures + other.failures)[:MAX_FAILURES]
        for key, (count, example) in other.groups.items():
            self._group(key, count, example)
