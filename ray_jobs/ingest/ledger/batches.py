"""The sizes of requests to Milvus, and rows in batches of these sizes."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np

BATCH_BYTES = 16 << 20
"""Bytes per request. A Milvus server refuses more than 64 MiB (its gRPC limit), and pymilvus does not retry that."""

BATCH_ROWS = 1000
SOURCES_PER_QUERY = 200


def json_bytes(value: Mapping[str, Any]) -> int:
    """Bytes of a JSON value as Milvus counts them. Raises ValueError for text that UTF-8 cannot express."""
    return len(json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode())


def batched_by_bytes(rows: Iterable[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    """Split rows into batches of at most BATCH_ROWS rows and about BATCH_BYTES bytes, with at least one row each."""
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
