"""What owners say about their objects, beside the hits of a search: a few values, each cut to a length."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ray_ingest.page.expressions import literals
from ray_ingest.page.ledger import SOURCES
from ray_ingest.page.milvus_client import MilvusClient
from ray_ingest.page.typed_values import as_text

OWNER = "owner"
"""Key in the metadata of the ledger's rows (``ingest.common.owner_values``)."""

MAX_VALUES = 6
MAX_CHARACTERS = 60


async def add_owners(client: MilvusClient, hits: Iterable[dict[str, Any]]) -> None:
    """Give hits the values of their objects' owners: ``owner`` with ``values`` and the number of ``more``.

    They are those of the ledger, which has them once for all rows of an object.
    """
    of_source: dict[str, list[dict[str, Any]]] = {}
    for hit in hits:
        of_source.setdefault(hit["source"], []).append(hit)
    if not of_source:
        return
    ledger = (await client.target()).named(SOURCES)
    for row in await client.rows(ledger, f"source in {literals(of_source)}", ["source", "metadata"], len(of_source)):
        if values := row["metadata"].get(OWNER):
            for hit in of_source[row["source"]]:
                hit["owner"] = shown(values)


def shown(values: dict[str, Any]) -> dict[str, Any]:
    """The first values as ``[name, text]``, and the number of the others."""
    texts = [[name, _cut(as_text(value))] for name, value in list(values.items())[:MAX_VALUES]]
    return {"values": texts, "more": len(values) - len(texts)}


def _cut(text: str) -> str:
    return text if len(text) <= MAX_CHARACTERS else f"{text[: MAX_CHARACTERS - 1]}…"
