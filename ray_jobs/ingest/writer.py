"""Write objects to Milvus in the order that loses and doubles nothing.

For each object:
0. if the ledger does not know it, upsert a ledger row that calls it `Interrupted`;
1. upsert its rows, whose ids depend on nothing but the work, so that doing it again changes nothing;
2. when all of them are acknowledged, upsert its ledger row;
3. then delete its rows of other versions and fingerprints.

A reader never meets a gap. A crash after 1 or 2 leaves what the next run completes: without its ledger row of 2 an
object is done again and lands on the same ids, and step 3 removes every row of the object that the new version does not
have. If the object has left the store by then, its ledger row of 0 makes the next run find it missing, and remove it.
Where there is something to delete, the ledger row says so in its metadata from 2 on (`unfinished`), and is written
once more without that after 3: so the next run knows an object whose step 3 was cut off.

An object that failed has no rows: those of its earlier version go in step 3, as they would not be there after a clean
run. Where the failure may pass and another try is due, they stay until that: searches need not miss a document since a
store stumbled.

An object too large for one write comes in parts. Whoever finds all its rows acknowledged does steps 2 and 3; two
writers that find it at once do the same thing twice.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import TYPE_CHECKING, Any

import numpy as np

from ingest.diff import Change
from ingest.errors import ObjectError, worth_another_try
from ingest.identity import row_ids
from ingest.lease import Lease
from ingest.ledger import UNFINISHED, ledger_row
from ingest.milvus import TIMEOUT, query_pages, quoted

if TYPE_CHECKING:
    from pymilvus import MilvusClient

BATCH_BYTES = 16 << 20
"""Per request. A Milvus server refuses over 64 MiB (its gRPC limit) and pymilvus does not retry that."""

BATCH_ROWS = 1000
SOURCES_PER_QUERY = 200
MAX_FAILURES = 100
"""Failures that a report lists; all of them are in the ledger."""


INTERRUPTED = ObjectError(
    "write", "Interrupted", "the object is being written, or was when its run was cut off; the next run does it again"
)
"""What the ledger says of an object whose rows are about to be written for the first time."""


@dataclass(frozen=True, slots=True)
class Target:
    """Where the rows of a pipeline go.

    Attributes:
        collection: of the rows.
        ledger: collection of the ledger.
        ledger_dimension: length of the ledger's vectors; shorter means are padded with zeros.
        pipeline, fingerprint, run_id: written to the ledger.
        clean_new: whether an object that the ledger does not know may have rows: its ledger row was lost.
        lease: of the run, asked for before every write and removal; None where nobody else can be writing.
    """

    collection: str
    ledger: str
    ledger_dimension: int
    pipeline: str
    fingerprint: str
    run_id: str
    clean_new: bool
    lease: Lease | None = None


@dataclass(frozen=True, slots=True)
class ObjectPart:
    """Rows `first` up to `first + len(rows)` of an object that has `total`, or its failure.

    Attributes:
        attempts: tries at this version before this run.
        rows: the pipeline's own fields, without id, source, version, ordinal and embedding.
        vectors: float32 array of shape (len(rows), dimension).
        metadata: of the whole object, for the ledger.
    """

    source: str
    version: str
    size: int
    attempts: int
    change: Change
    first: int = 0
    total: int = 0
    rows: Sequence[Mapping[str, Any]] = ()
    vectors: np.ndarray = field(default_factory=lambda: np.empty((0, 0), np.float32))
    metadata: Mapping[str, Any] = field(default_factory=dict)
    failure: ObjectError | None = None


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


def batched_by_bytes(rows: Iterable[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    """Cut rows into batches of at most BATCH_ROWS rows and about BATCH_BYTES bytes, at least one row each."""
    batch: list[dict[str, Any]] = []
    size = 0
    for row in rows:
        row_size = 256 + sum(
            value.nbytes if isinstance(value, np.ndarray) else len(value.encode()) if isinstance(value, str) else 8
            for value in row.values()
        )
        if batch and (len(batch) == BATCH_ROWS or size + row_size > BATCH_BYTES):
            yield batch
            batch, size = [], 0
        batch.append(row)
        size += row_size
    if batch:
        yield batch


def _tried_again(part: ObjectPart) -> bool:
    return part.failure is not None and worth_another_try(part.failure.error_type, part.attempts + 1)


class ObjectWriter:
    """Writes parts of objects through one client. Not thread-safe; the order of writes is in the module's docstring."""

    def __init__(self, client: MilvusClient, target: Target) -> None:
        self._client = client
        self._target = target

    def write(self, parts: Sequence[ObjectPart]) -> Outcome:
        """Write the parts and finish the objects that are complete with them.

        Raises:
            pymilvus.exceptions.MilvusException: a request failed for good; nothing after it was claimed.
        """
        outcome = Outcome()
        self._check_lease()
        announced = {part.source: part for part in parts if part.change is Change.NEW and part.rows}
        self._upsert_ledger(self._ledger_row(replace(part, failure=INTERRUPTED)) for part in announced.values())
        for batch in batched_by_bytes(row for part in parts for row in self._rows(part)):
            self._client.upsert(self._target.collection, batch, timeout=TIMEOUT)
            outcome.rows_written += len(batch)
        finished = {part.source: part for part in parts if self._is_complete(part)}
        if not finished:
            return outcome
        stale = self._other_rows(
            [
                part
                for part in finished.values()
                if (part.change is not Change.NEW or self._target.clean_new) and not _tried_again(part)
            ]
        )
        entries = [self._ledger_row(part) for part in finished.values()]
        self._upsert_ledger(
            {**entry, "metadata": {**entry["metadata"], UNFINISHED: True}} if entry["source"] in stale else entry
            for entry in entries
        )
        if stale:
            self._check_lease()
            outcome.rows_deleted += self._delete_rows(stale)
            self._upsert_ledger(entry for entry in entries if entry["source"] in stale)
        for part in finished.values():
            if part.failure is None:
                outcome.ok += 1
                outcome.empty += part.total == 0
            else:
                outcome.fail(part.source, part.failure)
        return outcome

    def remove(self, sources: Iterable[str]) -> tuple[int, int]:
        """Remove objects that left the store: their rows first, then their ledger rows.

        Returns:
            How many objects and how many rows.
        """
        objects = rows = 0
        remaining = iter(sources)
        while batch := list(islice(remaining, SOURCES_PER_QUERY)):
            self._check_lease()
            rows += self._delete_rows(self._rows_except(batch, set()))
            # Not by `ids=`: pymilvus writes those into an expression as they are, backslashes and quotes included.
            self._client.delete(self._target.ledger, filter=f"source in {quoted(batch)}", timeout=TIMEOUT)
            objects += len(batch)
        return objects, rows

    def _check_lease(self) -> None:
        if self._target.lease is not None:
            self._target.lease.held(self._client)

    def _ids(self, part: ObjectPart) -> list[str]:
        return row_ids(part.source, part.version, self._target.fingerprint, part.total)

    def _rows(self, part: ObjectPart) -> Iterator[dict[str, Any]]:
        ids = self._ids(part)
        for offset, (row, vector) in enumerate(zip(part.rows, part.vectors, strict=True)):
            ordinal = part.first + offset
            yield {
                "id": ids[ordinal],
                "source": part.source,
                "version": part.version,
                "ordinal": ordinal,
                "embedding": vector,
                **row,
            }

    def _is_complete(self, part: ObjectPart) -> bool:
        if part.failure is not None or len(part.rows) == part.total:
            return True
        present = 0
        for start in range(0, part.total, BATCH_ROWS):
            ids = self._ids(part)[start : start + BATCH_ROWS]
            present += len(
                self._client.query(
                    self._target.collection,
                    filter=f"id in {quoted(ids)}",
                    output_fields=["id"],
                    consistency_level="Strong",
                    timeout=TIMEOUT,
                )
            )
        return present == part.total

    def _mean(self, part: ObjectPart) -> np.ndarray:
        vector = np.zeros(self._target.ledger_dimension, np.float32)
        if part.failure is not None or part.total == 0:
            return vector
        if len(part.rows) == part.total:
            mean = part.vectors.mean(axis=0)
        else:
            mean = self._stored_mean(part)
        vector[: len(mean)] = mean
        return vector

    def _stored_mean(self, part: ObjectPart) -> np.ndarray:
        """Mean of an object that was written in parts, whose vectors no single writer has seen."""
        total = np.zeros(part.vectors.shape[1], np.float64)
        ids = self._ids(part)
        for start in range(0, part.total, BATCH_ROWS):
            for row in self._client.query(
                self._target.collection,
                filter=f"id in {quoted(ids[start : start + BATCH_ROWS])}",
                output_fields=["embedding"],
                consistency_level="Strong",
                timeout=TIMEOUT,
            ):
                total += np.asarray(row["embedding"], np.float32)
        return (total / part.total).astype(np.float32)

    def _ledger_row(self, part: ObjectPart) -> dict[str, Any]:
        return ledger_row(
            source=part.source,
            pipeline=self._target.pipeline,
            version=part.version,
            size=part.size,
            fingerprint=self._target.fingerprint,
            run_id=self._target.run_id,
            attempts=part.attempts + (part.failure is not INTERRUPTED),
            rows=0 if part.failure else part.total,
            vector=self._mean(part),
            metadata=part.metadata,
            failure=part.failure,
        )

    def _upsert_ledger(self, entries: Iterable[dict[str, Any]]) -> None:
        for batch in batched_by_bytes(entries):
            self._client.upsert(self._target.ledger, batch, timeout=TIMEOUT)

    def _other_rows(self, parts: Sequence[ObjectPart]) -> dict[str, list[str]]:
        """Ids of the parts' objects' rows that are of other versions, by source; only sources that have some."""
        others: dict[str, list[str]] = {}
        for start in range(0, len(parts), SOURCES_PER_QUERY):
            batch = parts[start : start + SOURCES_PER_QUERY]
            keep = {row_id for part in batch if part.failure is None for row_id in self._ids(part)}
            others.update(self._rows_except([part.source for part in batch], keep))
        return others

    def _rows_except(self, sources: list[str], keep: set[str]) -> dict[str, list[str]]:
        """Ids of all rows of `sources` but those in `keep`, by source; only sources that have some."""
        found: dict[str, list[str]] = {}
        condition = f"source in {quoted(sources)}"
        for page in query_pages(self._client, self._target.collection, condition, ["id", "source"]):
            for row in page:
                if row["id"] not in keep:
                    found.setdefault(row["source"], []).append(row["id"])
        return found

    def _delete_rows(self, rows: Mapping[str, Sequence[str]]) -> int:
        """Delete rows, given as ids by source; returns how many."""
        ids = [identifier for identifiers in rows.values() for identifier in identifiers]
        for start in range(0, len(ids), BATCH_ROWS):
            self._client.delete(self._target.collection, ids=ids[start : start + BATCH_ROWS], timeout=TIMEOUT)
        return len(ids)
