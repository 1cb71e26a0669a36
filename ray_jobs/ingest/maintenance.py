"""Compare a pipeline's collection with its ledger: remove orphans, find rows that were lost, and tidy the storage.

An ingest run looks only at what is under its prefix, and trusts the ledger. So nobody else would see

- orphans: rows that no run will ask for again. Their object has no ledger row (a run was cut off, and the object left
  the store before the next one), or is `ok` and they are not among its rows (an older version, other settings), or it
  has failed for good. Rows of an older version stay while their object's failure has tries left, as in `ingest.writer`;
- losses: rows that an `ok` ledger row claims and that are not there. The ledger row can be marked so that the next run
  over the object does it again, as if it had been cut off in its last step.

The ledger is read in the order of its sources, page by page, and the rows in the ranges between the pages' ends. What a
row's id must be follows from the ledger, so that a counter per object of the page is all that is kept.

Rows of a run that is under way look like orphans. So the lease over everything is held: runs wait for it, it for them.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import takewhile
from typing import TYPE_CHECKING, Any

from ingest.errors import ConfigurationError, TooManyFailedError, printable, worth_another_try
from ingest.generations import Names, behind, finish_switch, is_cut_off, made_with
from ingest.identity import row_id
from ingest.lease import Lease, lease
from ingest.ledger import UNFINISHED
from ingest.leftovers import drop_migration, migrations, old_collections
from ingest.milvus import PAGE, TIMEOUT, connect, errors_as_sentences, is_lite, literal, query_pages, quoted
from ingest.outcome import MAX_FAILURES
from ingest.report import Report
from ingest.schema import DOCUMENTS, LEASES, SOURCES
from ingest.writer import BATCH_ROWS, SOURCES_PER_QUERY

if TYPE_CHECKING:
    from pymilvus import MilvusClient

COLLECTIONS = {"pdfs": DOCUMENTS}
"""The collection of each pipeline's rows, which have an `ordinal`."""

INTERVAL = 5.0
"""Seconds between lines of progress."""

_ROW_FIELDS = ["id", "source", "version", "ordinal"]
_LEDGER_FIELDS = ["source", "pipeline", "version", "fingerprint", "status", "rows", "attempts", "error_type"]


class Orphan(StrEnum):
    """Why a row is one."""

    UNKNOWN = "unknown"
    SUPERSEDED = "superseded"
    FAILED = "failed"


_IN_WORDS = {
    Orphan.UNKNOWN: "not in the ledger",
    Orphan.SUPERSEDED: "of another version or other settings",
    Orphan.FAILED: "of an object that failed for good",
}


@dataclass(frozen=True, slots=True)
class MaintenanceOptions:
    """What `maintain` is told. `collection` is the prefix of the collections' names.

    Attributes:
        mend: mark objects with lost rows, so that the next run over them does them again.
        drop_old: drop the collections of models that are no longer searched; without it they are named.
        drop_staged: drop migrations that are not completed, as given up; without it they are named.
        compact: have the server merge segments and drop what was deleted.
    """

    milvus_uri: str
    collection: str = ""
    pipelines: tuple[str, ...] = tuple(COLLECTIONS)
    run_id: str = ""
    dry_run: bool = False
    mend: bool = False
    drop_old: bool = False
    drop_staged: bool = False
    compact: bool = True
    lease_seconds: float = 30.0


