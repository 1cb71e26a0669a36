"""A real Milvus server (2.3.5, the last release that a Python package contains).

Unlike Milvus Lite it may answer reads from an earlier moment, and it asks for a token.
"""

import uuid

import numpy as np
import pytest
from pymilvus.exceptions import MilvusException

from embedded.milvus_server import TOKEN
from filter_cases import CASES, FilteredRows
from ingest.common.errors import ConfigurationError, ObjectError, UnreachableError
from ingest.common.failures import Failure
from ingest.ledger.alias import ensure_ledger, widen
from ingest.ledger.diff import Change
from ingest.ledger.entries import ledger_row, read_ledger
from ingest.ledger.parts import ObjectPart, Target
from ingest.ledger.writer import ObjectWriter
from ingest.migration.generations import Names, is_staged, publish, switch
from ingest.milvus.client import alias_target, connect, is_lite, query_pages
from ingest.milvus.schema import DOCUMENTS, VIDEO_SEGMENTS, ensure_rows, ensure_sources, has_full_text
from ingest.search.context import with_context
from ingest.search.hits import PageHit, SpokenHit
from ingest.search.query import BY_DEFAULT

ROUNDS = 3


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
        vector=np.zeros(4, np.float32), metadata={}, failure=ObjectError(Failure.EMPTY, "it is empty"),
    )  # fmt: skip


def test_reading_the_ledger_right_after_a_write_shows_the_acknowledged_rows(client, ledger):
    for number in range(ROUNDS):
        client.upsert(ledger, [entry(f"s3://b/{number}")])
        assert [known.source for known in read_ledger(client, ledger, "s3://b/", "pdfs")] == [f"s3://b/{number}"]
        client.delete(ledger, filter=f'source in ["s3://b/{number}"]')
        assert list(read_ledger(client, ledger, "s3://b/", "pdfs")) == []


@pytest.mark.nightly
def test_searches_use_another_models_rows_only_after_the_switch(client):
    prefix = f"g{uuid.uuid4().hex[:12]}_"
    old, new = (Names.of(prefix, "pdfs", ("documents",), model) for model in ("old", "new"))
    for names, dimension in ((old, 4), (new, 8)):
        ensure_rows(client, DOCUMENTS, names.rows[0], dimension, model=f"model {dimension}")
        publish(client, names)
    ensure_ledger(client, old.ledger, 4)
    ensure_sources(client, new.staging, 8)
    client.upsert(old.ledger, [{**entry("s3://b/1"), "vector": np.ones(4, np.float32)}])
    client.upsert(new.staging, [{**entry("s3://b/1"), "vector": np.ones(8, np.float32)}])
    with pytest.raises(ConfigurationError, match=r"another model \(model 4\)"):
        is_staged(client, new, migrate=False)
    widen(client, new.ledger, 8)
    switch(client, new)
    assert alias_target(client, f"{prefix}documents") == new.rows[0]
    assert [known.source for known in read_ledger(client, new.ledger, "", "pdfs")] == ["s3://b/1"]


@pytest.mark.parametrize(
    "refused",
    [
        {"text": "文" * 30_000},
        pytest.param({"metadata": {"title": "文" * 30_000}}, marks=pytest.mark.nightly),
        pytest.param({"kind": "x" * 17}, marks=pytest.mark.nightly),
    ],
    ids=["text", "metadata", "kind"],
)
def test_the_object_of_a_row_that_the_server_refuses_fails_alone(client, ledger, monkeypatch, refused):
    monkeypatch.setattr("ingest.ledger.writer.refusal", lambda part: None)  # that would find them before the server
    name = f"rows_{uuid.uuid4().hex}"
    ensure_rows(client, DOCUMENTS, name, 4)
    good = {"page": 1, "kind": "text", "text": "text", "metadata": {}}
    vectors = np.ones((1, 4), np.float32)
    parts = [
        ObjectPart(f"s3://b/{n}", "v", 1, 0, Change.NEW, totals=(1,), rows=[row], vectors=vectors)
        for n, row in enumerate([good, {**good, **refused}, good, good])
    ]
    outcome = ObjectWriter(client, Target((name,), ledger, 4, "pdfs", "f", "run", clean_new=False)).write(parts)
    assert (outcome.ok, outcome.rows_written) == (3, 3)
    ((failure),) = outcome.failures
    assert (failure["source"], failure["error_type"]) == ("s3://b/1", "NotStorable")
    client.drop_collection(name)


@pytest.mark.nightly
def test_the_writer_waits_for_a_server_that_limits_the_write_rate(client):
    name, ledger, rows, dimension = f"rows_{uuid.uuid4().hex}", f"ledger_{uuid.uuid4().hex}", 500, 512
    ensure_rows(client, DOCUMENTS, name, dimension)
    ensure_sources(client, ledger, dimension)
    one = [{"page": 1, "kind": "text", "text": "text", "metadata": {}}] * rows
    vectors = np.ones((rows, dimension), np.float32)
    parts = [
        ObjectPart(f"s3://b/{n}", "v", 1, 0, Change.NEW, totals=(rows,), rows=one, vectors=vectors) for n in range(3)
    ]  # 1 MB each, which is what a second may bring
    for part in parts:
        ObjectWriter(client, Target((name,), ledger, dimension, "pdfs", "f", "run", clean_new=False)).write([part])
    again = [
        {"id": str(n), "source": "s", "version": "v", "ordinal": n, "embedding": vectors[n], **one[n]}
        for n in range(rows)
    ]
    with pytest.raises(MilvusException, match="rate limit"):  # so there is one
        for _ in range(ROUNDS):
            client.upsert(name, again, retry_on_rate_limit=False)
    client.delete(name, filter='source == "s"')
    found = client.query(name, filter='id != ""', output_fields=["source"], limit=16_000, consistency_level="Strong")
    assert len(found) == 3 * rows


