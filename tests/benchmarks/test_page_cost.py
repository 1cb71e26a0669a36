"""What the page in Airflow asks of Milvus, on a ledger of many objects; seconds of each tab, without a cache.

PAGE_OBJECTS=1000000 uv run pytest -n 0 -m benchmark -s tests/benchmarks/test_page_cost.py

Milvus Lite is not measured: it looks at all rows for each answer (76 s for the failures of 200,000 objects).
"""

import asyncio
import os
import time
from collections.abc import Awaitable, Callable, Iterator
from datetime import date, timedelta
from typing import Any

import numpy as np
import pytest

from embedded.milvus_server import TOKEN, only_one
from embedded.milvus_server import MilvusServer as Server
from ingest.common.errors import ObjectError
from ingest.common.failures import Failure
from ingest.ledger.entries import ledger_row
from ingest.milvus.schema import ensure_sources
from ray_ingest.milvus import MilvusServer
from ray_ingest.page.days import days_of_month
from ray_ingest.page.failures import failure_groups
from ray_ingest.page.filters import written
from ray_ingest.page.ledger import Objects
from ray_ingest.page.milvus_client import MilvusClient, MilvusError
from ray_ingest.page.objects import list_objects, one_object
from ray_ingest.page.overview import RunsInProgress, overview
from ray_ingest.page.target import Target

OBJECTS = int(os.environ.get("PAGE_OBJECTS", 200_000))
A_DAY = 1000
FAILED_ONE_OF = {"pdfs": 500, "images": 5}
"""Of the PDFs, the failed ones are read; of the images, there are more than MAX_ROWS, which are counted."""

BATCH = 5000
ROOT = "s3://library"
FAILURES = (Failure.ENCRYPTED, Failure.DAMAGED, Failure.FORBIDDEN, Failure.TIME_LIMIT, Failure.EMPTY)
LIMIT = float(os.environ.get("PAGE_SECONDS", 10.0))

pytestmark = [pytest.mark.benchmark, pytest.mark.timeout(7200)]


def rows() -> Iterator[dict[str, Any]]:
    """Objects of days of A_DAY, half of them images, of which one of five has failed; of the PDFs, one of 500 has."""
    vector, first = np.ones(2, np.float32), date(2026, 11, 1)
    for number in range(OBJECTS):
        pipeline, at = ("pdfs", "images")[number % 2], number // 2
        day = first - timedelta(days=at // A_DAY)
        failed = at % FAILED_ONE_OF[pipeline] == 0
        failure = FAILURES[at // FAILED_ONE_OF[pipeline] % len(FAILURES)] if failed else None
        row = ledger_row(
            source=f"{ROOT}/{pipeline}/{day}/{at % A_DAY:06}", pipeline=pipeline, version="v", size=1000, rows=1,
            fingerprint="f", run_id="r", attempts=1, vector=vector, metadata={"pages": 1},
            failure=ObjectError(failure, "cannot be read") if failure else None,
        )  # fmt: skip
        row["updated_at"] -= 86_400_000 * (at // A_DAY)
        yield row


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MilvusServer]:
    """A server with the ledger."""
    from pymilvus import MilvusClient as Client

    with only_one(), Server(tmp_path_factory.mktemp("milvus")) as part:
        client = Client(part.uri, token=TOKEN)
        ensure_sources(client, "sources", 2)
        batch: list[dict[str, Any]] = []
        for row in rows():
            batch.append(row)
            if len(batch) == BATCH:
                client.upsert("sources", batch)
                batch = []
        if batch:
            client.upsert("sources", batch)
        client.flush("sources")
        yield MilvusServer(part.uri, token=TOKEN)


def test_each_tab_answers_in_time(server: MilvusServer) -> None:
    middle = f"{ROOT}/pdfs/{date(2026, 11, 1) - timedelta(days=OBJECTS // 2 // A_DAY // 2)}/"

    async def measure() -> dict[str, float]:
        client = MilvusClient(lambda: Target(server, "", ROOT, LIMIT))
        await client.names()
        asked: dict[str, Callable[[], Awaitable[Any]]] = {
            "overview": lambda: overview(client, RunsInProgress()),
            "failures, few": lambda: failure_groups(client, Objects(pipeline="pdfs")),
            "failures, many": lambda: failure_groups(client, Objects(pipeline="images")),
            "failures of a day": lambda: failure_groups(client, Objects(prefix=middle)),
            "list": lambda: list_objects(client, Objects(), "", 50),
            "list of failed": lambda: list_objects(client, Objects(status="failed"), middle, 50),
            "part of a name": lambda: list_objects(client, Objects(name="/000777"), "", 50),
            "condition": lambda: list_objects(client, Objects(conditions=written(["tenant=acme"])), "", 50),
            "object": lambda: one_object(client, f"{middle}000777"),
            "month": lambda: days_of_month(client, "pdfs", 2026, 10),
        }
        taken = {}
        for name, ask in asked.items():
            began = time.perf_counter()
            try:
                await ask()
            except MilvusError as error:  # 2.3.5 finds no parts of names
                print(f"  {name}: {error}")
            taken[name] = time.perf_counter() - began
        return taken

    taken = asyncio.run(measure())
    print(f"\n{server.address}: {OBJECTS} objects")
    print("\n".join(f"  {name:20} {seconds:6.2f} s" for name, seconds in taken.items()))
    assert max(taken.values()) < LIMIT
