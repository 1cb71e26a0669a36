"""Collections that are partitioned by a value of the objects' owners, such as their tenant.

Milvus keeps the rows of each partition together, and a search with a condition for the value looks at no others.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ingest.common.errors import ConfigurationError
from ingest.common.typed_values import Value, as_text, normal_name
from ingest.milvus.client import TIMEOUT, server_version

if TYPE_CHECKING:
    from pymilvus import CollectionSchema, MilvusClient

PARTITION = "partition"
"""The field with the value as a text; empty for objects without it."""

PARTITION_LENGTH = 1024
"""Bytes: the longest value of an owner."""

PARTITION_PROPERTY = "ingest.partition_key"
"""Property of a collection: the name of the owner's value."""

BUILT_IN = frozenset({"date", "kind", "language", "pipeline"})
"""Names with a meaning of their own in conditions: those may mean another value than the owner's."""

SINCE = (2, 5)
"""First Milvus server that is trusted with it: 2.3.5 upserts rows into a wrong partition."""


def add_partition_key(schema: CollectionSchema, name: str) -> None:
    """Add the field to the schema of a new collection, unless the name is empty."""
    from pymilvus import DataType

    if name:
        schema.add_field(PARTITION, DataType.VARCHAR, max_length=PARTITION_LENGTH, is_partition_key=True)


def partition_key_of(client: MilvusClient, collection: str) -> str:
    """The name of the value by which a collection, or the one behind an alias, is partitioned; empty if by none."""
    if not client.has_collection(collection, timeout=TIMEOUT):
        return ""
    return partition_key_in(client.describe_collection(collection, timeout=TIMEOUT))


def partition_key_in(description: Mapping[str, Any]) -> str:
    """The same by Milvus's description of the collection."""
    return str(description.get("properties", {}).get(PARTITION_PROPERTY, ""))


def checked_partition_key(client: MilvusClient, collection: str, wanted: str) -> str:
    """The partition key of a collection: what it has if it exists, and else what is wanted.

    Raises:
        ConfigurationError: it has another one than is wanted, or the server is too old for any.
    """
    if wanted and server_version(client) < SINCE:
        raise ConfigurationError(
            f"--partition-key {wanted} takes Milvus 2.5 or Milvus Lite, as older servers lose rows in wrong "
            "partitions; update the server, or leave it out"
        )
    if not client.has_collection(collection, timeout=TIMEOUT):
        return wanted
    found = partition_key_of(client, collection)
    if wanted and wanted != found:
        made = f"is partitioned by {found!r}" if found else "was made without a partition key"
        raise ConfigurationError(
            f"collection {collection!r} {made}, which no run can change: leave out --partition-key {wanted}, or ingest "
            "into new collections, with another --collection prefix"
        )
    return found


def partition(owner: Mapping[str, Value], name: str) -> dict[str, str]:
    """The field PARTITION of the rows of an object with the owner's values; nothing for collections without it."""
    if not name:
        return {}
    return {PARTITION: as_text(owner.get(name, ""))}


def partition_key(text: str) -> str:
    """The name that a flag gives. Raises ValueError if no value can have it."""
    name = normal_name(text)
    if text and not name:
        raise ValueError(f"{text!r} is no name of a value: those have letters, digits, '_', '-' and '.'")
    if name in BUILT_IN:
        raise ValueError(f"{name!r} is no value of an owner alone, by which collections can be partitioned")
    return name
