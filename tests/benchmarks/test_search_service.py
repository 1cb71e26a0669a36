"""How fast the search service answers questions that come at a steady rate, on a Ray head with two CPUs.

    uv run pytest -n 0 -m benchmark -s tests/benchmarks/test_search_service.py

SERVICE_RATES (10,20,40) are the requests a second, SERVICE_SECONDS (30) is the time at each rate, SERVICE_ROWS (20,000)
are the chunks that are searched. The requests come on time, whether the ones before are answered or not, and from this
machine, whose cores also run Ray, Milvus Lite and the client.
"""

import asyncio
import os
import re
import subprocess
import sys
import time
from pathlib import Path

import aiohttp
import numpy as np
import pytest

from embedded.milvus_lite import MilvusLite
from embedded.pdfs import DAYS, LIBRARY, QUESTIONS
from embedded.ports import free_ports
from embedded.processes import base_environment
from embedded.ray_head import RayHead
from ingest.migration.generations import Names, publish
from ingest.milvus.client import connect
from ingest.milvus.schema import DOCUMENTS, ensure_rows
from ingest.models.text_model import find_text_model

RATES = [int(rate) for rate in os.environ.get("SERVICE_RATES", "10,20,40").split(",")]
SECONDS = int(os.environ.get("SERVICE_SECONDS", 30))
ROWS = int(os.environ.get("SERVICE_ROWS", 20_000))
TOKEN = "token-of-the-search-service"
SLOWEST = 0.15
"""Seconds at the first rate in which 95 of 100 requests are to be answered."""
SCRIPTS = Path(__file__).parents[2] / "ray_jobs"
BATCH = 1000

pytestmark = [pytest.mark.benchmark, pytest.mark.timeout(1800)]


def fill(uri, minilm):
    """Chunks with the words of the demo's documents, and vectors of any direction."""
    client, model = connect(uri), find_text_model(minilm)
    names = Names.of("", "pdfs", (DOCUMENTS,), model.identity)
    ensure_rows(client, DOCUMENTS, names.rows[0], model.dimension, model=model.label)
    publish(client, names)
    words = [word for day in DAYS for path in (LIBRARY / day).glob("*.txt") for word in path.read_text("utf-8").split()]
    random = np.random.default_rng(0)
    for start in range(0, ROWS, BATCH):
        vectors = random.standard_normal((BATCH, model.dimension)).astype(np.float32)
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        rows = []
        for number, vector in enumerate(vectors, start):
            place = int(random.integers(0, len(words) - 100))
            rows.append(
                {"id": f"{number:06}", "source": f"s3://b/{number // 20}.pdf", "version": "v", "ordinal": number % 20,
                 "page": number % 20 + 1, "kind": "text", "text": " ".join(words[place : place + 100]),
                 "embedding": vector, "metadata": {}}
            )  # fmt: skip
        client.upsert(names.rows[0], rows)
    client.flush(names.rows[0])


@pytest.fixture(scope="module")
def place(minilm_path, tmp_path_factory):
    """The URI of Milvus, the URL of the service, and the environment for scripts."""
    folder = tmp_path_factory.mktemp("service")
    head = RayHead(folder / "ray", environment={"SEARCH_TOKEN": TOKEN})
    with MilvusLite(folder / "milvus") as milvus, head:
        fill(milvus.uri, minilm_path)
        (port,) = free_ports(1)
        environment = {**base_environment(), **head.client_environment(), "SEARCH_TOKEN": TOKEN}
        flags = ["--milvus-uri", milvus.uri, "--http-port", str(port)]
        command = [sys.executable, str(SCRIPTS / "serve_search.py"), *flags]
        started = time.monotonic()
        subprocess.run(command, env=environment, check=True, timeout=600)
        print(f"\ndeployed in {time.monotonic() - started:.0f} s")
        yield milvus.uri, f"http://127.0.0.1:{port}", environment


def at_rate(url, rate, **fields):
    """The seconds that each answer took, and the number of requests that were not answered."""

    async def run():
        took, failed = [], 0
        headers = {"Authorization": f"Bearer {TOKEN}"}
        async with aiohttp.ClientSession(headers=headers) as session:

            async def ask(number, due):
                nonlocal failed
                await asyncio.sleep(max(0.0, due - time.monotonic()))
                question = f"{QUESTIONS[number % len(QUESTIONS)].text} ({number})"
                async with session.post(f"{url}/search", json={"question": question, **fields}) as response:
                    await response.read()
                    failed += response.status != 200
                    took.append(time.monotonic() - due)

            began = time.monotonic() + 0.1
            await asyncio.gather(*(ask(number, began + number / rate) for number in range(rate * SECONDS)))
        return took, failed

    return asyncio.run(run())


def shown(took):
    half, most, nearly_all = np.percentile(took, [50, 95, 99]) * 1000
    return f"p50 {half:.0f} ms, p95 {most:.0f} ms, p99 {nearly_all:.0f} ms, max {max(took) * 1000:.0f} ms"


def test_questions_at_a_steady_rate(place):
    _, url, _ = place
    at_rate(url, 2)
    slowest = None
    for mode in ("hybrid", "dense", "words"):
        for rate in RATES:
            took, failed = at_rate(url, rate, mode=mode)
            print(f"{mode}, {rate} requests/s over {ROWS:,} chunks: {shown(took)}, {failed} of {len(took)} refused")
            slowest = slowest or np.percentile(took, 95)
    assert slowest < SLOWEST


def test_the_command_line_with_and_without_the_service(place, minilm_path):
    uri, url, environment = place
    for flags in (["--milvus-uri", uri], ["--service", url]):
        command = [sys.executable, str(SCRIPTS / "search.py"), *flags, QUESTIONS[0].text]
        started = time.monotonic()
        done = subprocess.run(command, env=environment, check=True, capture_output=True, text=True, timeout=300)
        assert re.search(r"page \d+ of", done.stdout)
        print(f"search.py {flags[0]}: {time.monotonic() - started:.1f} s")
