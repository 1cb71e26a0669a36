"""The collections as a real Milvus Lite server creates them."""

import uuid

import numpy as np
import pytest
from pymilvus import DataType

from ingest.common.errors import ConfigurationError
from ingest.milvus.analyzers import ANALYZERS, analyzer_candidates
from ingest.milvus.schema import DOCUMENTS, IndexSettings, ensure_rows, ensure_sources

DIMENSION = 8
DOCUMENT_FIELDS = {
    "id": DataType.VARCHAR, "source": DataType.VARCHAR, "version": DataType.VARCHAR, "ordinal": DataType.INT64,
    "page": DataType.INT64, "kind": DataType.VARCHAR, "text": DataType.VARCHAR, "embedding": DataType.FLOAT_VECTOR,
    "sparse": DataType.SPARSE_FLOAT_VECTOR, "metadata": DataType.JSON,
}  # fmt: skip
SOURCE_FIELDS = {
    "source": DataType.VARCHAR, "pipeline": DataType.VARCHAR, "version": DataType.VARCHAR, "size": DataType.INT64,
    "status": DataType.VARCHAR, "rows": DataType.INT64, "stage": DataType.VARCHAR, "error_type": DataType.VARCHAR,
    "error_message": DataType.VARCHAR, "attempts": DataType.INT64, "fingerprint": DataType.VARCHAR,
    "run_id": DataType.VARCHAR, "updated_at": DataType.INT64, "metadata": DataType.JSON,
    "vector": DataType.FLOAT_VECTOR,
}  # fmt: skip


@pytest.fixture(scope="module")
def client(milvus_client):
    return milvus_client


@pytest.fixture
def name(client):
    """A collection name of its own for each test; the collection is dropped after it."""
    name = f"schema_{uuid.uuid4().hex}"
    yield name
    client.drop_collection(name)


def fields(client, name):
    return {field["name"]: field["type"] for field in client.describe_collection(name)["fields"]}


def insert(client, name, *texts):
    rows = [
        {"id": str(n), "source": "s", "version": "v", "ordinal": n, "page": 1, "kind": "text", "text": text,
         "embedding": np.ones(DIMENSION, np.float32), "metadata": {}}
        for n, text in enumerate(texts)
    ]  # fmt: skip
    client.insert(name, rows)


def found(client, name, question):
    hits = client.search(name, data=[question], anns_field="sparse", limit=10, output_fields=["text"])[0]
    return {hit["entity"]["text"] for hit in hits}


def test_documents_have_the_fields_that_other_programs_rely_on(client, name):
    ensure_rows(client, DOCUMENTS, name, DIMENSION)
    assert fields(client, name) == DOCUMENT_FIELDS
    assert set(client.list_indexes(name)) == {"embedding", "sparse", "source"}
    index = client.describe_index(name, "embedding")
    assert (index["index_type"], index["metric_type"]) == ("HNSW", "COSINE")


def test_sources_have_the_fields_that_other_programs_rely_on(client, name):
    assert ensure_sources(client, name, DIMENSION) == DIMENSION
    assert fields(client, name) == SOURCE_FIELDS


def test_an_existing_collection_is_kept(client, name):
    ensure_rows(client, DOCUMENTS, name, DIMENSION)
    insert(client, name, "kept")
    ensure_rows(client, DOCUMENTS, name, DIMENSION)
    assert found(client, name, "kept") == {"kept"}


def test_documents_of_another_dimension_are_refused(client, name):
    ensure_rows(client, DOCUMENTS, name, DIMENSION)
    with pytest.raises(ConfigurationError, match="holds vectors of 8 dimensions and the model gives 16"):
        ensure_rows(client, DOCUMENTS, name, 16)


def test_a_ledger_accepts_shorter_vectors_and_returns_its_own_dimension(client, name):
    ensure_sources(client, name, 16)
    assert ensure_sources(client, name, DIMENSION) == 16


def test_a_ledger_refuses_longer_vectors(client, name):
    ensure_sources(client, name, DIMENSION)
    with pytest.raises(ConfigurationError, match="holds vectors of 8 dimensions and the model gives 16"):
        ensure_sources(client, name, 16)


def test_a_collection_of_another_program_is_refused(client, name):
    client.create_collection(name, dimension=DIMENSION)
    with pytest.raises(ConfigurationError, match="not made by this program"):
        ensure_rows(client, DOCUMENTS, name, DIMENSION)


