"""Compare a pipeline's collections with the ledger: remove orphans, find losses, and compact the storage.

An ingest run reads only what is under its prefix, and trusts the ledger. Only maintenance finds

- orphans: rows that no run will delete. Their object is `ok` and does not claim them (they are of an older version or
  other settings), or it has failed permanently. They are deleted. Rows of an older version stay while a retry of their
  object is due, as in `ingest.ledger.writer`;
- lost rows: an `ok` ledger row claims them and they do not exist. The ledger row can be marked so that the next run
  over the object processes it again, as if its last step had been interrupted;
- lost ledger rows: an object has rows and no ledger row. The writer adds a ledger row before an object's rows, so an
  interrupted run does not cause this: somebody deleted from the ledger, or wrote rows without it. Only a run can see
  whether the object is still in the store, and most prefixes will have no further run. So the rows stay, and the object
  can be added to the ledger again: the next run over it processes it again, or removes it if it has left the store.

Rows of a run in progress look like orphans. So maintenance holds the lease over everything: it waits for runs to end,
and runs wait for it.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import ExitStack
from typing import TYPE_CHECKING

from ingest.common.errors import ConfigurationError, TooManyFailedError
from ingest.common.text import printable
from ingest.ledger.lease import lease
from ingest.ledger.outcomes import ObjectOutcomes
from ingest.maintenance.ledger_check import LedgerCheck
from ingest.maintenance.report import MaintenanceOptions, MaintenanceReport
from ingest.migration.generations import UNKNOWN_MODEL, Names, finish_switch, is_switch_interrupted, model_of
from ingest.migration.obsolete import drop_migration, obsolete_collections, unfinished_migrations
from ingest.milvus.client import TIMEOUT, alias_target, connect, errors_as_sentences, is_lite
from ingest.milvus.schema import COLLECTIONS, LEASES, SOURCES

if TYPE_CHECKING:
    from pymilvus import MilvusClient


def maintain(options: MaintenanceOptions, say: Callable[[str], None]) -> MaintenanceReport:
    """Check every pipeline's rows against the ledger, remove orphans, flush and compact; returns the findings.

    Args:
        say: prints a line for a person.

    Raises:
        JobError: maintenance could not be finished. Changes made so far are complete in themselves.
        TooManyFailedError: maintenance finished, and there are losses that it was not told to mend; the exception's
            arguments contain the report.
    """
    started = time.monotonic()
    report = MaintenanceReport(
        pipeline="maintenance", source="", run_id=options.run_id, fingerprint="", dry_run=options.dry_run
    )
    losses = ObjectOutcomes()
    client = connect(options.milvus_uri)
    with errors_as_sentences(options.milvus_uri):
        if options.dry_run:
            say("dry run: it does not wait for runs, and rows that a run is writing may look orphaned or lost")
        for pipeline in options.pipelines:
            with ExitStack() as stack:
                run_lease = None
                if not options.dry_run:
                    run_lease = stack.enter_context(
                        lease(client, options.collection, pipeline, "", options.run_id, say, options.lease_seconds)
                    )
                _tidy_generations(client, options, pipeline, report, say)
                LedgerCheck(client, options, pipeline, run_lease, report, losses, say).run()
                if not options.dry_run:  # under the lease: Milvus Lite cannot always flush while others write
                    _flush(client, [options.collection + name for name in (*COLLECTIONS[pipeline], SOURCES)], say)
        report.stages["check"] = {"seconds": round(time.monotonic() - started, 3), "items": report.rows_checked}
        if options.compact and not options.dry_run:
            _compact(client, options, say)
    report.failures, report.failure_counts = losses.failures, losses.grouped()
    report.seconds = round(time.monotonic() - started, 3)
    if report.failed and not options.dry_run:
        raise TooManyFailedError(
            f"the rows in Milvus and the ledger do not agree on {report.failed} objects, the first: "
            f"{printable(report.failures[0]['source'])}: {report.failures[0]['message']}; run this again with --mend, "
            f"and then the pipeline over {printable(report.lost_under or '')}",
            report,
        )
    return report


def _tidy_generations(
    client: MilvusClient,
    options: MaintenanceOptions,
    pipeline: str,
    report: MaintenanceReport,
    say: Callable[[str], None],
) -> None:
    """Complete a switch to another model, and report or drop obsolete collections and unfinished migrations.

    Before a switch is complete, the new model's rows look like orphans.

    Raises:
        ConfigurationError: a switch was interrupted, and a dry run may not complete it.
    """
    names = Names.searched(client, options.collection, pipeline, COLLECTIONS[pipeline])
    if names is None:
        return
    if is_switch_interrupted(client, names):
        if options.dry_run:
            raise ConfigurationError(
                f"the switch to {names} was interrupted; a run of {pipeline}, or this without --dry-run, completes it"
            )
        say(f"completing the switch to {names}")
        finish_switch(client, names)
    for name in obsolete_collections(client, names):
        report.old_collections.append(name)
        model = model_of(client, name)
        made_with = f"a model {UNKNOWN_MODEL}" if model == UNKNOWN_MODEL else model
        say(f"{_fate(options, options.drop_old, '--drop-old')}: {name}, made with {made_with}")
        if options.drop_old and not options.dry_run:
            client.drop_collection(name, timeout=TIMEOUT)
    for migration in unfinished_migrations(client, names):
        report.staged_collections.extend(migration.rows)
        say(
            f"{_fate(options, options.drop_staged, '--drop-staged')}: {' and '.join(migration.rows)}, a migration to "
            f"the model {migration.model} that is not complete: {migration.staged} objects are done in it, and "
            f"{migration.known} in {names}"
        )
        if options.drop_staged and not options.dry_run:
            drop_migration(client, migration)


def _fate(options: MaintenanceOptions, drop: bool, flag: str) -> str:
    """Words for the fate of a collection that is dropped with `flag`."""
    if not drop:
        return f"kept ({flag} drops it)"
    return "to be dropped" if options.dry_run else "dropping"


def _flush(client: MilvusClient, names: list[str], say: Callable[[str], None]) -> None:
    for name in names:
        if client.has_collection(name, timeout=TIMEOUT):
            say(f"flushing {name}")
            client.flush(name, timeout=TIMEOUT)


def _compact(client: MilvusClient, options: MaintenanceOptions, say: Callable[[str], None]) -> None:
    """Start the compaction, and leave it to the server: it may take hours, and it changes no rows."""
    if is_lite(client):
        say("no compaction: Milvus Lite compacts by itself after each flush")
        return
    rows = [name for pipeline in options.pipelines for name in COLLECTIONS[pipeline]]
    for name in (*rows, SOURCES, LEASES):
        if collection := alias_target(client, options.collection + name):
            job = client.compact(collection, timeout=TIMEOUT)
            say(f"compaction of {collection} has started on the server (number {job})")
