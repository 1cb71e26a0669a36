"""A run of a pipeline: list the source, compare it with the ledger, process, remove, report.

The module is independent of PDFs, images and videos, and only `process_objects` uses Ray.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from contextlib import AbstractContextManager

from ingest.common.errors import TooManyFailedError
from ingest.common.text import printable
from ingest.ledger.alias import ensure_ledger
from ingest.ledger.diff import Change, OnlyFailed, diff
from ingest.ledger.entries import read_ledger
from ingest.ledger.lease import Lease, lease
from ingest.ledger.outcomes import ObjectOutcomes
from ingest.ledger.parts import Target
from ingest.ledger.work_list import WorkList
from ingest.ledger.writer import ObjectWriter
from ingest.migration.generations import Names, is_staged, is_switch_interrupted, publish
from ingest.migration.steps import prepare_ledger_and_migration, switch_if_complete
from ingest.milvus.client import TIMEOUT, connect, errors_as_sentences, is_lite
from ingest.milvus.expressions import prefix_filter
from ingest.milvus.schema import ensure_sources
from ingest.run.options import RunOptions
from ingest.run.processing import process_objects
from ingest.run.report import Report
from ingest.stages.pipeline import Pipeline
from ingest.stages.resources import check_resources
from ingest.store.listing import Ignored
from ingest.store.object_store import list_objects, normalise_source


class Run:
    """Brings the rows in Milvus up to date with the objects under a source.

    Args:
        pipeline: turns objects into rows.
        options: the options of the run.
        say: prints a line for people.

    Raises:
        JobError: the source, Milvus or the options cannot be used.
    """

    def __init__(self, pipeline: Pipeline, options: RunOptions, say: Callable[[str], None]) -> None:
        self._started = time.monotonic()
        self._pipeline = pipeline
        self._options = options
        self._say = say
        self._source = normalise_source(options.source)
        check_resources(options.resources, [model.name for model in pipeline.models])
        self._client = connect(options.milvus_uri)
        collections = [collection.name for collection in pipeline.collections]
        self._names = Names.of(options.collection, pipeline.name, collections, pipeline.model)
        self._lease: Lease | None = None
        self._withheld = ""
        self._report = Report(
            pipeline.name, self._source, options.run_id, pipeline.fingerprint, dry_run=options.dry_run,
            collection=", ".join(self._names.rows),
        )  # fmt: skip

    def execute(self) -> Report:
        """Execute the run, once.

        Raises:
            JobError: the run could not finish. Its writes are kept, and the next run resumes from there.
            TooManyFailedError: the run finished, but too many objects failed, or too many would have been removed; the
            report is in the error's arguments.
        """
        with errors_as_sentences(self._options.milvus_uri):
            if self._options.dry_run:
                self._update()
            else:
                self._update_under_lease()
        self._report.seconds = round(time.monotonic() - self._started, 3)
        problems = [sentence for sentence in (self._withheld, self._too_many_failed()) if sentence]
        if problems and not self._options.dry_run:
            raise TooManyFailedError("; and ".join(problems), self._report)
        return self._report

    def _update_under_lease(self) -> None:
        prepare_ledger_and_migration(
            self._client, self._names, self._pipeline.dimension, self._options.migrate, self._lease_of, self._say
        )
        with self._lease_of(self._pipeline.name, self._source) as self._lease:
            self._update()
        if is_staged(self._client, self._names, self._options.migrate):
            processed_all = self._options.processes_all and not self._withheld
            found = switch_if_complete(
                self._client, self._names, self._source, processed_all, self._options.deletions, self._prepare,
                self._lease_of, self._say,
            )  # fmt: skip
            self._report.unmigrated = found.count
            if processed_all:
                self._withhold(found.missing, found.known)

    def _lease_of(self, pipeline: str, source: str) -> AbstractContextManager[Lease]:
        options = self._options
        return lease(
            self._client, options.collection, pipeline, source, options.run_id, self._say, options.lease_seconds
        )

    def _prepare(self) -> None:
        self._pipeline.prepare(self._client, self._names, self._options.analyzer, self._options.index)

    def _update(self) -> None:
        """List, compare, process and remove."""
        with WorkList.temporary() as work, WorkList.temporary() as missing:
            ledger = self._ledger()
            self._plan(ledger, work, missing)
            removes = missing.count > 0 and not self._withheld
            if self._options.dry_run or not (work.count or removes):
                return
            target = self._target(ledger)
            outcome = ObjectOutcomes()
            if work.count:
                outcome, stages = process_objects(
                    self._pipeline, self._options, target, work, is_lite(self._client), self._say
                )
                self._report.stages.update(stages)
            if removes:
                self._report.deleted, rows_deleted = ObjectWriter(self._client, target).remove(missing.sources())
                outcome.rows_deleted += rows_deleted
            self._report.record(outcome)
            # Flush once per run, since flushed rows are fast to search. (A server flushes later anyway; Milvus Lite
            # answers a full-text query over 7,600 unflushed rows in 5 s, and over flushed ones in 0.1 s.)
            for collection in (*target.collections, target.ledger):
                self._client.flush(collection, timeout=TIMEOUT)

    def _ledger(self) -> str:
        """The ledger to compare with: the staging ledger as long as searches do not use the run's collections."""
        staged = is_staged(self._client, self._names, self._options.migrate)
        return self._names.staging if staged or is_switch_interrupted(self._client, self._names) else self._names.ledger

    def _target(self, ledger: str) -> Target:
        """Create, load and publish the collections of the run."""
        self._prepare()
        publish(self._client, self._names)
        ensure = ensure_sources if ledger == self._names.staging else ensure_ledger
        dimension = ensure(self._client, ledger, self._pipeline.dimension)
        has_rows = any(
            self._client.query(
                rows, filter=prefix_filter(self._source), output_fields=["id"], limit=1, consistency_level="Strong",
                timeout=TIMEOUT,
            )
            for rows in self._names.rows
        )  # fmt: skip
        return Target(
            self._names.rows, ledger, dimension, self._pipeline.name, self._pipeline.fingerprint,
            self._options.run_id, clean_new=has_rows, lease=self._lease,
        )  # fmt: skip

    def _plan(self, ledger: str, work: WorkList, missing: WorkList) -> None:
        """Fill the lists of work and of missing objects, and count every listed object in the report."""
        options, report = self._options, self._report
        started = time.monotonic()
        self._say(f"listing {self._source}")
        only_failed = None if options.only_failed is None else OnlyFailed(options.only_failed)
        ignored = Ignored()
        known = 0
        differences = diff(
            list_objects(self._source, self._pipeline.suffixes, ignored),
            read_ledger(self._client, ledger, self._source, self._pipeline.name),
            self._pipeline.fingerprint,
            options.full_refresh,
            options.limits_by_failure(),
            only_failed,
        )
        for difference in differences:
            change = difference.change
            report.listed += change is not Change.MISSING
            known += change is not Change.NEW
            if change is Change.UNCHANGED:
                report.unchanged += 1
                report.failed_before += difference.failed
            elif change is Change.SKIPPED:
                continue
            elif change is Change.MISSING:
                if options.keep_missing:
                    report.kept += 1
                    continue
                missing.add(difference)
                report.deleted += options.dry_run
            elif not options.limit or work.count < options.limit:
                work.add(difference)
                report.added += change is Change.NEW
                report.changed += change is not Change.NEW
            else:
                continue
            if options.dry_run and change is not Change.UNCHANGED:
                self._say(f"{change:<8} {printable(difference.source)}")
        if self._withhold(missing.count, known):
            report.deleted = 0
        report.ignored = ignored.count
        report.stages["list"] = {"seconds": round(time.monotonic() - started, 3), "items": report.listed}
        self._say_plan(ignored, work, missing, only_failed)

    def _say_plan(self, ignored: Ignored, work: WorkList, missing: WorkList, only_failed: OnlyFailed | None) -> None:
        report = self._report
        if not report.listed:
            self._say(
                f"no object under {printable(self._source)} belongs to this pipeline; check the prefix (it is literal)"
            )
        self._say(
            f"{report.listed} objects listed: {report.added} new, {report.changed} changed, {report.unchanged} "
            "unchanged, " + (f"{report.kept} missing and kept" if report.kept else f"{missing.count} missing")
        )
        if ignored.count:
            self._say(f"ignored by name: {ignored.count}, such as {printable(ignored.first)}")
        if only_failed is not None:
            seen = ", ".join(f"{count} x {printable(reason)}" for reason, count in only_failed.seen.most_common(10))
            self._say(f"processing only failed objects; their failures in the ledger: {seen or 'none'}")
            if not work.count and only_failed.reason:
                self._say(f"none of them failed for {printable(only_failed.reason)!r}, so there is nothing to do")

    def _withhold(self, missing: int, known: int) -> bool:
        """Whether so many of the known objects are missing that none may be removed; remember the reason."""
        if not self._options.deletions.is_exceeded(missing, known):
            return False
        self._report.kept = missing
        fraction = self._options.deletions.fraction
        self._withheld = (
            f"{missing} of the {known} objects that the ledger knows under {printable(self._source)} are missing in "
            f"the store, more than --max-deleted-fraction {fraction:g} allows, so none of them was removed; check that "
            "the source is whole (its mount, bucket and lifecycle rules), or allow it with --max-deleted-fraction 1"
        )
        return True

    def _too_many_failed(self) -> str:
        """A sentence if more than the allowed fraction of the listed objects has failed, or else an empty string.

        The fraction refers to listed and not to processed objects: with one bad file among a hundred, the next run has
        only that file to retry and must not fail; with fifty, it has none to retry and must fail all the same. A run
        with `only_failed` counts only the failures of its own objects.
        """
        report, options = self._report, self._options
        failed_before = report.failed_before if options.only_failed is None else 0
        failed = report.failed + failed_before
        if failed <= math.floor(options.max_failed_fraction * report.listed):
            return ""
        before = f" ({failed_before} of them in earlier runs)" if failed_before else ""
        first = next(iter(report.failures), None)
        return (
            f"{failed} of {report.listed} objects failed{before}, more than --max-failed-fraction "
            f"{options.max_failed_fraction:g} allows; "
            + (
                f"the first: {printable(first['source'])}: {first['message']}"
                if first
                else "the ledger holds the reasons; replace the objects, or retry them with --only-failed"
            )
        )
