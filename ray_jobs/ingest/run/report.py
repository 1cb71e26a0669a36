"""The report of a run: one JSON object that other programs rely on, and its ten lines for a person."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from typing import Any

from ingest.common.text import printable
from ingest.ledger.outcomes import ObjectOutcomes

PREFIX = "REPORT "
"""Begins the last line of a job's output."""

SHOWN_REASONS = 5
"""Reasons of failure in the summary."""


@dataclass(slots=True)
class Report:
    """Counts are of objects but for `rows_*`. `seconds` is the wall time of the run.

    Attributes:
        stages: per stage `seconds` (summed over the processes that ran it) and `items` (objects or rows).
        collection: of the rows, behind the name that searches use.
        unmigrated: of a migration: objects for which the two collections do not agree; at 0 it is switched.
        failed_before: of the unchanged: those that failed for good in a run before.
        kept: objects that are missing in the store, and whose rows stay as they are.
        ignored: objects of the store that are not the pipeline's by their names.
        empty: of the processed: those in which nothing was found, such as scans without a text layer.
        partly: of the processed: those of which a part could not be read, such as videos that are cut off.
        partly_read: the first 100 of them: `source, message`.
        failures: the first 100: `source, stage, error_type, message`.
        failure_counts: of all failures, the most frequent first: `stage, error_type, count, example`, the last one
            of `failures`.
    """

    pipeline: str
    source: str
    run_id: str
    fingerprint: str
    listed: int = 0
    added: int = 0
    changed: int = 0
    unchanged: int = 0
    deleted: int = 0
    failed: int = 0
    rows_written: int = 0
    rows_deleted: int = 0
    seconds: float = 0.0
    stages: dict[str, dict[str, float]] = field(default_factory=dict)
    failures: list[dict[str, str]] = field(default_factory=list)
    failure_counts: list[dict[str, Any]] = field(default_factory=list)
    dry_run: bool = False
    collection: str = ""
    unmigrated: int = 0
    failed_before: int = 0
    empty: int = 0
    kept: int = 0
    ignored: int = 0
    partly: int = 0
    partly_read: list[dict[str, str]] = field(default_factory=list)

    def record(self, outcome: ObjectOutcomes) -> None:
        """Take over the outcome of the objects that were processed and removed."""
        self.failed, self.empty, self.partly = outcome.failed, outcome.empty, outcome.partly
        self.partly_read = sorted(outcome.partly_read, key=lambda entry: entry["source"])
        self.failure_counts = outcome.grouped()
        self.failures = sorted(outcome.failures, key=lambda failure: failure["source"])
        self.rows_written, self.rows_deleted = outcome.rows_written, outcome.rows_deleted

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)

    def line(self) -> str:
        """The REPORT line. ASCII only, so that no log handler on the way can break it."""
        return PREFIX + json.dumps(self.as_dict())

    def summary(self) -> str:
        """What happened, in about ten lines."""
        planned = "would be " if self.dry_run else ""
        done = self.added + self.changed + self.unchanged
        lines = [
            f"{self.pipeline} {self.source} in {self.seconds:.1f} s",
            f"  objects  {self.listed} listed: {self.added} {planned}added, {self.changed} {planned}changed, "
            f"{self.unchanged} unchanged, {self.deleted} {planned}deleted; {self.failed} of these failed"
            + (f", {self.listed - done} left for another run" if self.listed > done and not self.dry_run else "")
            + (f", {self.failed_before} unchanged ones had failed before" if self.failed_before else "")
            + (f", {self.kept} missing ones kept" if self.kept else "")
            + (f"; ignored by name: {self.ignored}" if self.ignored else ""),
            f"  rows     {self.rows_written} written, {self.rows_deleted} deleted"
            + (f" ({self.rows_written / self.seconds:.1f} rows/s)" if self.seconds and self.rows_written else ""),
        ]
        if self.empty:
            lines.append(f"  empty    {self.empty} objects have no rows: nothing was found in them")
        if self.partly:
            first = self.partly_read[0]
            example = f"{printable(first['source'])}: {first['message']}"
            lines.append(f"  partly   {self.partly} read in part, e.g. {example}")
        if self.stages:
            parts = [self._stage(name, **stage) for name, stage in self.stages.items()]
            lines.append(f"  stages   {', '.join(parts)}")
        for group in self.failure_counts[:SHOWN_REASONS]:
            example = f"{printable(group['example']['source'])}: {group['example']['message']}"
            lines.append(f"  failed   {group['count']} x {group['error_type']} in {group['stage']}, e.g. {example}")
        if others := self.failure_counts[SHOWN_REASONS:]:
            lines.append(f"  failed   {sum(group['count'] for group in others)} x for {len(others)} other reasons")
        return "\n".join(lines)

    @staticmethod
    def _stage(name: str, seconds: float, items: float) -> str:
        rate = f" ({items / seconds:.1f}/s)" if seconds and items / seconds >= 0.05 else ""
        return f"{name} {seconds:.1f} s{rate}"
