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

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import TYPE_CHECKING, Any

import numpy as np

from ingest.common.errors import ObjectError
from ingest.common.failures import Failure, is_retried
from ingest.common.identity import row_ids
from ingest.ledger.diff import Change
from ingest.ledger.entries import UNFINISHED, ledger_row
from ingest.ledger.lease import Lease
from ingest.ledger.outcomes import ObjectOutcomes
from ingest.milvus.client import TIMEOUT, query_pages
from ingest.milvus.expressions import literal_list

if TYPE_CHECKING:
    from pymilvus import MilvusClient

BATCH_BYTES = 16 << 20
"""Per request. A Milvus server refuses over 64 MiB (its gRPC limit) and pymilvus does not retry that."""

BATCH_ROWS = 1000
SOURCES_PER_QUERY = 200

_Found = list[tuple[int, str]]
"""Rows of an object: index of the collection, and id."""

INTERRUPTED = ObjectError(Failure.INTERRUPTED, "the object is being written, or was when its run was cut off")
"""What the ledger says of an object whose rows are about to be written for the first time."""


@dataclass(frozen=True, slots=True)
class Target:
    """Where the rows of a pipeline go.

    Attributes:
        collections: of the rows; a part says which of them it is for.
        ledger: collection of the ledger.
        ledger_dimension: length of the ledger's vectors; shorter means are padded with zeros.
        pipeline, fingerprint, run_id: written to the ledger.
        clean_new: whether an object that the ledger does not know may have rows: its ledger row was lost.
        lease: of the run, asked for before every write and removal; None where nobody else can be writing.
    """

    collections: tuple[str, ...]
    ledger: str
    ledger_dimension: int
    pipeline: str
    fingerprint: str
    run_id: str
    clean_new: bool
    lease: Lease | None = None


