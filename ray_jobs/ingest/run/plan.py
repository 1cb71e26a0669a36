"""The plan of a run: each source is compared with the ledger, and its objects are counted in the report.

The sources are compared one after the other, in the given order. No object is under two of them.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING

from ingest.common.disk_buffer import begun_ahead
from ingest.common.objects import StoredObject, is_under
from ingest.common.owner_values import Origin
from ingest.common.text import printable
from ingest.ledger.diff import Change, OnlyFailed, diff, diff_as_listed
from ingest.ledger.entries import read_ledger
from ingest.ledger.work_list import WorkList
from ingest.run.options import RunOptions
from ingest.run.report import Counts, Report, SourceState
from ingest.stages.pipeline import Pipeline
from ingest.store.listing import Ignored, as_it_comes, sorted_on_disk
from ingest.store.object_store import is_absent, list_objects
from ingest.store.sidecars import list_with_sidecars

if TYPE_CHECKING:
    from pymilvus import MilvusClient

LEDGERS_AHEAD = 8
"""Sources whose ledger is read ahead. A Milvus server takes a second for it, which it mostly waits: each query waits
until all earlier writes are visible."""

NAMED_SOURCES = 3
"""Sources that a sentence names."""

STATE_WIDTH = max(map(len, SourceState))


class Planner:
    """Finds the work of a run, and the objects that it removes.

    Args:
        pipeline: its suffixes and its fingerprint count.
        options: the options of the run.
        report: receives the counts.
        say: prints a line for people.
    """

    def __init__(self, pipeline: Pipeline, options: RunOptions, report: Report, say: Callable[[str], None]) -> None:
        self._pipeline = pipeline
        self._options = options
        self._report = report
        self._say = say
        self._withheld: dict[str, tuple[int, int]] = {}
        """The sources of which nothing is removed, with their numbers of missing and known objects."""

    def plan(self, client: MilvusClient, ledger: str, work: WorkList, relabelled: WorkList, missing: WorkList) -> None:
        """Fill the lists of work, of objects with other metadata, and of missing objects, and count every listed object
        in the report.

        While it goes on, the objects in `work` may be processed already, but none may be removed.
        """
        started = time.monotonic()
        report, options = self._report, self._options
        compare = diff if options.dry_run else diff_as_listed  # of which a dry run prints the differences in order
        only_failed = None if options.only_failed is None else OnlyFailed(options.only_failed)
        ignored = Ignored()
        seen, newest = {}, 0.0
        ledgers = (read_ledger(client, ledger, source, self._pipeline.name) for source in options.sources)
        for source, known_objects in zip(options.sources, begun_ahead(ledgers, LEDGERS_AHEAD), strict=True):
            self._say(f"listing {printable(source)}")
            counts = report.by_source[source] = Counts()
            differences = compare(
                self._listing(source, ignored),
                known_objects,
                self._pipeline.fingerprint,
                options.full_refresh,
                options.limits_by_failure(),
                only_failed,
                options.refresh_metadata,
            )
            before, known = missing.count, 0
            for difference in differences:
                if work.complete:  # the processing has failed
                    return
                change = difference.change
                known += change is not Change.NEW
                counts.listed += change is not Change.MISSING
                if change in (Change.UNCHANGED, Change.METADATA):
                    counts.unchanged += 1
                    counts.failed_before += difference.failed
                    newest = max(newest, difference.modified)
                    if change is Change.METADATA and (
                        not options.limit or work.count + relabelled.count < options.limit
                    ):
                        relabelled.add(difference)
                        counts.relabelled += 1
                elif change is Change.SKIPPED:
                    continue
                elif change is Change.MISSING:
                    if options.keep_missing:
                        counts.kept += 1
                        continue
                    missing.add(difference)
                elif not options.limit or work.count + relabelled.count < options.limit:
                    work.add(difference)
                    newest = max(newest, difference.modified)
                    counts.added += change is Change.NEW
                    counts.changed += change is not Change.NEW
                else:
                    continue
                if options.dry_run and not options.summary and change is not Change.UNCHANGED:
                    self._say(f"{change:<8} {printable(difference.source)}")
            seen[source] = missing.count - before, known
        self.withhold(seen)
        for source, counts in report.by_source.items():
            counts.deleted = 0 if source in self._withheld else seen[source][0]
        report.add_up()
        report.ignored, report.newest = ignored.count, round(newest, 3) or None
        report.stages["list"] = {"seconds": round(time.monotonic() - started, 3), "items": report.listed}
        self._say_plan(ignored, work, only_failed)

    def _listing(self, source: str, ignored: Ignored) -> Iterator[StoredObject]:
        if len(self._options.sources) > 1 and is_absent(source):
            self._say(f"there is no folder {printable(source)}")
            return iter(())
        order = sorted_on_disk if self._options.dry_run else as_it_comes
        list_all = list_with_sidecars if Origin.SIDECAR in self._options.origins else list_objects
        return list_all(source, self._pipeline.suffixes, ignored, order)

    def withhold(self, seen: Mapping[str, tuple[int, int]]) -> None:
        """Keep the objects of the sources that would lose too many.

        Args:
            seen: the numbers of missing and of known objects, by source.
        """
        for source in self._options.deletions.withheld(seen):
            self._withheld[source] = seen[source]
            self._report.by_source[source].kept = seen[source][0]
        self._report.add_up()

    def removable(self, missing: WorkList) -> Iterator[str]:
        """The missing objects that may be removed."""
        for name in missing.sources():
            if not any(is_under(name, source) for source in self._withheld):
                yield name

    @property
    def withheld(self) -> str:
        """A sentence if objects were not removed because they are too many, or else an empty string."""
        if not self._withheld:
            return ""
        parts = [
            f"{missing} of the {known} objects that the ledger knows under {printable(source)}"
            for source, (missing, known) in self._withheld.items()
        ]
        more = len(parts) - NAMED_SOURCES
        named = ", ".join(parts[:NAMED_SOURCES]) + (f" and those of {more} more sources" if more > 0 else "")
        return (
            f"{named} are missing in the store, more than --max-deleted-fraction {self._options.deletions.fraction:g} "
            "allows, so none of them was removed; check that the source is whole (its mount, bucket and lifecycle "
            "rules), or allow it with --max-deleted-fraction 1"
        )

    @property
    def withheld_removals(self) -> dict[str, int]:
        """The numbers of objects that were not removed because they are too many, by source."""
        return {source: missing for source, (missing, _) in self._withheld.items()}

    def _say_plan(self, ignored: Ignored, work: WorkList, only_failed: OnlyFailed | None) -> None:
        report = self._report
        several = len(report.by_source) > 1
        if not report.listed:
            under = "the sources" if several else printable(report.source)
            self._say(f"no object under {under} belongs to this pipeline; check the prefix (it is literal)")
        for source, counts in report.by_source.items():
            if self._options.summary:
                report.states.setdefault(counts.state, []).append(source)
                self._say(f"{counts.state:<{STATE_WIDTH}} {counts.planned()} in {printable(source)}")
            elif several:
                self._say(f"{counts.planned()} in {printable(source)}")
        self._say(report.planned())
        if report.states:
            self._say(", ".join(f"{len(found)} {state}" for state, found in report.states.items()))
        if ignored.count:
            self._say(f"ignored by name: {ignored.count}, such as {printable(ignored.first)}")
        if only_failed is not None:
            seen = ", ".join(f"{count} x {printable(reason)}" for reason, count in only_failed.seen.most_common(10))
            self._say(f"processing only failed objects; their failures in the ledger: {seen or 'none'}")
            if not work.count and only_failed.reason:
                self._say(f"none of them failed for {printable(only_failed.reason)!r}, so there is nothing to do")
