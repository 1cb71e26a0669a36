"""Give the rows of objects other metadata, and keep their vectors, in an order that loses nothing.

For each object whose metadata have changed:
0. mark its ledger row (`relabelling`);
1. upsert its rows as they are but for the metadata; their ids stay, since they depend only on the work;
2. when all of them are acknowledged, upsert its ledger row with the new metadata and without the mark.

After a crash, the mark makes the next run do this again. Without it, a sidecar that has its former version back by
then would hide that some rows have the values of the other one. A reader sees each row with old metadata or new ones.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from ingest.common.errors import ObjectError
from ingest.common.owner_values import DATE, LANGUAGE, NOTE, OWNER, SIDECAR, STORED, row_metadata
from ingest.ledger.batches import BATCH_ROWS, SOURCES_PER_QUERY, batched_by_bytes
from ingest.ledger.entries import RELABELLING, updated
from ingest.ledger.outcomes import ObjectOutcomes
from ingest.ledger.parts import Target
from ingest.ledger.storable import upsert_by_object
from ingest.milvus.client import TIMEOUT, query_pages
from ingest.milvus.expressions import literal_list
from ingest.milvus.partition_key import partition

if TYPE_CHECKING:
    from pymilvus import MilvusClient

READERS = 8
"""Objects whose metadata are read at the same time: stores answer 250 requests/s of one process."""

OF_LEDGER = frozenset({OWNER, NOTE, STORED, SIDECAR, RELABELLING})
OF_ROWS = frozenset({OWNER, DATE, LANGUAGE})
"""Keys of the `metadata` of the ledger and of rows that other metadata replace."""


class Relabeller:
    """Brings the metadata of objects that are done up to date, with one client.

    Args:
        read: what the metadata of the object of a difference say of its owner's, or an ObjectError.
    """

    def __init__(
        self, client: MilvusClient, target: Target, read: Callable[[Mapping[str, Any]], Mapping[str, Any]]
    ) -> None:
        self._client = client
        self._target = target
        self._read = read

    def relabel(self, differences: Sequence[Mapping[str, Any]]) -> ObjectOutcomes:
        """Compare and write the metadata of these objects. An object that cannot be read stays as it is.

        Raises:
            pymilvus.exceptions.MilvusException: a request failed permanently; the next run completes the work.
            UnreachableError, ConfigurationError: the store failed.
        """
        outcome = ObjectOutcomes(self._target.sources)
        for start in range(0, len(differences), SOURCES_PER_QUERY):
            self._relabel(differences[start : start + SOURCES_PER_QUERY], outcome)
        return outcome

    def _relabel(self, differences: Sequence[Mapping[str, Any]], outcome: ObjectOutcomes) -> None:
        entries = self._entries([difference["source"] for difference in differences])
        with ThreadPoolExecutor(READERS, "metadata") as pool:
            found = list(pool.map(self._attempted, differences))
        new: dict[str, dict[str, Any]] = {}
        changed: set[str] = set()
        for difference, owners in zip(differences, found, strict=True):
            source = difference["source"]
            entry = entries.get(source)
            if isinstance(owners, ObjectError):
                outcome.fail(source, owners, is_retried=True)
            elif entry is not None and entry["version"] == difference["version"]:
                kept = {key: value for key, value in entry["metadata"].items() if key not in OF_LEDGER}
                new[source] = {**entry, "metadata": kept | dict(owners)}
                if _is_changed(entry, new[source]):
                    changed.add(source)
                    new[source] = updated(entry, self._target.run_id, new[source]["metadata"])
        self._upsert_ledger(
            {**entries[source], "metadata": {**entries[source]["metadata"], RELABELLING: True}} for source in changed
        )
        refused = self._write_rows({source: new[source] for source in changed}, outcome) if changed else {}
        self._upsert_ledger(
            entry
            for source, entry in new.items()
            if source not in refused and (source in changed or entry["metadata"] != entries[source]["metadata"])
        )
        for source, entry in new.items():
            if source in refused:
                outcome.fail(source, refused[source])
            else:
                outcome.succeed(source, entry["rows"], entry["metadata"])

    def _attempted(self, difference: Mapping[str, Any]) -> Mapping[str, Any] | ObjectError:
        try:
            return self._read(difference)
        except ObjectError as error:
            return error

    def _entries(self, sources: list[str]) -> dict[str, dict[str, Any]]:
        """The ledger's rows of objects that are done, by source."""
        found = self._client.query(
            self._target.ledger, filter=f'source in {literal_list(sources)} and status == "ok"', output_fields=["*"],
            consistency_level="Strong", timeout=TIMEOUT,
        )  # fmt: skip
        return {row["source"]: dict(row) for row in found if row["fingerprint"] == self._target.fingerprint}

    def _write_rows(self, entries: Mapping[str, Mapping[str, Any]], outcome: ObjectOutcomes) -> dict[str, ObjectError]:
        """Write the rows of objects with the metadata of their entries; returns the failures of those it cannot."""
        refused: dict[str, ObjectError] = {}
        labels = {source: row_metadata(source, entry["metadata"]) for source, entry in entries.items()}
        condition = f"source in {literal_list(list(entries))}"
        for index, collection in enumerate(self._target.collections):
            described = self._client.describe_collection(collection, timeout=TIMEOUT)["fields"]
            fields = [field["name"] for field in described if field["name"] != "sparse"]  # which Milvus fills itself
            upsert = partial(self._client.upsert, collection, timeout=TIMEOUT)
            for page in query_pages(self._client, collection, condition, fields, size=BATCH_ROWS):
                rows = (self._relabelled(row, fields, labels[row["source"]]) for row in page)
                for batch in batched_by_bytes(row for row in rows if row["source"] not in refused):
                    refused |= upsert_by_object(upsert, batch)
                    outcome.write(index, (row["source"] for row in batch if row["source"] not in refused))
        return refused

    def _relabelled(self, row: Mapping[str, Any], fields: Sequence[str], labels: Mapping[str, Any]) -> dict[str, Any]:
        kept = {key: value for key, value in row["metadata"].items() if key not in OF_ROWS}
        return {
            **{name: row[name] for name in fields},
            "embedding": np.array(row["embedding"], np.float32),
            "metadata": {**kept, **labels},
            **partition(labels.get(OWNER, {}), self._target.partition_key),
        }

    def _upsert_ledger(self, entries: Iterable[dict[str, Any]]) -> None:
        if self._target.lease is not None:
            self._target.lease.assert_held(self._client)
        for batch in batched_by_bytes({**entry, "vector": np.array(entry["vector"], np.float32)} for entry in entries):
            self._client.upsert(self._target.ledger, batch, timeout=TIMEOUT)


def _is_changed(old: Mapping[str, Any], new: Mapping[str, Any]) -> bool:
    """Whether rows have other metadata by the new entry of their object. An entry of an early release tells nothing."""
    known, source = old["metadata"], old["source"]
    is_certain = STORED in known and RELABELLING not in known
    # As JSON, in which 1, 1.0 and true are three values.
    before, after = (json.dumps(row_metadata(source, of), sort_keys=True) for of in (known, new["metadata"]))
    return not is_certain or before != after
