"""One pass over the ledger and the rows of a pipeline, which deletes orphans and finds losses.

The ledger is read page by page in the order of its sources, and the rows in the ranges between the ends of the pages.
The ledger determines the ids of the rows, so memory holds only one counter per object of the page, and one per object
that is not in the ledger.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from itertools import takewhile
from typing import TYPE_CHECKING, Any

import numpy as np

from ingest.common.errors import ConfigurationError, ObjectError
from ingest.common.failures import Failure, is_retried
from ingest.common.identity import row_id
from ingest.common.text import printable
from ingest.common.waiting import SECONDS_BETWEEN_LINES
from ingest.ledger.batches import BATCH_ROWS, SOURCES_PER_QUERY
from ingest.ledger.entries import UNFINISHED, ledger_row
from ingest.ledger.lease import Lease
from ingest.ledger.outcomes import ObjectOutcomes
from ingest.maintenance.report import ORPHANS_IN_WORDS, MaintenanceOptions, MaintenanceReport, Orphan
from ingest.milvus.client import PAGE, TIMEOUT, query_pages
from ingest.milvus.expressions import literal, literal_list
from ingest.milvus.schema import COLLECTIONS, SOURCES, dimension_of

if TYPE_CHECKING:
    from pymilvus import MilvusClient

_ROW_FIELDS = ["id", "source", "version", "ordinal"]
_LEDGER_FIELDS = ["source", "pipeline", "version", "fingerprint", "status", "rows", "attempts", "error_type"]

_ENTRY_RESTORED = ObjectError(Failure.INTERRUPTED, "the ledger had lost its entry for the object, whose rows exist")
"""The failure in a new ledger row for an object whose ledger row was lost: as before its rows were first written."""


class LedgerCheck:
    """One pass. Adds its findings to `report`, and the objects with losses to `losses`."""

    def __init__(
        self,
        client: MilvusClient,
        options: MaintenanceOptions,
        pipeline: str,
        lease: Lease | None,
        report: MaintenanceReport,
        losses: ObjectOutcomes,
        say: Callable[[str], None],
    ) -> None:
        self._client = client
        self._options = options
        self._pipeline = pipeline
        self._lease = lease
        self._report = report
        self._losses = losses
        self._say = say
        self._rows = [options.collection + name for name in COLLECTIONS[pipeline]]
        self._ledger = options.collection + SOURCES
        self._orphans: dict[str, list[str]] = {name: [] for name in self._rows}
        self._shown: Counter[tuple[str, Orphan]] = Counter()
        self._started = self._said = time.monotonic()

    def run(self) -> None:
        """Compare all rows with the ledger.

        Raises:
            ConfigurationError: there are rows and no ledger entries at all; a person must find out what happened.
        """
        self._rows = [name for name in self._rows if self._any(name, 'id != ""')]
        if self._rows and not self._any(self._ledger, f"pipeline == {literal(self._pipeline)}"):
            raise ConfigurationError(
                f"there are rows in {' and '.join(self._rows)} and none of {self._pipeline} in the ledger "
                f"{self._ledger!r}: nothing was deleted; run the pipeline, restore the ledger, or drop the rows"
            )
        after = ""
        if self._any(self._ledger, 'source != ""'):
            # Entries of all pipelines, since rows of an object that belongs to another pipeline are not checked here.
            for page in query_pages(self._client, self._ledger, 'source != ""', _LEDGER_FIELDS, key="source"):
                last = page[-1]["source"]
                self._compare(page, f"source > {literal(after)} and source <= {literal(last)}")
                after = last
        self._compare([], f"source > {literal(after)}")
        for name in self._rows:
            self._delete(name)

    def _any(self, collection: str, condition: str) -> bool:
        """Whether the collection exists and has such a row. If it exists, it is loaded."""
        if not self._client.has_collection(collection, timeout=TIMEOUT):
            return False
        self._client.load_collection(collection, timeout=TIMEOUT)
        found = self._client.query(
            collection, filter=condition, output_fields=["source"], limit=1, consistency_level="Strong", timeout=TIMEOUT
        )
        return bool(found)

    def _compare(self, entries: list[dict[str, Any]], condition: str) -> None:
        """Compare a page of the ledger with the rows in its range."""
        known = {entry["source"]: entry for entry in entries}
        present: Counter[str] = Counter()
        unknown: Counter[str] = Counter()
        for name in self._rows:
            for page in query_pages(self._client, name, condition, _ROW_FIELDS):
                for row in page:
                    entry = known.get(row["source"])
                    if entry is None:
                        unknown[row["source"]] += 1
                    elif _is_claimed(row, entry):
                        present[row["source"]] += 1
                    elif (reason := self._orphan(entry)) is not None:
                        self._found(name, row, reason)
                self._report.rows_checked += len(page)
                self._progress()
        own = [entry for entry in entries if entry["pipeline"] == self._pipeline]
        self._report.listed += len(own)
        self._rows_lost([(entry, present[entry["source"]]) for entry in own])
        self._entries_lost(unknown)
        self._show()

    def _orphan(self, entry: dict[str, Any]) -> Orphan | None:
        """Why a row that its object's ledger entry does not claim is an orphan; None if it must stay."""
        if entry["pipeline"] != self._pipeline:
            return None
        if entry["status"] == "ok":
            return Orphan.SUPERSEDED
        return None if is_retried(entry["error_type"], entry["attempts"]) else Orphan.FAILED

    def _found(self, name: str, row: dict[str, Any], reason: Orphan) -> None:
        self._report.orphans[reason] = self._report.orphans.get(reason, 0) + 1
        if self._options.dry_run:
            self._shown[row["source"], reason] += 1
            if len(self._shown) >= PAGE:
                self._show()
            return
        self._orphans[name].append(row["id"])
        if len(self._orphans[name]) >= BATCH_ROWS:
            self._delete(name)

    def _show(self) -> None:
        """Print the orphans that a dry run has found."""
        for (source, reason), count in self._shown.items():
            self._say(f"orphans  {printable(source)}: {count} rows {ORPHANS_IN_WORDS[reason]}")
        self._shown.clear()

    def _delete(self, name: str) -> None:
        if orphans := self._orphans[name]:
            self._check_lease()
            self._client.delete(name, ids=orphans, timeout=TIMEOUT)
            self._report.rows_deleted += len(orphans)
            self._orphans[name] = []

    def _rows_lost(self, counted: list[tuple[dict[str, Any], int]]) -> None:
        """Handle the entries that claim more rows than there are."""
        lost = []
        for entry, present in counted:
            if present < entry["rows"]:
                lost.append(entry["source"])
                self._report.rows_lost += entry["rows"] - present
                self._lost(entry["source"], Failure.ROWS_LOST, f"{present} of {entry['rows']} rows exist")
        self._mend(lost, self._mark)

    def _entries_lost(self, unknown: Counter[str]) -> None:
        """Handle the objects that have rows and no entry."""
        for source, count in unknown.items():
            self._report.rows_unknown += count
            self._lost(source, Failure.ENTRY_LOST, f"{count} rows exist, and the object is not in the ledger")
        self._mend(list(unknown), self._announce)

    def _lost(self, source: str, failure: Failure, problem: str) -> None:
        if self._options.dry_run:
            self._say(f"lost     {printable(source)}: {problem}")
        self._losses.fail(source, ObjectError(failure, problem))
        self._report.lost_under = _folder(source, self._report.lost_under)

    def _mend(self, sources: list[str], mend: Callable[[list[str]], None]) -> None:
        """Make the next run process these objects again; until then, their remaining rows stay."""
        if not self._options.mend:
            self._report.failed += len(sources)
            return
        self._report.changed += len(sources)
        for start in range(0, 0 if self._options.dry_run else len(sources), SOURCES_PER_QUERY):
            self._check_lease()
            mend(sources[start : start + SOURCES_PER_QUERY])

    def _mark(self, sources: list[str]) -> None:
        """Mark the entries as unfinished."""
        rows = self._client.query(
            self._ledger, filter=f"source in {literal_list(sources)}", output_fields=["*"], consistency_level="Strong",
            timeout=TIMEOUT,
        )  # fmt: skip
        marked = [{**row, "metadata": {**row["metadata"], UNFINISHED: True}} for row in rows]
        self._client.upsert(self._ledger, marked, timeout=TIMEOUT)

    def _announce(self, sources: list[str]) -> None:
        """Add entries without a version: the next run processes the objects, or removes those that left the store."""
        vector = np.zeros(dimension_of(self._client, self._ledger, "vector"), np.float32)
        entries = [
            ledger_row(
                source=source, pipeline=self._pipeline, version="", size=0, fingerprint="", attempts=0, rows=0,
                run_id=self._options.run_id, vector=vector, metadata={}, failure=_ENTRY_RESTORED,
            )
            for source in sources
        ]  # fmt: skip
        self._client.upsert(self._ledger, entries, timeout=TIMEOUT)

    def _check_lease(self) -> None:
        if self._lease is not None:
            self._lease.assert_held(self._client)

    def _progress(self) -> None:
        now = time.monotonic()
        if now - self._said >= SECONDS_BETWEEN_LINES:
            self._said = now
            self._say(
                f"{now - self._started:5.0f} s  {self._pipeline}: checked {self._report.rows_checked} rows of "
                f"{self._report.listed} objects, {sum(self._report.orphans.values())} orphans, "
                f"{self._report.rows_lost} rows lost, {self._report.rows_unknown} of unknown objects"
            )


def _is_claimed(row: dict[str, Any], entry: dict[str, Any]) -> bool:
    """Whether the row is one of the rows that the ledger entry claims for its object."""
    return (
        row["ordinal"] < entry["rows"]
        and row["version"] == entry["version"]
        and row["id"] == row_id(row["source"], row["version"], entry["fingerprint"], row["ordinal"])
    )


def _folder(source: str, other: str | None) -> str:
    """The longest folder that contains both."""
    pairs = zip(source, source if other is None else other, strict=False)
    common = "".join(one for one, _ in takewhile(lambda pair: pair[0] == pair[1], pairs))
    return common[: common.rfind("/") + 1]
