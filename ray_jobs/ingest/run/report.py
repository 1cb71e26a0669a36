"""The report of a run: a JSON object that other programs rely on, and a summary of about ten lines for people."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field, fields
from enum import StrEnum
from typing import Any

from ingest.common.text import printable
from ingest.ledger.outcomes import ObjectOutcomes

REPORT_PREFIX = "REPORT "
"""Prefix of the report's line, the last one of a job's output."""

SHOWN_REASONS = 5
"""Reasons of failure that the summary shows one by one."""


class SourceState(StrEnum):
    """What the ledger holds of a source.

    The ledger knows objects and not runs: where it has none of a source's, none of them was ever ingested, and nothing
    tells whether a run has failed before it came to one.
    """

    DONE = "done"
    """All objects, at their versions in the store."""
    EMPTY = "empty"
    """There is no object, in the store or in the ledger."""
    FAILED = "failed"
    """All objects, of which some have failed and are not tried again."""
    BEHIND = "behind"
    """Some objects are new, changed, due for a retry, or missing in the store."""
    NEVER_INGESTED = "never ingested"
    """None of the objects."""


@dataclass(slots=True)
class Counts:
    """Objects under a source, or under all sources of a run.

    `relabelled` counts those of `unchanged` whose metadata are read again, because they may have changed.
    `to_retry` counts those of `failed` that the next run tries again, and `failed_before` unchanged objects that failed
    permanently in an earlier run.
    """

    listed: int = 0
    added: int = 0
    changed: int = 0
    unchanged: int = 0
    relabelled: int = 0
    deleted: int = 0
    failed: int = 0
    to_retry: int = 0
    failed_before: int = 0
    kept: int = 0

    @property
    def state(self) -> SourceState:
        """The state of a source by the counts of a plan for it."""
        missing = self.deleted + self.kept
        if not self.listed and not missing:
            return SourceState.EMPTY
        if self.listed == self.added and not missing:
            return SourceState.NEVER_INGESTED
        if self.added or self.changed or self.relabelled or missing:
            return SourceState.BEHIND
        return SourceState.FAILED if self.failed_before else SourceState.DONE

    def planned(self) -> str:
        """The counts of the plan, for people."""
        missing = [f"{self.deleted} missing"] if self.deleted or not self.kept else []
        kept = [f"{self.kept} missing and kept"] if self.kept else []
        failed = f" ({self.failed_before} of them failed)" if self.failed_before else ""
        relabelled = f" ({self.relabelled} of them perhaps but for their metadata)" if self.relabelled else ""
        unchanged = f"{self.unchanged} unchanged{failed}{relabelled}"
        parts = [f"{self.added} new", f"{self.changed} changed", unchanged, *missing, *kept]
        return f"{self.listed} objects listed: {', '.join(parts)}"


@dataclass(slots=True, kw_only=True)
class Report(Counts):
    """The result of a run. Numbers without a unit count objects, except `rows_*`; `seconds` is the run's wall time.

    Attributes:
        source: all sources of the run, with commas between them.
        by_source: the counts of each source, in the order in which the sources were given.
        states: with --summary, the sources by their state, such as `done`.
        stages: for each stage `seconds` (the sum over its processes) and `items` (objects or rows).
        collection: the collections of the rows, which searches reach through aliases.
        models: the names of the models of the vectors, by the name of the collection without a prefix.
        rows_by_collection: rows written, by the name of the collection without a prefix.
        unmigrated: objects for which the two collections of a migration differ; at 0, searches are switched.
        awaiting: with --ask-first, a sentence for each step that a person should decide: `removals`, `switch`.
        awaiting_removals: the numbers of objects of these removals, by source, as --approved-removals takes them.
        kept: objects that are missing in the store, and whose rows are kept: on request, or because they are too many.
        ignored: objects in the store whose names do not belong to the pipeline, and folder markers.
        empty: processed objects without any row, such as PDFs of blank pages.
        newest: when the newest object was modified that the run has processed or found unchanged, in seconds since 1970
            (UTC); None if it was none.
        failed_in_ledger: objects of the pipeline, under any source, that have failed permanently; None if the run did
            not count them.
        partly: processed objects that could be read only in part, such as truncated videos.
        partly_read: the first 100 of them, each with `source` and `message`.
        failures: the first 100 failures, each with `source`, `stage`, `error_type` and `message`.
        failure_counts: all failures by reason, the most frequent first, each with `stage`, `error_type`, `count` and
            `example`, an entry like those of `failures`.
    """

    pipeline: str
    source: str
    run_id: str
    fingerprint: str
    rows_written: int = 0
    rows_deleted: int = 0
    seconds: float = 0.0
    stages: dict[str, dict[str, float]] = field(default_factory=dict)
    failures: list[dict[str, str]] = field(default_factory=list)
    failure_counts: list[dict[str, Any]] = field(default_factory=list)
    dry_run: bool = False
    collection: str = ""
    models: dict[str, str] = field(default_factory=dict)
    rows_by_collection: dict[str, int] = field(default_factory=dict)
    unmigrated: int = 0
    awaiting: dict[str, str] = field(default_factory=dict)
    awaiting_removals: dict[str, int] = field(default_factory=dict)
    empty: int = 0
    newest: float | None = None
    failed_in_ledger: int | None = None
    ignored: int = 0
    partly: int = 0
    partly_read: list[dict[str, str]] = field(default_factory=list)
    by_source: dict[str, Counts] = field(default_factory=dict)
    states: dict[str, list[str]] = field(default_factory=dict)

    def add_up(self) -> None:
        """Set the counts to the sums over the sources."""
        for count in fields(Counts):
            setattr(self, count.name, sum(getattr(counts, count.name) for counts in self.by_source.values()))

    def record(self, outcome: ObjectOutcomes) -> None:
        """Add the outcomes of the processed and removed objects."""
        self.failed, self.empty, self.partly = outcome.failed, outcome.empty, outcome.partly
        self.partly_read = sorted(outcome.partly_read, key=lambda entry: entry["source"])
        self.failure_counts = outcome.grouped()
        self.failures = sorted(outcome.failures, key=lambda failure: failure["source"])
        self.rows_written, self.rows_deleted = outcome.rows_written, outcome.rows_deleted
        for source, count in outcome.failed_under.items():
            self.by_source[source].failed = count
        for source, count in outcome.retried_under.items():
            self.by_source[source].to_retry = count
        self.to_retry = outcome.retried_under.total()

    def as_dict(self) -> dict[str, Any]:
        """The report as JSON has it. The run's names come first, since people read the line from its start."""
        values = asdict(self)
        names = ("pipeline", "source", "run_id", "fingerprint")
        return {name: values.pop(name) for name in names} | values

    def line(self) -> str:
        """The REPORT line. It is pure ASCII, so that no log handler can break it."""
        return REPORT_PREFIX + json.dumps(self.as_dict())

    def summary(self) -> str:
        """A summary for people, about ten lines long."""
        planned = "would be " if self.dry_run else ""
        done = self.added + self.changed + self.unchanged
        source, *more = self.by_source or (self.source,)
        lines = [
            f"{self.pipeline} {source}{f' and {len(more)} more sources' if more else ''} in {self.seconds:.1f} s",
            f"  objects  {self.listed} listed: {self.added} {planned}added, {self.changed} {planned}changed, "
            f"{self.unchanged} unchanged, {self.deleted} {planned}deleted; {self.failed} of these failed"
            + (f", {self.listed - done} left for another run" if self.listed > done and not self.dry_run else "")
            + (f", {self.failed_before} unchanged ones had failed before" if self.failed_before else "")
            + (f", the metadata of {self.relabelled} unchanged ones {planned}read" if self.relabelled else "")
            + (f", {self.kept} missing ones kept" if self.kept else "")
            + (f"; ignored by name: {self.ignored}" if self.ignored else ""),
            f"  rows     {self.rows_written} written, {self.rows_deleted} deleted"
            + (f" ({self.rows_written / self.seconds:.1f} rows/s)" if self.seconds and self.rows_written else ""),
        ]
        if self.empty:
            lines.append(f"  empty    {self.empty} objects have no rows, as no content was found in them")
        if self.partly:
            first = self.partly_read[0]
            example = f"{printable(first['source'])}: {first['message']}"
            lines.append(f"  partly   {self.partly} read in part, e.g. {example}")
        if self.stages:
            parts = [self._stage(name, **stage) for name, stage in self.stages.items()]
            lines.append(f"  stages   {', '.join(parts)}")
        lines += [f"  awaiting {sentence}" for sentence in self.awaiting.values()]
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
