"""Read the ledger (`sources`) as a sorted stream for the diff, and build its rows."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ingest.common.disk_buffer import buffered_on_disk
from ingest.common.errors import ObjectError
from ingest.common.failures import MAX_ATTEMPTS, Failure
from ingest.common.owner_values import SIDECAR, STORED
from ingest.ledger.tries import RELABELLED, tries_of, with_tries
from ingest.milvus.client import TIMEOUT, query_pages
from ingest.milvus.expressions import literal, literal_list, prefix_filter
from ingest.milvus.schema import MESSAGE_LENGTH

if TYPE_CHECKING:
    from pymilvus import MilvusClient

UNFINISHED = "unfinished"
"""Key in a ledger row's `metadata` while rows of the object's other versions are being deleted, or after maintenance
found that rows are lost: the next run processes the object again."""

LIMIT = "limit"
"""Key in a failed ledger row's `metadata`: the value of the limit that the object exceeded."""

RELABELLING = "relabelling"
"""Key in a ledger row's `metadata` while the rows of the object get other metadata: the next run completes that."""


@dataclass(frozen=True, slots=True)
class LedgerEntry:
    """An object's entry in the ledger.

    `attempts` counts the attempts at this version; `finished` is false while rows of other versions may remain;
    `stage`, `error_type` and `limit` describe its failure. `stored` is when the object was written to the store, in
    whole seconds since 1970, and `sidecar` the version of its sidecar, 0 and empty if there is none; `relabelling` says
    that its rows may have other metadata.
    """

    source: str
    version: str
    fingerprint: str
    ok: bool
    attempts: int = 1
    finished: bool = True
    error_type: str = ""
    limit: float | None = None
    stage: str = ""
    stored: int = 0
    sidecar: str = ""
    relabelling: bool = False


def read_ledger(client: MilvusClient, collection: str, source: str, pipeline: str) -> Iterator[LedgerEntry]:
    """The ledger's entries of one pipeline under the prefix `source`, in ascending order of the sources.

    Milvus has no ORDER BY; its query iterator pages by primary key, which is the source. A reader thread copies the
    entries to disk at Milvus's speed, because the diff lists the whole store before it needs the second entry.
    """
    if not client.has_collection(collection, timeout=TIMEOUT):
        return
    client.load_collection(collection, timeout=TIMEOUT)
    fields = ["source", "version", "fingerprint", "status", "attempts", "stage", "error_type", "metadata"]
    condition = f"pipeline == {literal(pipeline)} and {prefix_filter(source)}"
    pages = query_pages(client, collection, condition, fields, key="source")
    for page in buffered_on_disk([_known(row) for row in page] for page in pages):
        for known in page:
            yield LedgerEntry(*known)


def _known(row: Mapping[str, Any]) -> tuple[Any, ...]:
    """The values of a LedgerEntry, in the order of its fields."""
    return (
        row["source"],
        row["version"],
        row["fingerprint"],
        row["status"] == "ok",
        row["attempts"],
        UNFINISHED not in row["metadata"],
        row["error_type"],
        row["metadata"].get(LIMIT),
        row["stage"],
        row["metadata"].get(STORED, 0),
        row["metadata"].get(SIDECAR, ""),
        RELABELLING in row["metadata"],
    )


def count_failed(client: MilvusClient, collection: str, pipeline: str) -> int:
    """The number of a pipeline's objects that have failed permanently, as `is_retried` defines it."""
    if not client.has_collection(collection, timeout=TIMEOUT):
        return 0
    client.load_collection(collection, timeout=TIMEOUT)
    may_pass = literal_list([failure for failure in Failure if failure.may_pass])
    found = client.query(
        collection,
        filter=f'pipeline == {literal(pipeline)} and status == "failed" '
        f"and (attempts >= {MAX_ATTEMPTS} or error_type not in {may_pass})",
        output_fields=["count(*)"],
        consistency_level="Strong",
        timeout=TIMEOUT,
    )
    return int(found[0]["count(*)"])


def ledger_row(
    *,
    source: str,
    pipeline: str,
    version: str,
    size: int,
    fingerprint: str,
    run_id: str,
    attempts: int,
    rows: int,
    vector: np.ndarray,
    metadata: Mapping[str, Any],
    failure: ObjectError | None,
) -> dict[str, Any]:
    """A row of `sources`. `updated_at` is in milliseconds since 1970 (UTC); `vector` has the ledger's dimension."""
    message = failure.message.encode()[:MESSAGE_LENGTH].decode(errors="ignore") if failure else ""
    return {
        "source": source,
        "pipeline": pipeline,
        "version": version,
        "size": size,
        "status": "failed" if failure else "ok",
        "rows": rows,
        "stage": failure.failure.stage if failure else "",
        "error_type": failure.failure if failure else "",
        "error_message": message,
        "attempts": attempts,
        "fingerprint": fingerprint,
        "run_id": run_id,
        "updated_at": int(time.time() * 1000),
        "metadata": {**metadata, LIMIT: failure.limit} if failure and failure.limit is not None else dict(metadata),
        "vector": vector,
    }


def updated(row: Mapping[str, Any], run_id: str, metadata: Mapping[str, Any]) -> dict[str, Any]:
    """A row of `sources` as a run writes it again with other metadata, which is no try at the object."""
    # Also the try of a run with the same id, which this row no longer describes.
    metadata = with_tries({**metadata, RELABELLED: True}, tries_of(row, run_id=""))
    return {**row, "run_id": run_id, "updated_at": int(time.time() * 1000), "metadata": metadata}