# --- its token

RIGHT, WRONG = TOKEN, "root:wrong-token-value"


def test_the_right_token_is_accepted(milvus_server, monkeypatch):
    monkeypatch.setenv("MILVUS_TOKEN", RIGHT)
    assert not is_lite(connect(milvus_server.uri))


def test_the_error_for_a_wrong_token_suspects_the_token(milvus_server, monkeypatch):
    monkeypatch.setenv("MILVUS_TOKEN", WRONG)
    with pytest.raises(UnreachableError) as caught:
        connect(milvus_server.uri)
    assert "a wrong MILVUS_TOKEN can look the same" in str(caught.value)
    assert "wrong-token-value" not in str(caught.value)


@pytest.mark.nightly
def test_a_wrong_token_ends_the_script_with_one_line_without_the_secret(milvus_server, plain_jobs):
    flags = ["--source", "s3://ray-jobs-ingest/x/", "--milvus-uri", milvus_server.uri]
    result = plain_jobs.run("ingest_pdfs.py", *flags, MILVUS_TOKEN=WRONG)
    assert result.code == 4
    assert "a wrong MILVUS_TOKEN can look the same" in result.error
    assert "wrong-token-value" not in result.stdout + result.stderr


@pytest.mark.nightly
def test_a_missing_token_is_refused_too(milvus_server, plain_jobs):
    flags = ["--source", "s3://ray-jobs-ingest/x/", "--milvus-uri", milvus_server.uri]
    assert plain_jobs.run("ingest_pdfs.py", *flags, MILVUS_TOKEN="").code == 4


def test_a_database_in_the_uri_is_that_database(milvus_server, client):
    with pytest.raises(ConfigurationError, match="does not have this database"):
        connect(f"{milvus_server.uri}/team_a")
    client.create_database("team_a")
    name = f"rows_{uuid.uuid4().hex}"
    ensure_rows(client, DOCUMENTS, name, 4)
    ours = connect(f"{milvus_server.uri}/team_a")
    assert ours.list_collections() == []
    ensure_rows(ours, DOCUMENTS, name, 4)
    row = {
        "id": "1",
        "source": "s",
        "version": "v",
        "ordinal": 0,
        "page": 1,
        "kind": "text",
        "text": "t",
        "metadata": {},
    }
    ours.upsert(name, [{**row, "embedding": np.ones(4, np.float32)}])
    counts = [[len(page) for page in query_pages(each, name, 'id != ""', ["id"])] for each in (ours, client)]
    assert counts == [[1], []]
    ours.drop_collection(name)
    assert client.has_collection(name)


def test_filters_find_the_same_rows_as_in_milvus_lite(client):
    rows = FilteredRows(client)
    assert {str(conditions): rows.found(conditions) for conditions, _ in CASES} == {
        str(conditions): expected for conditions, expected in CASES
    }
    rows.drop()


def test_contexts_are_found_as_in_milvus_lite(client):
    pages, passages = (f"context_{uuid.uuid4().hex}" for _ in range(2))
    row = {"version": "v", "metadata": {}, "embedding": np.ones(4, np.float32), "source": 'a "b"'}
    numbered = [{**row, "id": str(n), "ordinal": n, "text": f"chunk {n}"} for n in range(6)]
    ensure_rows(client, DOCUMENTS, pages, 4)
    ensure_rows(client, VIDEO_SEGMENTS, passages, 4)
    client.upsert(pages, [{**each, "page": each["ordinal"] // 2, "kind": "text"} for each in numbered])
    client.upsert(passages, [{**each, "start": 50.0 * n, "end": 50.0 * n + 9} for n, each in enumerate(numbered)])
    (page,) = with_context(client, pages, [PageHit('a "b"', "v", 1, "chunk 3", 1.0)], BY_DEFAULT)
    (passage,) = with_context(client, passages, [SpokenHit('a "b"', "v", 0.0, 9.0, "chunk 0", 1.0)], BY_DEFAULT)
    assert (page.context, passage.context) == ("chunk 2\nchunk 3", "chunk 0\nchunk 1")
    client.drop_collection(pages)
    client.drop_collection(passages)


def test_an_old_server_is_no_place_for_partitions(client):
    with pytest.raises(ConfigurationError, match=r"--partition-key tenant takes Milvus 2\.5"):
        ensure_rows(client, DOCUMENTS, f"rows_{uuid.uuid4().hex}", 4, partition_key="tenant")


def test_a_server_without_full_text_search_is_searched_by_meaning(client):
    name = f"rows_{uuid.uuid4().hex}"
    ensure_rows(client, DOCUMENTS, name, 4)
    assert not has_full_text(client, name)