@pytest.mark.parametrize("analyzer", ["auto", "jieba"])
def test_words_inside_a_chinese_sentence_are_found(client, name, analyzer):
    ensure_rows(client, DOCUMENTS, name, DIMENSION, analyzer)
    insert(client, name, "冲泡云岭绿茶的水温是八十度", "木星有许多卫星")
    assert found(client, name, "绿茶") == {"冲泡云岭绿茶的水温是八十度"}


def test_english_words_are_found_in_any_letter_case_beside_chinese(client, name):
    ensure_rows(client, DOCUMENTS, name, DIMENSION)
    insert(client, name, "用 Ray 处理数据", "another text")
    assert found(client, name, "ray") == {"用 Ray 处理数据"}


def test_an_analyzer_may_be_given_as_json(client, name):
    ensure_rows(client, DOCUMENTS, name, DIMENSION, '{"tokenizer": "standard", "filter": ["lowercase"]}')
    insert(client, name, "Lamp and boat", "nothing")
    assert found(client, name, "lamp") == {"Lamp and boat"}


def test_a_tokenizer_that_the_server_lacks_is_a_configuration_error(client, name):
    with pytest.raises(ConfigurationError, match="--analyzer"):
        ensure_rows(client, DOCUMENTS, name, DIMENSION, '{"tokenizer": "no_such_tokenizer"}')
    assert not client.has_collection(name)


@pytest.mark.parametrize("choice", ["klingon", "[1]", '"standard"', "{"])
def test_an_unknown_analyzer_is_a_configuration_error(choice):
    with pytest.raises(ConfigurationError, match="--analyzer"):
        analyzer_candidates(choice, lite=True)


def test_the_analyzer_of_a_server_prefers_icu_and_falls_back():
    assert analyzer_candidates("auto", lite=False) == [ANALYZERS["icu"], ANALYZERS["standard"]]


@pytest.mark.parametrize("kind", ["IVF_PQ", "SCANN", "DISKANN", "hnsw", ""])
def test_index_types_that_lite_accepts_but_answers_wrongly_are_refused(kind):
    with pytest.raises(ConfigurationError, match="--index-type"):
        IndexSettings(kind, {})


@pytest.mark.parametrize("kind", ["FLAT", "AUTOINDEX"])
def test_other_indexes_can_be_chosen(client, name, kind):
    ensure_rows(client, DOCUMENTS, name, DIMENSION, index=IndexSettings(kind, {}))
    assert client.describe_index(name, "embedding")["index_type"] == kind


def ensure_documents(client, name, dimension):
    ensure_rows(client, DOCUMENTS, name, dimension)


@pytest.mark.parametrize("ensure", [ensure_documents, ensure_sources])
def test_missing_indexes_of_an_interrupted_creation_are_added(client, name, ensure, monkeypatch):
    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(client, "create_index", lambda *_, **__: (_ for _ in ()).throw(KeyboardInterrupt))
        ensure(client, name, DIMENSION)
    assert client.list_indexes(name) == []
    ensure(client, name, DIMENSION)
    assert {"documents": {"embedding", "sparse", "source"}, "sources": {"vector"}}[
        ensure.__name__.removeprefix("ensure_")
    ] == set(client.list_indexes(name))


@pytest.mark.parametrize(
    ("key", "more", "metric", "problem"),
    [
        (DataType.INT64, (), "COSINE", "lacks the field 'id'"),
        (DataType.VARCHAR, ("page", "kind"), "COSINE", "lacks the field 'ordinal'"),
        (DataType.VARCHAR, ("ordinal", "page", "kind", "title"), "COSINE", "has a field 'title'"),
        (DataType.VARCHAR, ("ordinal", "page", "kind"), "L2", "metric L2"),
    ],
    ids=["key", "missing", "more", "metric"],
)
def test_a_collection_with_other_fields_or_another_metric_is_refused(client, name, key, more, metric, problem):
    schema = client.create_schema()
    schema.add_field("id", key, is_primary=True, max_length=64)
    for field in ("source", "version", "text", *more):
        kind = DataType.INT64 if field in ("ordinal", "page") else DataType.VARCHAR
        schema.add_field(field, kind, max_length=64)
    schema.add_field("embedding", DataType.FLOAT_VECTOR, dim=DIMENSION)
    schema.add_field("metadata", DataType.JSON)
    indexes = client.prepare_index_params()
    indexes.add_index("embedding", index_type="FLAT", metric_type=metric)
    client.create_collection(name, schema=schema, index_params=indexes)
    with pytest.raises(ConfigurationError, match=problem):
        ensure_rows(client, DOCUMENTS, name, DIMENSION)
