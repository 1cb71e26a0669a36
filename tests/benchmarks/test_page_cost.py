"""What the page in Airflow asks of Milvus, on a ledger of many objects; seconds of each tab, without a cache.

PAGE_OBJECTS=1000000 uv run pytest -m benchmark -s tests/benchmarks/test_page_cost.py
"""

import asyncio
import os
import time
from collections.abc import Awaitable, Callable, Iterator
from datetime import date, timedelta
from typing import Any

import numpy as np
import pytest

from embedded.milvus_server import TOKEN
from ingest.common.errors import ObjectError
from ingest.common.failures import Failure
from ingest.ledger.entries import ledger_row
from ingest.milvus.schema import ensure_sources
from ray_ingest.milvus import MilvusServer
from ray_ingest.page.days import days_of_month
from ray_ingest.page.failures import failure_groups
from ray_ingest.page.ledger import Objects
from ray_ingest.page.milvus_client import MilvusClient, MilvusError
from ray_ingest.page.objects import list_objects, one_object
from ray_ingest.page.overview import RunsInProgress, overview
from ray_ingest.page.target import Target

OBJECTS = int(os.environ.get("PAGE_OBJECTS", 200_000))
A_DAY = 1000
BATCH = 5000
ROOT = "s3://library"
FAILURES = (Failure.ENCRYPTED, Failure.DAMAGED, Failure.FORBIDDEN, Failure.TIME_LIMIT, Failure.EMPTY)
LIMIT = float(os.environ.get("PAGE_SECONDS", 10.0))

pytestmark = [pytest.mark.benchmark, pytest.mark.timeout(7200)]


def rows(every: int) -> Iterator[dict[str, Any]]:
    """Objects of days of A_DAY, of which one of ``every`` has failed."""
    vector, first = np.ones(2, np.float32), date(2026, 11, 1)
    for number in range(OBJECTS):
        day = first - timedelta(days=number // A_DAY)
        failure = FAILURES[number // every % len(FAILURES)] if number % every == 0 else None
        row = ledger_row(
            source=f"{ROOT}/pdfs/{day}/{number % A_DAY:06}.pdf", pipeline="pdfs", version="v", size=1000, rows=1,
            fingerprint="f", run_id="r", attempts=1, vector=vector, metadata={"pages": 1},
            failure=ObjectError(failure, "cannot be read") if failure else None,
        )  # fmt: skip
        row["updated_at"] -= 86_400_000 * (number // A_DAY)
        yield row


@pytest.fixture(scope="module", params=["milvus", "milvus_server"])
def filled(request: pytest.FixtureRequest) -> tuple[MilvusServer, dict[str, int]]:
    """A server with two ledgers: in one, few objects have failed, in the other more than are read."""
    from pymilvus import MilvusClient as Client

    part = request.getfixturevalue(request.param)
    token = TOKEN if request.param == "milvus_server" else ""
    client = Client(part.uri, token=token)
    ledgers = {"few_": 500, "many_": 5}
    for prefix, every in ledgers.items():
        ensure_sources(client, f"{prefix}sources", 2)
        batch: list[dict[str, Any]] = []
        for row in rows(every):
            batch.append(row)
            if len(batch) == BATCH:
                client.upsert(f"{prefix}sources", batch)
                batch = []
        client.upsert(f"{prefix}sources", batch) if batch else None
        client.flush(f"{prefix}sources")
    return MilvusServer(part.uri, token=token), ledgers


def test_each_tab_answers_in_time(filled: tuple[MilvusServer, dict[str, int]]) -> None:
    server, ledgers = filled
    middle = f"{ROOT}/pdfs/{date(2026, 11, 1) - timedelta(days=OBJECTS // A_DAY // 2)}/"

    def asked(client: MilvusClient) -> dict[str, Callable[[], Awaitable[Any]]]:
        return {
            "overview": lambda: overview(client, RunsInProgress()),
            "failures": lambda: failure_groups(client, Objects()),
            "failures of a day": lambda: failure_groups(client, Objects(prefix=middle)),
            "list": lambda: list_objects(client, Objects(), "", 50),
            "list of failed": lambda: list_objects(client, Objects(status="failed"), middle, 50),
            "part of a name": lambda: list_objects(client, Objects(name="000777.pdf"), "", 50),
            "object": lambda: one_object(client, f"{middle}000777.pdf"),
            "month": lambda: days_of_month(client, "pdfs", 2026, 10),
        }

    async def measure(prefix: str) -> dict[str, float]:
        client = MilvusClient(lambda: Target(server, prefix, ROOT))
        await client.names()
        taken = {}
        for name, ask in asked(client).items():
            began = time.perf_counter()
            try:
                await ask()
            except MilvusError as error:  # 2.3.5 finds no parts of names
                print(f"  {name}: {error}")
            taken[name] = time.perf_counter() - began
        return taken

    for prefix, every in ledgers.items():
        taken = asyncio.run(measure(prefix))
        print(f"\n{server.address}: {OBJECTS} objects, {OBJECTS // every} failed")
        print("\n".join(f"  {name:20} {seconds:6.2f} s" for name, seconds in taken.items()))
        assert max(taken.values()) < LIMIT
