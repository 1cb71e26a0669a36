"""Single objects: a list to page through, and of one object its entry, its rows, and objects like it."""

from __future__ import annotations

import asyncio
from typing import Any

from ray_ingest.job_scripts import COLLECTIONS
from ray_ingest.page.expressions import both, literal
from ray_ingest.page.ledger import ROW_FIELDS, SOURCES, Objects, may_pass
from ray_ingest.page.milvus_client import MilvusClient, TooLongError
from ray_ingest.page.tries import take_tries

LIST_PATIENCE = 3.0
"""Times the seconds of other requests: a part of a name, or a condition, makes Milvus look at all objects."""

ROWS = 20
"""Rows of an object that are shown at a time."""

SIMILAR = 8

OWN_FIELDS: dict[str, tuple[str, ...]] = {
    "documents": ("page", "kind", "text"),
    "images": ("width", "height"),
    "video_segments": ("start", "end", "text"),
    "video_frames": ("time",),
}
"""The fields of a collection that people read."""


async def list_objects(client: MilvusClient, chosen: Objects, after: str, limit: int) -> dict[str, Any]:
    """The first of the chosen objects behind the address ``after``, and from where to go on, empty at the end.

    :param limit: how many at most. With a part of a name there may be fewer of them, although there are more to come.
    """
    ledger = (await client.target()).named(SOURCES)
    try:
        rows = await client.page(ledger, chosen.condition, ROW_FIELDS, limit + 1, after, patience=LIST_PATIENCE)
    except TooLongError as error:
        if not (chosen.name or chosen.conditions):
            raise
        raise TooLongError(
            f"{error} A part of a name, and conditions, are looked for in all objects: give the beginning of an "
            "address, such as s3://bucket/pdfs/."
        ) from None
    following = rows[limit - 1]["source"] if len(rows) > limit else ""
    return {"objects": [row for row in rows[:limit] if chosen.chooses(row["source"])], "next": following}


async def one_object(client: MilvusClient, source: str) -> dict[str, Any] | None:
    """The ledger's entry of an object, its tries, and its numbers of rows in each collection; None if it has none."""
    target = await client.target()
    found = await client.rows(target.named(SOURCES), f"source == {literal(source)}", [*ROW_FIELDS, "metadata"], 1)
    if not found:
        return None
    entry = found[0]
    names = COLLECTIONS.get(entry["pipeline"], ())
    of_it = f"source == {literal(source)}"
    counts = await asyncio.gather(*(client.count(target.named(name), of_it) for name in names))
    entry["collections"] = dict(zip(names, counts, strict=True))
    entry["is_permanent"] = entry["status"] == "failed" and not may_pass(entry["error_type"])
    return entry | take_tries(entry)


async def rows_of(client: MilvusClient, source: str, collection: str, first: int) -> dict[str, Any]:
    """Rows of an object as a collection has them, from the ordinal ``first`` on.

    :param collection: a key of OWN_FIELDS.
    """
    name = (await client.target()).named(collection)
    of_it = both(f"source == {literal(source)}", f"ordinal >= {first}", f"ordinal < {first + ROWS}")
    fields = ["ordinal", "version", "metadata", *OWN_FIELDS[collection]]
    found, others = await asyncio.gather(
        client.rows(name, of_it, fields, 4 * ROWS),  # of two versions while a run replaces one
        client.count(name, both(f"source == {literal(source)}", f"ordinal >= {first + ROWS}")),
    )
    found.sort(key=lambda row: (row["ordinal"], row["version"]))
    return {"rows": found, "next": first + ROWS if others else None}


async def similar_objects(client: MilvusClient, source: str) -> list[dict[str, Any]]:
    """The objects of the same pipeline whose contents are nearest to this one's, the nearest first."""
    ledger = (await client.target()).named(SOURCES)
    found = await client.rows(ledger, f"source == {literal(source)}", ["pipeline", "vector"], 1)
    if not found or not any(found[0]["vector"]):  # a failed object, or one without rows, has no direction
        return []
    hits = await client.search(
        ledger,
        data=[[float(value) for value in found[0]["vector"]]],
        anns_field="vector",
        search_params={"metric_type": "COSINE"},
        filter=both(
            Objects(pipeline=found[0]["pipeline"], status="ok").condition, "rows > 0", f"source != {literal(source)}"
        ),
        limit=SIMILAR,
        output_fields=["source", "size", "rows"],
    )
    return [
        {**{key: hit["entity"][key] for key in ("source", "size", "rows")}, "similarity": float(hit["distance"])}
        for hit in hits
    ]
