"""What Milvus holds: for each pipeline its objects and rows, the models, migrations, and the runs in progress."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Callable
from typing import Any

from ray_ingest.job_scripts import COLLECTIONS
from ray_ingest.page.ledger import LEASES, SOURCES, Objects
from ray_ingest.page.milvus_client import MilvusClient
from ray_ingest.page.times import latest

MODEL_PROPERTY = "ingest.model"
"""The property of a collection with the name of its model (``ingest.milvus.schema``)."""

LEASE_SECONDS = 30.0
"""How long a run may leave its lease as it is (``ingest.ledger.lease``); then it is dead."""


class RunsInProgress:
    """The leases of runs, of which those of dead runs stay until the next run: their beat stands still.

    :param clock: seconds, for tests.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._seen: dict[str, tuple[int, float]] = {}

    def alive(self, leases: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Those whose beat has changed within LEASE_SECONDS, or that are seen for the first time."""
        now, seen = self._clock(), {}
        for lease in leases:
            beat, since = self._seen.get(lease["id"], (None, now))
            seen[lease["id"]] = (lease["beat"], since if beat == lease["beat"] else now)
        self._seen = seen
        return [lease for lease in leases if now - seen[lease["id"]][1] <= LEASE_SECONDS]


async def overview(client: MilvusClient, runs: RunsInProgress) -> dict[str, Any]:
    """The state of all pipelines; every number is a count that Milvus makes, and no row is read."""
    target = await client.target()
    names = await client.names()  # by itself, so that a server that is away is asked once
    leases = await client.rows(
        target.named(LEASES), 'id != ""', ["id", "pipeline", "source", "run_id", "beat"], limit=1000
    )
    alive = runs.alive(leases)
    pipelines = await asyncio.gather(*(_pipeline(client, target.prefix, name, names) for name in COLLECTIONS))
    for pipeline in pipelines:
        mine = [lease for lease in alive if lease["pipeline"] == pipeline["pipeline"]]
        pipeline["running"] = [{key: lease[key] for key in ("source", "run_id")} for lease in mine]
    return {
        "server": target.server.uri,
        "prefix": target.prefix,
        "checked_at": int(time.time() * 1000),
        "pipelines": pipelines,
    }


async def _pipeline(client: MilvusClient, prefix: str, pipeline: str, names: list[str]) -> dict[str, Any]:
    ledger = prefix + SOURCES
    known = Objects(pipeline=pipeline).condition
    ok, failed, empty, written, collections, migrations = await asyncio.gather(
        client.count(ledger, Objects(pipeline=pipeline, status="ok").condition),
        client.count(ledger, Objects(pipeline=pipeline, status="failed").condition),
        client.count(ledger, f'{known} and status == "ok" and rows == 0'),
        latest(client, ledger, known),
        asyncio.gather(*(_collection(client, prefix, name) for name in COLLECTIONS[pipeline])),
        _migrations(client, prefix, pipeline, names),
    )
    return {
        "pipeline": pipeline,
        "objects": {"ok": ok, "failed": failed, "empty": empty},
        "last_write": written,
        "collections": collections,
        "migrations": migrations,
    }


async def _collection(client: MilvusClient, prefix: str, name: str) -> dict[str, Any]:
    described = await client.describe(prefix + name)
    if described is None:
        return {"name": name, "exists": False, "rows": 0, "model": "", "dimension": 0}
    dimensions = [field["params"]["dim"] for field in described.get("fields", []) if field["name"] == "embedding"]
    return {
        "name": name,
        "exists": True,
        "rows": await client.count(prefix + name),
        "model": _model(described),
        "dimension": int(dimensions[0]) if dimensions else 0,
    }


def _model(described: dict[str, Any]) -> str:
    properties = described.get("properties") or {}
    return str(properties.get(MODEL_PROPERTY, ""))


async def _migrations(client: MilvusClient, prefix: str, pipeline: str, names: list[str]) -> list[dict[str, Any]]:
    """The migrations to other models that have begun: each has a ledger of its own."""
    staging = re.compile(rf"{re.escape(prefix + SOURCES)}_{pipeline}(_[0-9a-f]{{8}})")
    found = []
    for name in sorted(names):
        if match := staging.fullmatch(name):
            rows = await client.describe(prefix + COLLECTIONS[pipeline][0] + match[1])
            done = await client.count(name, Objects(pipeline=pipeline, status="ok").condition)
            found.append({"model": _model(rows or {}), "done": done})
    return found
