"""The failed objects, grouped by pipeline, stage and type: how many, since when, and one of them as an example."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from dataclasses import replace
from typing import Any

from ray_ingest.job_scripts import COLLECTIONS
from ray_ingest.page.expressions import both, literals, under
from ray_ingest.page.ledger import MAX_ATTEMPTS, SOURCES, Objects, common_prefix, may_pass
from ray_ingest.page.milvus_client import MAX_ROWS, MilvusClient
from ray_ingest.page.times import earliest, latest

MAX_TYPES = 60
"""Types of failures of one pipeline at most; there are fewer."""

_SAMPLE = 1000
_FIELDS = ("source", "pipeline", "stage", "error_type", "attempts", "updated_at")


async def failure_groups(client: MilvusClient, chosen: Objects) -> dict[str, Any]:
    """The groups of the failed objects among those chosen, the largest first, and their number.

    Up to MAX_ROWS failed objects are read. Of more, Milvus counts each type, and a few rows are read.
    """
    failed = replace(chosen, status="failed")
    ledger = (await client.target()).named(SOURCES)
    total = await client.count(ledger, failed.condition)
    if total <= MAX_ROWS:
        groups = await _read(client, ledger, failed) if total else []
    else:
        pipelines = [chosen.pipeline] if chosen.pipeline else list(COLLECTIONS)
        found = await asyncio.gather(*(_counted(client, ledger, replace(failed, pipeline=name)) for name in pipelines))
        groups = [group for groups in found for group in groups]
    groups.sort(key=lambda group: (-group["count"], group["pipeline"], group["error_type"]))
    await _add_messages(client, ledger, groups)
    return {"total": total, "groups": groups}


async def _read(client: MilvusClient, ledger: str, failed: Objects) -> list[dict[str, Any]]:
    rows = await client.rows(ledger, failed.condition, _FIELDS, MAX_ROWS)
    grouped: dict[tuple[str, str, str], list[dict[str, Any]]] = defaultdict(list)
    for row in rows:
        grouped[row["pipeline"], row["stage"], row["error_type"]].append(row)
    return [
        {
            "pipeline": pipeline,
            "stage": stage,
            "error_type": error_type,
            "count": len(group),
            "to_retry": sum(row["attempts"] < MAX_ATTEMPTS for row in group) if may_pass(error_type) else 0,
            "since": min(row["updated_at"] for row in group),
            "latest": max(row["updated_at"] for row in group),
            "under": common_prefix([row["source"] for row in group]),
            "example": {"source": max(group, key=lambda row: row["updated_at"])["source"]},
        }
        for (pipeline, stage, error_type), group in grouped.items()
    ]


async def _counted(client: MilvusClient, ledger: str, failed: Objects) -> list[dict[str, Any]]:
    """The groups of one pipeline: a row of a type not yet known names the next type."""
    kinds: list[dict[str, Any]] = []
    while len(kinds) < MAX_TYPES:
        others = f"error_type not in {literals(kind['error_type'] for kind in kinds)}" if kinds else ""
        rows = await client.rows(ledger, both(failed.condition, others), _FIELDS, 1)
        if not rows:
            break
        kinds.append(rows[0])
    return await asyncio.gather(*(_counted_group(client, ledger, failed, kind) for kind in kinds))


async def _counted_group(client: MilvusClient, ledger: str, failed: Objects, kind: dict[str, Any]) -> dict[str, Any]:
    group = replace(failed, error_type=kind["error_type"])
    count = await client.count(ledger, group.condition)
    waiting = both(group.condition, f"attempts < {MAX_ATTEMPTS}")
    sample = await client.rows(ledger, group.condition, ["source"], _SAMPLE)
    folder = common_prefix([row["source"] for row in sample])
    # The sample may be of one folder alone; at the root of the store, every object is under it.
    while folder and await client.count(ledger, both(group.condition, under(folder))) < count:
        folder = folder[: folder.rstrip("/").rfind("/") + 1]
    return {
        "pipeline": kind["pipeline"],
        "stage": kind["stage"],
        "error_type": kind["error_type"],
        "count": count,
        "to_retry": await client.count(ledger, waiting) if may_pass(kind["error_type"]) else 0,
        "since": await earliest(client, ledger, group.condition),
        "latest": await latest(client, ledger, group.condition),
        "under": folder,
        "example": {"source": kind["source"]},
    }


async def _add_messages(client: MilvusClient, ledger: str, groups: list[dict[str, Any]]) -> None:
    sources = [group["example"]["source"] for group in groups]
    if not sources:
        return
    condition = f"source in {literals(sources)}"
    rows = await client.rows(ledger, condition, ["source", "error_message", "run_id"], len(sources))
    found = {row["source"]: row for row in rows}
    for group in groups:
        row = found.get(group["example"]["source"], {})
        group["example"] |= {"message": row.get("error_message", ""), "run_id": row.get("run_id", "")}
