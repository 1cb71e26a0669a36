"""Simultaneous first runs create the same collections and aliases, and all of them succeed."""

import threading
import uuid
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import pytest

from embedded.milvus_server import TOKEN
from ingest.ledger.alias import ensure_ledger
from ingest.ledger.lease import lease
from ingest.migration.generations import Names, publish
from ingest.migration.steps import prepare_ledger_and_migration
from ingest.milvus.client import alias_target, connect
from ingest.milvus.schema import DOCUMENTS, ensure_rows

ROUNDS = 10
"""Before the fault was mended, 19 of 20 rounds of two runs failed."""


pytestmark = [pytest.mark.tier("parts"), pytest.mark.xdist_group("stores")]


@pytest.fixture(params=["lite", pytest.param("server", marks=pytest.mark.chaos)])
def client(request, monkeypatch):
    if request.param == "lite":
        return request.getfixturevalue("milvus_client")
    monkeypatch.setenv("MILVUS_TOKEN", TOKEN)
    return connect(request.getfixturevalue("milvus_server").uri)


@pytest.fixture
def prefix(client):
    prefix = f"first_{uuid.uuid4().hex[:12]}_"
    yield prefix
    for name in client.list_collections():
        if name.startswith(prefix):
            for alias in client.list_aliases(name)["aliases"]:
                client.drop_alias(alias)
            client.drop_collection(name)


def leases_of(client, prefix):
    return partial(lease, client, prefix, run_id="run", say=lambda line: None)


def test_simultaneous_first_runs_of_one_pipeline_all_succeed(client, prefix):
    together = threading.Barrier(2, timeout=60)

    def first_run(names, leases, source):
        together.wait()
        prepare_ledger_and_migration(client, names, 4, False, leases, print)
        with leases("pdfs", source):
            ensure_rows(client, DOCUMENTS, names.rows[0], 4)
            publish(client, names)
            assert ensure_ledger(client, names.ledger, 4) == 4

    with ThreadPoolExecutor(2) as runs:
        for number in range(ROUNDS):
            own_prefix = f"{prefix}{number}_"
            names = Names.of(own_prefix, "pdfs", (DOCUMENTS,), "model")
            leases = leases_of(client, own_prefix)
            for run in [runs.submit(first_run, names, leases, source) for source in ("s3://b/1/", "s3://b/2/")]:
                run.result()
            assert alias_target(client, names.public[0]) == names.rows[0]
            assert "embedding" in client.list_indexes(names.rows[0])


def test_a_first_run_with_longer_vectors_succeeds_when_another_pipeline_creates_the_ledger_meanwhile(client, prefix):
    long, short = (Names.of(prefix, pipeline, (pipeline,), "model") for pipeline in ("pdfs", "images"))
    prepare_ledger_and_migration(client, long, 8, False, leases_of(client, prefix), print)
    prepare_ledger_and_migration(client, short, 4, False, leases_of(client, prefix), print)
    ensure_ledger(client, short.ledger, 4)
    assert ensure_ledger(client, long.ledger, 8) == 8
