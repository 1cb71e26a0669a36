"""A run of a pipeline: list the sources, compare them with the ledger, process, remove, report.

The module is independent of PDFs, images and videos, and only `process_objects` uses Ray.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import partial

from ingest.common.errors import TooManyFailedError
from ingest.common.failures import Failure
from ingest.common.text import one_line, printable
from ingest.ledger.alias import ensure_ledger
from ingest.ledger.entries import count_failed
from ingest.ledger.lease import Lease, joint, lease
from ingest.ledger.outcomes import ObjectOutcomes
from ingest.ledger.parts import Target
from ingest.ledger.relabelling import Relabeller
from ingest.ledger.work_list import WorkList
from ingest.ledger.writer import ObjectWriter
from ingest.migration.generations import Names, is_staged, is_switch_interrupted, model_of, publish
from ingest.migration.steps import prepare_ledger_and_migration, switch_if_complete
from ingest.milvus.client import TIMEOUT, connect, errors_as_sentences, is_lite
from ingest.milvus.expressions import prefix_filter
from ingest.milvus.partition_key import partition_key_of
from ingest.milvus.schema import ensure_sources
from ingest.run.options import RunOptions
from ingest.run.plan import Planner
from ingest.run.planning import EARLY_OBJECTS, Planning
from ingest.run.processing import Assignment, process_objects
from ingest.run.report import Report
from ingest.stages.pipeline import Pipeline
from ingest.stages.requested_resources import check_resources
from ingest.store.owner_metadata import owner_metadata

MOVING = (Failure.CHANGED_DURING_RUN, Failure.VANISHED)
MOST_MOVING = 10
"""Of more, the store may be at fault: one that gives another ETag in listings, or lists what it does not have."""


class Run:
    """Brings the rows in Milvus up to date with the objects under its sources.

    Args:
        pipeline: turns objects into rows.
        options: the options of the run.
        say: prints a line for people.

    Raises:
        JobError: Milvus or the options cannot be used.
    """

    def __init__(self, pipeline: Pipeline, options: RunOptions, say: Callable[[str], None]) -> None:
        self._started = time.monotonic()
        self._pipeline = pipeline
        self._options = options
        self._say = say
        check_resources(options.resources, [*(model.name for model in pipeline.models), *pipeline.left_out])
        self._client = connect(options.milvus_uri)
        collections = [collection.name for collection in pipeline.collections]
        self._names = Names.of(options.collection, pipeline.name, collections, pipeline.model)
        self._lease: Lease | None = None
        self._report = Report(
            pipeline=pipeline.name,
            source=", ".join(options.sources),
            run_id=options.run_id,
            fingerprint=pipeline.fingerprint,
            dry_run=options.dry_run,
            collection=", ".join(self._names.rows),
            models={collection.name: collection.model for collection in pipeline.collections},
            rows_by_collection=dict.fromkeys(collections, 0),
        )
        self._planner = Planner(pipeline, options, self._report, say)

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
                self._count_failed()
        self._report.seconds = round(time.monotonic() - self._started, 3)
        withheld = self._planner.withheld
        if self._options.dry_run:
            if withheld and not self._options.summary:
                end = "leave this to a person" if self._options.ask_first else "end with exit code 3"
                self._say(f"a run without --dry-run would {end}: {withheld}")
            return self._report
        if withheld and self._options.ask_first:
            self._report.awaiting["removals"] = withheld
            self._report.awaiting_removals = self._planner.withheld_removals
            withheld = ""
        if problems := [sentence for sentence in (withheld, self._too_many_failed()) if sentence]:
            raise TooManyFailedError("; and ".join(problems), self._report)
        return self._report

    def _update_under_lease(self) -> None:
        prepare_ledger_and_migration(
            self._client, self._names, self._pipeline.dimension, self._options.migrate, self._lease_of, self._say
        )
        with self._lease_of(self._pipeline.name, joint(self._options.sources)) as self._lease:
            self._update()
        if is_staged(self._client, self._names, self._options.migrate):
            processed_all = self._options.processes_all and not self._planner.withheld
            found = switch_if_complete(
                self._client, self._names, self._options.sources, processed_all, self._options.deletions,
                self._prepare, self._lease_of, self._say, self._options.ask_first,
            )  # fmt: skip
            self._report.unmigrated = found.count
            if processed_all:
                self._planner.withhold(found.under)
            if self._options.ask_first and (self._planner.withheld or not found.count):
                switches = " and ".join(
                    f"{name} from the model {model_of(self._client, name)} to {collection.model}"
                    for name, collection in zip(self._names.public, self._pipeline.collections, strict=True)
                )
                self._report.awaiting["switch"] = (
                    f"searches are switched in {switches} as soon as {self._names} holds everything "
                    "that the ledger knows"
                )

    def _lease_of(self, pipeline: str, source: str) -> AbstractContextManager[Lease]:
        options = self._options
        return lease(
            self._client, options.collection, pipeline, source, options.run_id, self._say, options.lease_seconds
        )

    def _prepare(self) -> None:
        options = self._options
        self._pipeline.prepare(self._client, self._names, options.analyzer, options.index, options.partition_key)

    def _update(self) -> None:
        """List, compare, process and remove. A large work is processed while the listing goes on."""
        with (
            WorkList.temporary(self._pipeline.bytes_per_block) as work,
            WorkList.temporary() as relabelled,
            WorkList.temporary() as missing,
        ):
            ledger = self._ledger()
            plan = partial(self._planner.plan, self._client, ledger, work, relabelled, missing)
            if not self._options.dry_run:
                work.pause_at = EARLY_OBJECTS  # the models load sooner; the listing is not what such a run waits for
            with Planning(plan, work) as planning:
                if planning.wait_for(math.inf if self._options.dry_run else EARLY_OBJECTS):
                    if self._options.dry_run or not (work.count or self._report.relabelled or self._report.deleted):
                        return
                else:
                    self._say(f"processing the first {work.count} objects while the listing goes on")
                target = self._target(ledger)
                outcome = ObjectOutcomes()
                if work.count:
                    outcome, stages = process_objects(
                        Assignment(self._pipeline, self._options, target, work, is_lite(self._client), self._say)
                    )
                    self._report.stages.update(stages)
                planning.wait_for(math.inf)
            if relabelled.count:
                outcome.add(self._relabel(relabelled, target))
            if self._report.deleted:
                removable = self._planner.removable(missing)
                if self._pipeline.cache is not None:
                    removable = self._pipeline.cache.forgetting(removable)
                self._report.deleted, rows_deleted = ObjectWriter(self._client, target).remove(removable)
                outcome.rows_deleted += rows_deleted
            self._report.record(outcome)
            self._report.rows_by_collection = {
                collection.name: outcome.rows_in[index] for index, collection in enumerate(self._pipeline.collections)
            }
            # Flush once per run, since flushed rows are fast to search. (A server flushes later anyway; Milvus Lite
            # answers a full-text query over 7,600 unflushed rows in 5 s, and over flushed ones in 0.1 s.)
            for collection in (*target.collections, target.ledger):
                self._client.flush(collection, timeout=TIMEOUT)

    def _relabel(self, work: WorkList, target: Target) -> ObjectOutcomes:
        """Bring the metadata of objects up to date. That takes no model, and no Ray."""
        started = time.monotonic()
        self._say(f"reading the metadata of {work.count} objects whose content is as before")
        reading, outcome = self._options.reading(), ObjectOutcomes()
        relabeller = Relabeller(self._client, target, lambda entry: owner_metadata(entry, None, reading))
        for block in work.blocks():
            outcome.add(relabeller.relabel(block.to_pylist()))
        self._report.stages["metadata"] = {"seconds": round(time.monotonic() - started, 3), "items": work.count}
        return outcome

    def _count_failed(self) -> None:
        """Count the permanent failures in the ledger. The run is done, and does not fail because of a number."""
        from pymilvus.exceptions import MilvusException

        try:
            self._report.failed_in_ledger = count_failed(self._client, self._ledger(), self._pipeline.name)
        except MilvusException as error:
            self._say(f"the failed objects in the ledger were not counted: {one_line(error)}")

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
                rows, filter=prefix_filter(source), output_fields=["id"], limit=1, consistency_level="Strong",
                timeout=TIMEOUT,
            )
            for rows in self._names.rows
            for source in self._options.sources
        )  # fmt: skip
        return Target(
            self._names.rows, ledger, dimension, self._pipeline.name, self._pipeline.fingerprint,
            self._options.run_id, clean_new=has_rows, sources=self._options.sources, lease=self._lease,
            partition_key=partition_key_of(self._client, self._names.rows[0]),
        )  # fmt: skip

    def _too_many_failed(self) -> str:
        """A sentence if more than the allowed fraction of the listed objects has failed, or else an empty string.

        The fraction refers to listed and not to processed objects: with one bad file among a hundred, the next run has
        only that file to retry and must not fail; with fifty, it has none to retry and must fail all the same. A run
        with `only_failed` counts only the failures of its own objects. An object that somebody replaced or deleted
        while the run was at it is no bad file: of a small day to which files are coming, one is a large fraction. Of
        these, MOST_MOVING are not counted.
        """
        report, options = self._report, self._options
        failed_before = report.failed_before if options.only_failed is None else 0
        moving = sum(group["count"] for group in report.failure_counts if group["error_type"] in MOVING)
        failed = report.failed + failed_before - min(moving, MOST_MOVING)
        if failed <= math.floor(options.max_failed_fraction * report.listed):
            return ""
        before = f" ({failed_before} of them in earlier runs)" if failed_before else ""
        first = min(report.failures, key=lambda each: each["error_type"] in MOVING, default=None)
        return (
            f"{failed} of {report.listed} objects failed{before}, more than --max-failed-fraction "
            f"{options.max_failed_fraction:g} allows; "
            + (
                f"the first: {printable(first['source'])}: {first['message']}"
                if first
                else "the ledger holds the reasons; replace the objects, or retry them with --only-failed"
            )
        )
