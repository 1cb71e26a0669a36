"""What finding out that nothing changed costs, against the bare listing of the store: 100,000 objects.

uv run pytest -m benchmark -s tests/benchmarks/test_diff_cost.py
"""

import os
import time
import tracemalloc
from concurrent.futures import ThreadPoolExecutor

import pytest

from full_ledger import fill_ledger
from ingest.ledger.diff import Change, diff
from ingest.ledger.entries import read_ledger
from ingest.milvus.schema import ensure_sources
from ingest.store.object_store import list_objects

OBJECTS = int(os.environ.get("DIFF_OBJECTS", 100_000))
SOURCE = "s3://diff-cost/pdfs/"
LEDGER = "diff_cost_sources"
ROUNDS = 3
FINGERPRINT = "f"

pytestmark = [pytest.mark.benchmark, pytest.mark.timeout(3600)]


@pytest.fixture(scope="module")
def client(object_store, milvus):
    """The store's objects, all of which the ledger has as done."""
    with pytest.MonkeyPatch.context() as patched:
        for name, value in object_store.environment().items():
            patched.setenv(name, value)
        object_store.bucket("diff-cost")
        store = object_store.client()

        def put(numbers):
            for number in numbers:
                key = f"pdfs/2026-{1 + number % 12:02}/{number:07}.pdf"
                store.put_object(Bucket="diff-cost", Key=key, Body=b"%d" % number)

        with ThreadPoolExecutor(8) as pool:
            list(pool.map(put, [range(first, OBJECTS, 8) for first in range(8)]))
        from ingest.milvus.client import connect

        client = connect(milvus.uri)
        ensure_sources(client, LEDGER, 2)
        fill_ledger(client, LEDGER, list_objects(SOURCE, (".pdf",)), FINGERPRINT, 2)
        yield client


def bare():
    """The listing as anyone gets it from boto3."""
    import boto3

    pages = boto3.client("s3").get_paginator("list_objects_v2").paginate(Bucket="diff-cost", Prefix="pdfs/")
    return sum(len(page["Contents"]) for page in pages)


def whole(client):
    differences = diff(list_objects(SOURCE, (".pdf",)), read_ledger(client, LEDGER, SOURCE, "pdfs"), FINGERPRINT)
    return sum(difference.change is Change.UNCHANGED for difference in differences)


def seconds(work):
    started = time.perf_counter()
    assert work() == OBJECTS
    return time.perf_counter() - started


def test_a_run_without_changes_costs_little_more_than_the_listing(client, figures):
    listing, difference = [], []
    for _ in range(ROUNDS):
        listing.append(seconds(bare))
        difference.append(seconds(lambda: whole(client)))
    ratio = min(difference) / min(listing)
    million = 10_000_000 / OBJECTS
    figures.note(
        "again", "nothing changed", ratio, f"{OBJECTS} objects: bare listing {min(listing):.1f} s, diff "
        f"{min(difference):.1f} s; 10 million: {min(listing) * million / 60:.0f} and "
        f"{min(difference) * million / 60:.0f} minutes"
    )  # fmt: skip
    tracemalloc.start()
    whole(client)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    print(f"peak of Python's memory in a diff: {peak / 1e6:.1f} MB")
    assert ratio < 1.5
    assert peak < 50_000_000
