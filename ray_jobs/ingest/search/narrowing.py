"""How Milvus is asked for the rows that fulfil a filter."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from ingest.milvus.client import is_lite
from ingest.milvus.filters import Filter, expression
from ingest.milvus.lite_filters import confused_by_lite, for_lite
from ingest.search.query import Asking

if TYPE_CHECKING:
    from pymilvus import MilvusClient


def narrowed(
    client: MilvusClient, asking: Asking, conditions: Filter, collection: str, partition_key: str = ""
) -> Asking | None:
    """How Milvus is asked for rows of a collection that fulfil the conditions; None if none can.

    Args:
        collection: its name without a prefix.
        partition_key: as for `expression`.
    """
    confused = confused_by_lite(conditions)
    confused = confused if confused and is_lite(client) else ()
    condition = expression(for_lite(conditions) if confused else conditions, collection, partition_key)
    return None if condition is None else replace(asking, condition=condition, checked=confused)
