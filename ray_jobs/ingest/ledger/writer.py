"""Write objects to Milvus in an order that neither loses nor duplicates anything.

For each object:
0. if it is not in the ledger, upsert a ledger row that calls it `Interrupted`;
1. upsert its rows, whose ids depend only on the work, so that repeating it changes nothing;
2. when all of them are acknowledged, upsert its ledger row, with the tries before this one (`ingest.ledger.tries`);
3. then delete its rows of other versions and fingerprints.

A reader never sees a gap. After a crash the next run completes the work: without the ledger row of step 2 an object is
processed again and gets the same ids, and step 3 deletes every row of the object that the new version does not have. If
the object has left the store by then, the ledger row of step 0 makes the next run find it missing, and remove it. If
there are rows to delete, the ledger row has a mark in its metadata (`unfinished`) from step 2 on, and is written again
without the mark after step 3: so the next run recognises an object whose step 3 was interrupted.

A failed object has no rows: step 3 deletes those of its earlier version, which a run from scratch would not write.
While the failure may be temporary and a retry is due, the rows stay: searches should not miss a document because of an
outage.

An object whose rows Milvus refuses fails (`ingest.ledger.storable`), and step 3 deletes the rows that were written.

An object that is too large for one write comes in parts. The writer that finds all of its rows acknowledged does steps
2 and 3; if two writers find that at once, both do the same thing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Any

import numpy as np

from ingest.common.errors import ObjectError
from ingest.common.failures import Failure, is_retried
from ingest.common.identity import row_ids
from ingest.ledger.batches import BATCH_ROWS, SOURCES_PER_QUERY, batched_by_bytes
from ingest.ledger.diff import Change
from ingest.ledger.entries import UNFINISHED, ledger_row
from ingest.ledger.outcomes import ObjectOutcomes
from ingest.ledger.parts import ObjectPart, Target
from ingest.ledger.storable import REFUSALS, failed, is_storable, refusal, upsert_by_object
from ingest.ledger.tries import ENTRY_FIELDS, Try, tries_of, with_tries
from ingest.milvus.client import TIMEOUT, query_pages
from ingest.milvus.expressions import literal_list

if TYPE_CHECKING:
    from pymilvus import MilvusClient

_Found = list[tuple[int, str]]
"""Rows of an object, as (index of the collection, id)."""

INTERRUPTED = ObjectError(Failure.INTERRUPTED, "the object is being written, or was when its run was interrupted")
"""The failure of an object in the ledger while its rows are written for the first time."""


def _is_retried(part: ObjectPart) -> bool:
    return part.failure is not None and is_retried(part.failure.failure, part.attempts + 1)


class ObjectWriter:
    """Writes parts of objects with one client, in the order of the module's docstring. Not thread-safe."""

    def __init__(self, client: MilvusClient, target: Target) -> None:
        self._client = client
        self._target = target

    def write(self, parts: Sequence[ObjectPart]) -> ObjectOutcomes:
        """Write the parts, and finish the objects that are complete with them.

        Raises:
            pymilvus.exceptions.MilvusException: a request failed permanently; the ledger claims nothing that follows.
        """
        outcome = ObjectOutcomes(self._target.sources)
        self._check_lease()
        known = self._refused_elsewhere(parts)
        parts = [part for part in parts if part.source not in known]
        refused = {part.source: failure for part in parts if (failure := refusal(part))}
        written = [part for part in parts if part.source not in refused]
        announced = {part.source: part for part in written if part.change is Change.NEW and part.rows}
        zeros = np.zeros(self._target.ledger_dimension, np.float32)
        self._upsert_ledger(self._ledger_row(replace(part, failure=INTERRUPTED), zeros) for part in announced.values())
        for index, collection in enumerate(self._target.collections):
            upsert = partial(self._client.upsert, collection, timeout=TIMEOUT)
            rows = (row for part in written if part.collection == index for row in self._rows(part))
            for batch in batched_by_bytes(rows):
                failures = upsert_by_object(upsert, batch)
                refused |= failures
                outcome.write(index, (row["source"] for row in batch if row["source"] not in failures))
        parts = [failed(part, refused[part.source]) if part.source in refused else part for part in parts]
        self._finish(parts, refused.keys(), outcome)
        # Another writer may have found rows of the object that are refused, and deleted all others before these came.
        incomplete = self._refused_elsewhere([part for part in parts if part.failure is None])
        self._delete_rows(self._own_rows(part) for part in parts if part.source in incomplete)
        return outcome

    def _finish(self, parts: Sequence[ObjectPart], refused: Collection[str], outcome: ObjectOutcomes) -> None:
        """Do steps 2 and 3 for the objects that are complete or have failed."""
        finished = self._finished(parts)
        stale = self._other_rows(
            [
                part
                for part in finished.values()
                if (part.change is not Change.NEW or self._target.clean_new) and not _is_retried(part)
            ]
        )
        unfinished = {*stale, *refused}
        again = [part.source for part in finished.values() if part.change is not Change.NEW]
        known = self._entries(again, ENTRY_FIELDS)
        tries = {entry["source"]: tries_of(entry, self._target.run_id) for entry in known}
        entries = [
            self._ledger_row(part, self._mean(part, parts), tries.get(part.source, ()))
            for part in finished.values() if is_storable(part.source)
        ]  # fmt: skip
        self._upsert_ledger(
            {**entry, "metadata": {**entry["metadata"], UNFINISHED: True}} if entry["source"] in unfinished else entry
            for entry in entries
        )
        if unfinished:
            self._check_lease()
            outcome.rows_deleted += self._delete_rows(stale.values())
            # Only now: a writer that sees the entry of step 2 deletes its rows of the object itself.
            outcome.rows_deleted += self._delete_rows(self._own_rows(finished[source]) for source in refused)
            self._upsert_ledger(entry for entry in entries if entry["source"] in unfinished)
        for part in finished.values():
            if part.failure is None:
                outcome.succeed(part.source, part.total, part.metadata)
            else:
                outcome.fail(part.source, part.failure, _is_retried(part))

    def remove(self, sources: Iterable[str]) -> tuple[int, int]:
        """Remove objects that left the store: first their rows, then their ledger rows.

        Returns:
            The numbers of objects and of rows.
        """
        objects = rows = 0
        remaining = iter(sources)
        while batch := list(islice(remaining, SOURCES_PER_QUERY)):
            self._check_lease()
            rows += self._delete_rows(self._rows_except(batch).values())
            # Not by `ids=`: pymilvus puts those into an expression without escaping backslashes and quotes.
            self._client.delete(self._target.ledger, filter=f"source in {literal_list(batch)}", timeout=TIMEOUT)
            objects += len(batch)
        return objects, rows

    def _check_lease(self) -> None:
        if self._target.lease is not None:
            self._target.lease.assert_held(self._client)

    def _ids(self, part: ObjectPart, collection: int) -> list[str]:
        """The ids of all the object's rows in a collection."""
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
        """By source, the first part of each object that has failed, or whose rows are all acknowledged by now."""
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

    def _refused_elsewhere(self, parts: Sequence[ObjectPart]) -> set[str]:
        """The sources of the objects that are not complete here, and that another writer of this run has refused."""
        here: Counter[str] = Counter()
        for part in parts:
            here[part.source] += len(part.rows)
        sources = sorted({part.source for part in parts if here[part.source] < part.total})
        versions = {part.source: part.version for part in parts}
        fields = ("source", "version", "fingerprint", "run_id", "error_type")
        return {
            row["source"] for row in self._entries(sources, fields)
            if row["error_type"] in REFUSALS and row["version"] == versions[row["source"]]
            and (row["fingerprint"], row["run_id"]) == (self._target.fingerprint, self._target.run_id)
        }  # fmt: skip

    def _entries(self, sources: list[str], fields: Sequence[str]) -> Iterator[dict[str, Any]]:
        """Fields of the ledger rows that the objects have."""
        for start in range(0, len(sources), SOURCES_PER_QUERY):
            yield from self._client.query(
                self._target.ledger, filter=f"source in {literal_list(sources[start : start + SOURCES_PER_QUERY])}",
                output_fields=list(fields), consistency_level="Strong", timeout=TIMEOUT,
            )  # fmt: skip

    def _own_rows(self, part: ObjectPart) -> _Found:
        """The object's rows of this version that are stored."""
        return [
            (index, row["id"]) for index in self._indices() for rows in self._stored(part, index, "id") for row in rows
        ]

    def _indices(self) -> range:
        return range(len(self._target.collections))

    def _stored(self, part: ObjectPart, collection: int, field_name: str) -> Iterator[list[dict[str, Any]]]:
        """One field of the object's rows that are in a collection, in pages."""
        ids = self._ids(part, collection)
        for start in range(0, len(ids), BATCH_ROWS):
            yield self._client.query(
                self._target.collections[collection], filter=f"id in {literal_list(ids[start : start + BATCH_ROWS])}",
                output_fields=[field_name], consistency_level="Strong", timeout=TIMEOUT,
            )  # fmt: skip

    def _mean(self, part: ObjectPart, parts: Sequence[ObjectPart]) -> np.ndarray:
        """Mean of the object's vectors in the first collection that has any: two models' vectors must not be mixed."""
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
        """Mean of the stored vectors of an object that several writers wrote in parts; None if there are none."""
        total, count = np.zeros(1, np.float64), 0
        for rows in self._stored(part, collection, "embedding"):
            for row in rows:
                total = total + np.asarray(row["embedding"], np.float32)
                count += 1
        return (total / count).astype(np.float32) if count else None

    def _ledger_row(self, part: ObjectPart, vector: np.ndarray, tries: Sequence[Try] = ()) -> dict[str, Any]:
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
            metadata=with_tries(part.metadata, tries),
            failure=part.failure,
        )

    def _upsert_ledger(self, entries: Iterable[dict[str, Any]]) -> None:
        for batch in batched_by_bytes(entries):
            self._client.upsert(self._target.ledger, batch, timeout=TIMEOUT)

    def _other_rows(self, parts: Sequence[ObjectPart]) -> dict[str, _Found]:
        """By source, the rows of other versions of the parts' objects; only sources that have any."""
        others: dict[str, _Found] = {}
        for start in range(0, len(parts), SOURCES_PER_QUERY):
            batch = parts[start : start + SOURCES_PER_QUERY]
            kept = [part for part in batch if part.failure is None]
            keep = [{row_id for part in kept for row_id in self._ids(part, index)} for index in self._indices()]
            others.update(self._rows_except([part.source for part in batch], keep))
        return others

    def _rows_except(self, sources: list[str], keep: Sequence[set[str]] | None = None) -> dict[str, _Found]:
        """By source, all rows except those to `keep` in each collection; only sources that have any."""
        found: dict[str, _Found] = {}
        condition = f"source in {literal_list(sources)}"
        for index, collection in enumerate(self._target.collections):
            for page in query_pages(self._client, collection, condition, ["id", "source"]):
                for row in page:
                    if keep is None or row["id"] not in keep[index]:
                        found.setdefault(row["source"], []).append((index, row["id"]))
        return found

    def _delete_rows(self, rows: Iterable[_Found]) -> int:
        """Delete rows, and return their number."""
        by_collection: dict[int, list[str]] = {}
        for found in rows:
            for index, row_id in found:
                by_collection.setdefault(index, []).append(row_id)
        for index, ids in by_collection.items():
            for start in range(0, len(ids), BATCH_ROWS):
                batch = ids[start : start + BATCH_ROWS]
                self._client.delete(self._target.collections[index], ids=batch, timeout=TIMEOUT)
        return sum(map(len, by_collection.values()))