@dataclass(slots=True)
class MaintenanceReport(Report):
    """Objects are the ledger's: `changed` were marked, `failed` have lost rows and were not.

    Attributes:
        rows_checked: rows of the collections.
        rows_lost: rows that the ledger claims and that are not there.
        old_collections: found; they are dropped where that was asked for.
        staged_collections: of migrations that are not completed; they too.
        orphans: rows found, by reason; `rows_deleted` says how many of them were removed.
        lost_under: the longest folder that holds all objects with lost rows; None where there are none.
    """

    rows_checked: int = 0
    rows_lost: int = 0
    orphans: dict[Orphan, int] = field(default_factory=dict)
    lost_under: str | None = None
    old_collections: list[str] = field(default_factory=list)
    staged_collections: list[str] = field(default_factory=list)

    def summary(self) -> str:
        orphans = ", ".join(f"{count} {_IN_WORDS[reason]}" for reason, count in self.orphans.items())
        lines = [
            f"{self.pipeline} in {self.seconds:.1f} s",
            f"  checked  {self.listed} objects, {self.rows_checked} rows",
            f"  orphans  {sum(self.orphans.values())} rows{f' ({orphans})' if orphans else ''}, "
            + ("to be deleted" if self.dry_run else f"{self.rows_deleted} deleted"),
            f"  lost     {self.rows_lost} rows of {self.changed + self.failed} objects, "
            f"{self.changed} {'to be marked' if self.dry_run else 'marked'} to be done again",
        ]
        return "\n".join(lines)


