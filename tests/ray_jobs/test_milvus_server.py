"""What Milvus Lite does not show: a server answers reads from a moment that it chooses."""

import uuid

import numpy as np
import pytest

from embedded.milvus_server import TOKEN
from ingest.errors import ConfigurationError, ObjectError
from ingest.generations import Names, behind, ensure_ledger, is_staged, publish, switch, widen
from ingest.ledger import ledger_row, read_ledger
from ingest.milvus import connect
from ingest.schema import ensure_documents, ensure_sources

ROUNDS = 5


@pytest.fixture
def client(milvus_server, monkeypatch):
    monkeypatch.setenv("MILVUS_TOKEN", TOKEN)
    return connect(milvus_server.uri)


@pytest.fixture
def ledger(client):
    name = f"ledger_{uuid.uuid4().hex}"
    ensure_sources(client, name, 4)
    yield name
    client.drop_collection(name)


def entry(source):
    return ledger_row(
        source=source, pipeline="pdfs", version="v", size=1, fingerprint="f", run_id="r", attempts=1, rows=0,
        vector=np.zeros(4, np.float32), metadata={}, failure=ObjectError("parse", "Empty", "it is empty"),
    )  # fmt: skip


def test_the_ledger_read_right_after_a_write_shows_what_was_acknowledged(client, ledger):
    for number in range(ROUNDS):
        client.upsert(ledger, [entry(f"s3://b/{number}")])
        assert [known.source for known in read_ledger(client, ledger, "s3://b/", "pdfs")] == [f"s3://b/{number}"]
        client.delete(ledger, filter=f'source in ["s3://b/{number}"]')
        assert list(read_ledger(client, ledger, "s3://b/", "pdfs")) == []


def test_another_model_waits_behind_the_alias_until_the_switch(client):
    prefix = f"g{uuid.uuid4().hex[:12]}_"
    old, new = (Names.of(prefix, "pdfs", "documents", model) for model in ("old", "new"))
    for names, dimension in ((old, 4), (new, 8)):
        ensure_documents(client, names.rows, dimension, model=f"model {dimension}")
        publish(client, names)
    ensure_ledger(client, old.ledger, 4)
    ensure_sources(client, new.staging, 8)
    client.upsert(new.staging, [{**entry("s3://b/1"), "vector": np.ones(8, np.float32)}])
    with pytest.raises(ConfigurationError, match=r"another model \(model 4\)"):
        is_staged(client, new, migrate=False)
    widen(client, new.ledger, 8)
    switch(client, new)
    assert behind(client, f"{prefix}documents") == new.rows
    assert [known.source for known in read_ledger(client, new.ledger, "", "pdfs")] == ["s3://b/1"]