@dataclass(frozen=True, slots=True)
class ObjectPart:
    """Rows `first` up to `first + len(rows)` of an object, or its failure.

    An object's rows are numbered through all its collections, those of the first one first.

    Attributes:
        collection: index into the target's.
        totals: how many rows the object has in each of the target's collections.
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
    collection: int = 0
    first: int = 0
    totals: tuple[int, ...] = (0,)
    rows: Sequence[Mapping[str, Any]] = ()
    vectors: np.ndarray = field(default_factory=lambda: np.empty((0, 0), np.float32))
    metadata: Mapping[str, Any] = field(default_factory=dict)
    failure: ObjectError | None = None

    @property
    def total(self) -> int:
        return sum(self.totals)


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
    return part.failure is not None and is_retried(part.failure.failure, part.attempts + 1)


class ObjectWriter:
    """Writes parts of objects through one client. Not thread-safe; the order of writes is in the module's docstring."""

    def __init__(self, client: MilvusClient, target: Target) -> None:
        self._client = client
        self._target = target

    def write(self, parts: Sequence[ObjectPart]) -> ObjectOutcomes:
        """Write the parts and finish the objects that are complete with them.

        Raises:
            pymilvus.exceptions.MilvusException: a request failed for good; nothing after it was claimed.
        """
        outcome = ObjectOutcomes()
        self._check_lease()
        announced = {part.source: part for part in parts if part.change is Change.NEW and part.rows}
        zeros = np.zeros(self._target.ledger_dimension, np.float32)
        self._upsert_ledger(self._ledger_row(replace(part, failure=INTERRUPTED), zeros) for part in announced.values())
        for index, collection in enumerate(self._target.collections):
            for batch in batched_by_bytes(
                row for part in parts if part.collection == index for row in self._rows(part)
            ):
                self._client.upsert(collection, batch, timeout=TIMEOUT)
                outcome.rows_written += len(batch)
        finished = self._finished(parts)
        if not finished:
            return outcome
        stale = self._other_rows(
            [
                part
                for part in finished.values()
                if (part.change is not Change.NEW or self._target.clean_new) and not _tried_again(part)
            ]
        )
        entries = [self._ledger_row(part, self._mean(part, parts)) for part in finished.values()]
        self._upsert_ledger(
            {**entry, "metadata": {**entry["metadata"], UNFINISHED: True}} if entry["source"] in stale else entry
            for entry in entries
        )
        if stale:
            self._check_lease()
            outcome.rows_deleted += self._delete_rows(stale.values())
            self._upsert_ledger(entry for entry in entries if entry["source"] in stale)
        for part in finished.values():
            if part.failure is None:
                outcome.succeed(part.source, part.total, part.metadata)
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
            rows += self._delete_rows(self._rows_except(batch).values())
            # Not by `ids=`: pymilvus writes those into an expression as they are, backslashes and quotes included.
            self._client.delete(self._target.ledger, filter=f"source in {literal_list(batch)}", timeout=TIMEOUT)
            objects += len(batch)
        return objects, rows

    def _check_lease(self) -> None:
        if self._target.lease is not None:
            self._target.lease.assert_held(self._client)

    def _ids(self, part: ObjectPart, collection: int) -> list[str]:
        """Of all the object's rows in a collection."""
        end = sum(part.totals[: collection + 1])
        return row_ids(part.source, part.version, self._target.fingerprint, end - part.totals[collection], end)

    def _rows(self, part: ObjectPart) -> Iterator[dict[str, Any]]:
        last = part.first + len(part.rows)
        ids = row_ids(part.source, part.version, self._target.fingerprint, part.first, last)
        for ordinal, row_id, row, vector in zip(range(part.first, last), ids, part.rows, part.vectors, strict=True):
            yield {
                "id": row_id,
                "source": part.source,
                "version": part.version,
                "ordinal": ordinal,
                "embedding": vector,
                **row,
            }

    def _finished(self, parts: Sequence[ObjectPart]) -> dict[str, ObjectPart]:
        """The first part of each object that has failed or has all its rows acknowledged with these, by source."""
        first: dict[str, ObjectPart] = {}
        here: Counter[str] = Counter()
        for part in parts:
            first.setdefault(part.source, part)
            here[part.source] += len(part.rows)
        return {
            source: part
            for source, part in first.items()
            if part.failure is not None or here[source] == part.total or self._is_stored(part)
        }

    def _is_stored(self, part: ObjectPart) -> bool:
        return sum(len(rows) for index in self._indices() for rows in self._stored(part, index, "id")) == part.total

    def _indices(self) -> range:
        return range(len(self._target.collections))

    def _stored(self, part: ObjectPart, collection: int, field_name: str) -> Iterator[list[dict[str, Any]]]:
        """A field of those of the object's rows that a collection has, in pages."""
        ids = self._ids(part, collection)
        for start in range(0, len(ids), BATCH_ROWS):
            yield self._client.query(
                self._target.collections[collection],
                filter=f"id in {literal_list(ids[start : start + BATCH_ROWS])}",
                output_fields=[field_name],
                consistency_level="Strong",
                timeout=TIMEOUT,
            )

    def _mean(self, part: ObjectPart, parts: Sequence[ObjectPart]) -> np.ndarray:
        """Of the object's vectors in the first collection that has some: models' spaces do not mix."""
        vector = np.zeros(self._target.ledger_dimension, np.float32)
        if part.failure is not None or part.total == 0:
            return vector
        own = [other for other in parts if other.source == part.source and len(other.rows)]
        if sum(len(other.rows) for other in own) == part.total:
            first = min(other.collection for other in own)
            mean = np.concatenate([other.vectors for other in own if other.collection == first]).mean(axis=0)
        else:
            mean = next(mean for index in self._indices() if (mean := self._stored_mean(part, index)) is not None)
        vector[: len(mean)] = mean
        return vector

    def _stored_mean(self, part: ObjectPart, collection: int) -> np.ndarray | None:
        """Mean of an object that was written in parts, whose vectors no single writer has seen."""
        total, count = np.zeros(1, np.float64), 0
        for rows in self._stored(part, collection, "embedding"):
            for row in rows:
                total = total + np.asarray(row["embedding"], np.float32)
                count += 1
        return (total / count).astype(np.float32) if count else None

    def _ledger_row(self, part: ObjectPart, vector: np.ndarray) -> dict[str, Any]:
        return ledger_row(
            source=part.source,
            pipeline=self._target.pipeline,
            version=part.version,
            size=part.size,
            fingerprint=self._target.fingerprint,
            run_id=self._target.run_id,
            attempts=part.attempts + (part.failure is not INTERRUPTED),
            rows=0 if part.failure else part.total,
            vector=vector,
            metadata=part.metadata,
            failure=part.failure,
        )

    def _upsert_ledger(self, entries: Iterable[dict[str, Any]]) -> None:
        for batch in batched_by_bytes(entries):
            self._client.upsert(self._target.ledger, batch, timeout=TIMEOUT)

    def _other_rows(self, parts: Sequence[ObjectPart]) -> dict[str, _Found]:
        """The parts' objects' rows that are of other versions, by source; only sources that have some."""
        others: dict[str, _Found] = {}
        for start in range(0, len(parts), SOURCES_PER_QUERY):
            batch = parts[start : start + SOURCES_PER_QUERY]
            kept = [part for part in batch if part.failure is None]
            keep = [{row_id for part in kept for row_id in self._ids(part, index)} for index in self._indices()]
            others.update(self._rows_except([part.source for part in batch], keep))
        return others

    def _rows_except(self, sources: list[str], keep: Sequence[set[str]] | None = None) -> dict[str, _Found]:
        """All rows of `sources` but those to `keep` in each collection, by source; only sources that have some."""
        found: dict[str, _Found] = {}
        condition = f"source in {literal_list(sources)}"
        for index, collection in enumerate(self._target.collections):
            for page in query_pages(self._client, collection, condition, ["id", "source"]):
                for row in page:
                    if keep is None or row["id"] not in keep[index]:
                        found.setdefault(row["source"], []).append((index, row["id"]))
        return found

    def _delete_rows(self, rows: Iterable[_Found]) -> int:
        """Delete rows; returns how many."""
        by_collection: dict[int, list[str]] = {}
        for found in rows:
            for index, row_id in found:
                by_collection.setdefault(index, []).append(row_id)
        for index, ids in by_collection.items():
            for start in range(0, len(ids), BATCH_ROWS):
                batch = ids[start : start + BATCH_ROWS]
                self._client.delete(self._target.collections[index], ids=batch, timeout=TIMEOUT)
        return sum(map(len, by_collection.values()))