def maintain(options: MaintenanceOptions, say: Callable[[str], None]) -> MaintenanceReport:
    """Check every pipeline's rows against the ledger, remove orphans, flush and compact; returns what was found.

    Args:
        say: prints a line for a person.

    Raises:
        JobError: it could not be finished. Whatever was done holds.
        TooManyFailedError: it was finished, and rows are lost that nobody was asked to mend; `report` is in its
            arguments.
    """
    started = time.monotonic()
    report = MaintenanceReport("maintenance", "", options.run_id, "", dry_run=options.dry_run)
    client = connect(options.milvus_uri)
    with errors_as_sentences(options.milvus_uri):
        if options.dry_run:
            say("dry run: runs are not waited for, and what one is writing may look orphaned or lost")
        for pipeline in options.pipelines:
            with ExitStack() as stack:
                held = None
                if not options.dry_run:
                    held = stack.enter_context(
                        lease(client, options.collection, pipeline, "", options.run_id, say, options.lease_seconds)
                    )
                _tidy_generations(client, options, pipeline, report, say)
                _Check(client, options, pipeline, held, report, say).run()
                if not options.dry_run:  # while nobody writes, which Milvus Lite cannot always bear
                    _flush(client, (options.collection + COLLECTIONS[pipeline], options.collection + SOURCES), say)
        report.stages["check"] = {"seconds": round(time.monotonic() - started, 3), "items": report.rows_checked}
        if options.compact and not options.dry_run:
            _compact(client, options, say)
    if report.failures:
        example = report.failures[0]
        kind = {"stage": example["stage"], "error_type": example["error_type"]}
        report.failure_counts = [{**kind, "count": report.changed + report.failed, "example": example}]
    report.seconds = round(time.monotonic() - started, 3)
    if report.failed and not options.dry_run:
        raise TooManyFailedError(
            f"Milvus holds fewer rows than the ledger claims for {report.failed} objects, the first: "
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
    """Complete a switch to another model, whose rows would look like orphans, and see to what it left behind.

    Raises:
        ConfigurationError: a switch was cut off, and a dry run may not complete it.
    """
    names = Names.searched(client, options.collection, pipeline, COLLECTIONS[pipeline])
    if names is None:
        return
    if is_cut_off(client, names):
        if options.dry_run:
            raise ConfigurationError(
                f"the switch to {names.rows} was cut off; a run of {pipeline}, or this without --dry-run, completes it"
            )
        say(f"completing the switch to {names.rows}")
        finish_switch(client, names)
    for name in old_collections(client, names):
        report.old_collections.append(name)
        say(f"{_fate(options, options.drop_old, '--drop-old')}: {name}, made with {made_with(client, name)}")
        if options.drop_old and not options.dry_run:
            client.drop_collection(name, timeout=TIMEOUT)
    for migration in migrations(client, names):
        report.staged_collections.append(migration.rows)
        say(
            f"{_fate(options, options.drop_staged, '--drop-staged')}: {migration.rows}, a migration to the model "
            f"{migration.model} that is not completed: {migration.staged} objects are done in it, and "
            f"{migration.known} in {names.rows}"
        )
        if options.drop_staged and not options.dry_run:
            drop_migration(client, migration)


def _fate(options: MaintenanceOptions, drop: bool, flag: str) -> str:
    """What is done with a collection that would be dropped with `flag`."""
    if not drop:
        return f"kept ({flag} drops it)"
    return "to be dropped" if options.dry_run else "dropping"


def _flush(client: MilvusClient, names: tuple[str, ...], say: Callable[[str], None]) -> None:
    for name in names:
        if client.has_collection(name, timeout=TIMEOUT):
            say(f"flushing {name}")
            client.flush(name, timeout=TIMEOUT)


def _compact(client: MilvusClient, options: MaintenanceOptions, say: Callable[[str], None]) -> None:
    """Start it, and leave it to the server: it may take hours, and it changes no row."""
    if is_lite(client):
        say("no compaction: Milvus Lite compacts by itself after each flush")
        return
    for name in (*map(COLLECTIONS.__getitem__, options.pipelines), SOURCES, LEASES):
        if collection := behind(client, options.collection + name):
            job = client.compact(collection, timeout=TIMEOUT)
            say(f"compaction of {collection} has started on the server (number {job})")


class _Check:
    """One pass over the ledger and the rows of one pipeline."""

    def __init__(
        self,
        client: MilvusClient,
        options: MaintenanceOptions,
        pipeline: str,
        held: Lease | None,
        report: MaintenanceReport,
        say: Callable[[str], None],
    ) -> None:
        self._client = client
        self._options = options
        self._pipeline = pipeline
        self._held = held
        self._report = report
        self._say = say
        self._rows = options.collection + COLLECTIONS[pipeline]
        self._ledger = options.collection + SOURCES
        self._orphans: list[str] = []
        self._shown: Counter[tuple[str, Orphan]] = Counter()
        self._started = self._said = time.monotonic()

    def run(self) -> None:
        """Compare everything.

        Raises:
            ConfigurationError: there are rows and no entry at all; what happened to the ledger is for a person to see.
        """
        has_rows = self._any(self._rows, 'id != ""')
        if has_rows and not self._any(self._ledger, f"pipeline == {literal(self._pipeline)}"):
            raise ConfigurationError(
                f"there are rows in {self._rows!r} and none of {self._pipeline} in the ledger {self._ledger!r}: "
                f"nothing was deleted; run the pipeline, restore the ledger, or drop {self._rows!r}"
            )
        after = ""
        if self._any(self._ledger, 'source != ""'):
            # All pipelines' entries: a row whose object another pipeline knows is not this one's to judge.
            for page in query_pages(self._client, self._ledger, 'source != ""', _LEDGER_FIELDS, key="source"):
                last = page[-1]["source"]
                self._compare(page, f"source > {literal(after)} and source <= {literal(last)}", has_rows)
                after = last
        if has_rows:
            self._compare([], f"source > {literal(after)}", has_rows)
        self._delete()

    def _any(self, collection: str, condition: str) -> bool:
        """Whether the collection is there and has such a row; it is loaded then."""
        if not self._client.has_collection(collection, timeout=TIMEOUT):
            return False
        self._client.load_collection(collection, timeout=TIMEOUT)
        found = self._client.query(
            collection, filter=condition, output_fields=["source"], limit=1, consistency_level="Strong", timeout=TIMEOUT
        )
        return bool(found)

    def _compare(self, entries: list[dict[str, Any]], condition: str, has_rows: bool) -> None:
        """Compare a page of the ledger with the rows in its range."""
        known = {entry["source"]: entry for entry in entries}
        present: Counter[str] = Counter()
        for page in query_pages(self._client, self._rows, condition, _ROW_FIELDS) if has_rows else ():
            for row in page:
                entry = known.get(row["source"])
                if entry is not None and _is_claimed(row, entry):
                    present[row["source"]] += 1
                elif (reason := self._orphan(entry)) is not None:
                    self._found(row, reason)
            self._report.rows_checked += len(page)
            self._progress()
        own = [entry for entry in entries if entry["pipeline"] == self._pipeline]
        self._report.listed += len(own)
        counted = [(entry, present[entry["source"]]) for entry in own]
        self._report_lost([(entry, count) for entry, count in counted if count < entry["rows"]])
        self._show()

    def _orphan(self, entry: dict[str, Any] | None) -> Orphan | None:
        """Why a row is an orphan that its object's ledger entry does not claim; None where it is to stay."""
        if entry is None:
            return Orphan.UNKNOWN
        if entry["pipeline"] != self._pipeline:
            return None
        if entry["status"] == "ok":
            return Orphan.SUPERSEDED
        return None if worth_another_try(entry["error_type"], entry["attempts"]) else Orphan.FAILED

    def _found(self, row: dict[str, Any], reason: Orphan) -> None:
        self._report.orphans[reason] = self._report.orphans.get(reason, 0) + 1
        if self._options.dry_run:
            self._shown[row["source"], reason] += 1
            if len(self._shown) >= PAGE:
                self._show()
            return
        self._orphans.append(row["id"])
        if len(self._orphans) >= BATCH_ROWS:
            self._delete()

    def _show(self) -> None:
        """Print what a dry run has found."""
        for (source, reason), count in self._shown.items():
            self._say(f"orphans  {printable(source)}: {count} rows {_IN_WORDS[reason]}")
        self._shown.clear()

    def _delete(self) -> None:
        if self._orphans:
            self._check_lease()
            self._client.delete(self._rows, ids=self._orphans, timeout=TIMEOUT)
            self._report.rows_deleted += len(self._orphans)
            self._orphans = []

    def _report_lost(self, lost: list[tuple[dict[str, Any], int]]) -> None:
        report = self._report
        for entry, present in lost:
            message = f"{present} of {entry['rows']} rows are there"
            if self._options.dry_run:
                self._say(f"lost     {printable(entry['source'])}: {message}")
            if len(report.failures) < MAX_FAILURES:
                report.failures.append(
                    {"source": entry["source"], "stage": "maintain", "error_type": "RowsLost", "message": message}
                )
            report.rows_lost += entry["rows"] - present
            report.lost_under = _folder(entry["source"], report.lost_under)
        if not self._options.mend:
            report.failed += len(lost)
            return
        report.changed += len(lost)
        for start in range(0, 0 if self._options.dry_run else len(lost), SOURCES_PER_QUERY):
            self._mark([entry["source"] for entry, _ in lost[start : start + SOURCES_PER_QUERY]])

    def _mark(self, sources: list[str]) -> None:
        """Have the next run do these objects again; until then what is left of their rows stays."""
        rows = self._client.query(
            self._ledger, filter=f"source in {quoted(sources)}", output_fields=["*"], consistency_level="Strong",
            timeout=TIMEOUT,
        )  # fmt: skip
        self._check_lease()
        marked = [{**row, "metadata": {**row["metadata"], UNFINISHED: True}} for row in rows]
        self._client.upsert(self._ledger, marked, timeout=TIMEOUT)

    def _check_lease(self) -> None:
        if self._held is not None:
            self._held.held(self._client)

    def _progress(self) -> None:
        now = time.monotonic()
        if now - self._said >= INTERVAL:
            self._said = now
            self._say(
                f"{now - self._started:5.0f} s  {self._pipeline}: checked {self._report.rows_checked} rows of "
                f"{self._report.listed} objects, {sum(self._report.orphans.values())} orphans, "
                f"{self._report.rows_lost} rows lost"
            )


def _is_claimed(row: dict[str, Any], entry: dict[str, Any]) -> bool:
    """Whether the row is one of the `rows` that the ledger entry says its object has."""
    return (
        row["ordinal"] < entry["rows"]
        and row["version"] == entry["version"]
        and row["id"] == row_id(row["source"], row["version"], entry["fingerprint"], row["ordinal"])
    )


def _folder(source: str, other: str | None) -> str:
    """The longest folder that holds both."""
    pairs = zip(source, source if other is None else other, strict=False)
    common = "".join(one for one, _ in takewhile(lambda pair: pair[0] == pair[1], pairs))
    return common[: common.rfind("/") + 1]
