"""The ledger is an alias: pipelines share it, and its vectors have the largest dimension of their models.

For a larger dimension, the ledger is copied into a new collection, and the alias is switched to that.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ingest.milvus.client import TIMEOUT, alias_target, query_pages
from ingest.milvus.expressions import prefix_filter
from ingest.milvus.schema import dimension_of, ensure_sources

if TYPE_CHECKING:
    from pymilvus import MilvusClient

COPY_ROWS = 500
"""Ledger rows per request of a copy: at 4,096 dimensions they have 8 MB, well below gRPC's limit of 64 MiB."""


def create_ledger(client: MilvusClient, name: str, dimension: int) -> None:
    """Create the ledger and its alias `name` unless they exist. Another run may create them with another dimension."""
    from pymilvus.exceptions import MilvusException

    if alias_target(client, name) is not None:
        return
    created = _of_dimension(name, dimension)
    ensure_sources(client, created, dimension)
    try:
        client.create_alias(created, name, timeout=TIMEOUT)
    except MilvusException:
        if alias_target(client, name) is None:
            raise


def ensure_ledger(client: MilvusClient, name: str, dimension: int) -> int:
    """Create the ledger and its alias `name` unless they exist, and load it; returns the ledger's dimension.

    Raises:
        ConfigurationError: the ledger exists with a smaller dimension.
    """
    create_ledger(client, name, dimension)
    return ensure_sources(client, name, dimension)


def is_too_narrow(client: MilvusClient, name: str, dimension: int) -> bool:
    """Whether the ledger exists and its vectors have fewer than `dimension` dimensions."""
    found = alias_target(client, name)
    return found not in (None, name) and dimension_of(client, name, "vector") < dimension


def widen(client: MilvusClient, name: str, dimension: int) -> None:
    """Give the ledger vectors of `dimension` if they are shorter. The caller holds the leases of all pipelines."""
    if not is_too_narrow(client, name, dimension):
        return
    old, new = alias_target(client, name), _of_dimension(name, dimension)
    if client.has_collection(new, timeout=TIMEOUT):
        client.drop_collection(new, timeout=TIMEOUT)  # left by a run that was interrupted here
    ensure_sources(client, new, dimension)
    copy_ledger(client, name, new)
    client.alter_alias(new, name, timeout=TIMEOUT)
    client.drop_collection(old, timeout=TIMEOUT)


def _of_dimension(name: str, dimension: int) -> str:
    return f"{name}_d{dimension}"


def copy_ledger(client: MilvusClient, origin: str, target: str) -> None:
    """Copy all rows of one ledger into another, which may have longer vectors."""
    dimension = dimension_of(client, target, "vector")
    fields = [field["name"] for field in client.describe_collection(origin, timeout=TIMEOUT)["fields"]]
    for page in query_pages(client, origin, prefix_filter(""), fields, key="source", size=COPY_ROWS):
        client.upsert(target, [_padded(row, fields, dimension) for row in page], timeout=TIMEOUT)


def _padded(row: dict[str, Any], fields: list[str], dimension: int) -> dict[str, Any]:
    vector = np.zeros(dimension, np.float32)
    vector[: len(row["vector"])] = row["vector"]
    return {**{name: row[name] for name in fields}, "vector": vector}
