"""The cost of the days before its own in a daily run that finds them all unchanged: four days against one.

uv run pytest -n 0 -m benchmark -s tests/benchmarks/test_lookback_cost.py
"""

import json
import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from embedded.processes import base_environment
from full_ledger import fill_ledger
from ingest.ledger.alias import ensure_ledger
from ingest.milvus.client import connect
from ingest.store.object_store import list_objects
from store_client import store_client

OBJECTS = int(os.environ.get("LOOKBACK_OBJECTS", 1000))
DAYS = ["2026-01-31", "2026-01-30", "2026-01-29", "2026-01-28"]
ROUNDS = 3
BUCKET = "lookback-cost"
DIMENSION = 384

pytestmark = [pytest.mark.benchmark, pytest.mark.timeout(1800)]


@pytest.fixture
def run(object_store, milvus, minilm_path):
    """Runs ingest_pdfs.py over some days, in a process of its own and without a Ray head; returns its report."""
    script = Path(__file__).parents[2] / "ray_jobs" / "ingest_pdfs.py"
    environment = {**base_environment(), **object_store.environment(), "AWS_EC2_METADATA_DISABLED": "true"}
    environment["RAY_ADDRESS"] = "127.0.0.1:1"

    def ingest(days, *flags):
        sources = [f"--source=s3://{BUCKET}/pdfs/{day}/" for day in days]
        models = ["--milvus-uri", milvus.uri, "--collection", "lookback_", "--embedding-model", minilm_path]
        command = [sys.executable, script, *sources, *models, *flags]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
        return json.loads(done.stdout.splitlines()[-1].removeprefix("REPORT "))

    object_store.bucket(BUCKET)
    keys = [f"pdfs/{day}/{number:06}.pdf" for day in DAYS for number in range(OBJECTS)]
    client = object_store.client()
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda key: client.put_object(Bucket=BUCKET, Key=key, Body=key.encode()), keys))
    fingerprint = ingest(DAYS[:1], "--dry-run")["fingerprint"]
    ledger = connect(milvus.uri)
    ensure_ledger(ledger, "lookback_sources", DIMENSION)
    with store_client(object_store.environment()):
        listed = list(list_objects(f"s3://{BUCKET}/pdfs/", (".pdf",)))
    fill_ledger(ledger, "lookback_sources", listed, fingerprint, DIMENSION)
    return ingest


def test_unchanged_days_cost_their_listing(run, object_store, milvus):
    def cpu_seconds():
        own = os.times()
        parts = [process.cpu_times() for part in (object_store, milvus) for process in part.members()]
        return own.children_user + own.children_system + sum(part.user + part.system for part in parts)

    seconds = {1: [], 4: []}
    for _ in range(ROUNDS + 1):
        for days, found in seconds.items():
            started, cpu = time.perf_counter(), cpu_seconds()
            report = run(DAYS[:days])
            found.append((time.perf_counter() - started, cpu_seconds() - cpu, report["stages"]["list"]["seconds"]))
            assert report["unchanged"] == days * OBJECTS
            assert set(report["stages"]) == {"list"}
    print()
    for days, found in seconds.items():  # the first round warms up
        wall, cpu, listing = (sorted(each)[ROUNDS // 2] for each in zip(*found[1:], strict=True))
        print(f"{days} x {OBJECTS} objects: {wall:.2f} s, of which listing {listing:.2f} s; {cpu:.2f} CPU seconds")
    assert min(found[0] for found in seconds[4][1:]) < 2 * min(found[0] for found in seconds[1][1:])
