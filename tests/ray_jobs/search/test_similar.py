"""More like this: objects by the vectors of the ledger, those of one model and one pipeline alone."""

import uuid

import numpy as np
import pytest

from ingest.common.errors import ConfigurationError, ObjectError, UnreachableError
from ingest.common.failures import Failure
from ingest.ledger.alias import ensure_ledger
from ingest.ledger.entries import ledger_row
from ingest.migration.generations import Names, publish
from ingest.milvus.filters import written
from ingest.milvus.schema import DOCUMENTS, VIDEO_FRAMES, VIDEO_SEGMENTS, ensure_rows, ensure_sources
from ingest.search.similar import CANDIDATES, similar_sources

DIMENSION = 4


def entry(source, pipeline, vector, failure=None, **owner):
    padded = np.zeros(DIMENSION, np.float32)
    padded[: len(vector)] = vector
    return ledger_row(
        source=source, pipeline=pipeline, version="v", size=1, fingerprint="f", run_id="r", attempts=1,
        rows=0 if failure or not padded.any() else 1, vector=padded, metadata={"owner": owner}, failure=failure,
    )  # fmt: skip


@pytest.fixture(scope="module")
def prefix(milvus_client):
    """PDFs and recordings; of these, the silent ones have vectors of another model, which look like those of speech."""
    prefix = f"similar_{uuid.uuid4().hex[:8]}_"
    made = []
    for pipeline, collections in (("pdfs", (DOCUMENTS,)), ("videos", (VIDEO_SEGMENTS, VIDEO_FRAMES))):
        names = Names.of(prefix, pipeline, collections, "model")
        for collection, rows in zip(collections, names.rows, strict=True):
            ensure_rows(milvus_client, collection, rows, DIMENSION)
        publish(milvus_client, names)
        made.append(names)
    ledger = made[0].ledger
    ensure_ledger(milvus_client, ledger, DIMENSION)
    milvus_client.upsert(
        ledger,
        [
            entry("s3://b/cats.pdf", "pdfs", [1, 0.1]),
            entry('s3://b/cat\'s "best".pdf', "pdfs", [1, 0.2]),
            entry("s3://b/dogs.pdf", "pdfs", [0.2, 1]),
            entry("s3://b/empty.pdf", "pdfs", []),
            entry("s3://b/broken.pdf", "pdfs", [], ObjectError(Failure.DAMAGED, "it is damaged")),
            entry("s3://b/cats.mp4", "videos", [1, 0.1]),
            entry("s3://b/dogs.mp4", "videos", [0.2, 1]),
            entry("s3://b/silent cats.mp4", "videos", [1, 0.1]),
            entry("s3://b/silent dogs.mp4", "videos", [0.2, 1]),
        ],
    )
    spoken = [
        {"id": name, "source": f"s3://b/{name}.mp4", "version": "v", "ordinal": 0, "start": 0.0, "end": 1.0,
         "text": name, "embedding": [1, 0, 0, 0], "metadata": {}}
        for name in ("cats", "dogs")
    ]  # fmt: skip
    milvus_client.upsert(made[1].rows[0], spoken)
    yield prefix
    for names in made:
        for public, rows in zip(names.public, names.rows, strict=True):
            milvus_client.drop_alias(public)
            milvus_client.drop_collection(rows)


def test_the_nearest_object_of_the_pipeline_comes_first_without_itself(milvus_client, prefix):
    found = similar_sources(milvus_client, prefix, "s3://b/cats.pdf")
    assert [each.source for each in found] == ['s3://b/cat\'s "best".pdf', "s3://b/dogs.pdf"]
    assert 1 >= found[0].score > 0.9 > found[1].score
    assert [each.source for each in similar_sources(milvus_client, prefix, 's3://b/cat\'s "best".pdf', 1)] == [
        "s3://b/cats.pdf"
    ]


@pytest.mark.parametrize(
    ("source", "similar"),
    [("s3://b/cats.mp4", "s3://b/dogs.mp4"), ("s3://b/silent cats.mp4", "s3://b/silent dogs.mp4")],
)
def test_speech_is_not_compared_with_pictures(milvus_client, prefix, source, similar):
    assert [each.source for each in similar_sources(milvus_client, prefix, source)] == [similar]


@pytest.mark.parametrize(
    ("source", "sentence"),
    [
        ("s3://b/never.pdf", "s3://b/never.pdf was never ingested"),
        ("s3://b/empty.pdf", "nothing of s3://b/empty.pdf is searchable"),
        ("s3://b/broken.pdf", "nothing of s3://b/broken.pdf is searchable"),
    ],
)
def test_what_has_no_vector_is_named(milvus_client, prefix, source, sentence):
    with pytest.raises(ConfigurationError, match=sentence):
        similar_sources(milvus_client, prefix, source)


def test_nothing_is_compared_while_the_ledger_has_the_vectors_of_two_models(milvus_client, prefix):
    staging = Names.of(prefix, "pdfs", (DOCUMENTS,), "model").staging
    ensure_sources(milvus_client, staging, DIMENSION)
    with pytest.raises(UnreachableError, match="the pdfs are being switched to another model"):
        similar_sources(milvus_client, prefix, "s3://b/cats.pdf")
    milvus_client.drop_collection(staging)


def test_without_a_ledger_nothing_was_ingested(milvus_client):
    with pytest.raises(ConfigurationError, match="there is no collection 'never_made_sources': nothing was ingested"):
        similar_sources(milvus_client, "never_made_", "s3://b/cats.pdf")


@pytest.fixture(scope="module")
def owned(milvus_client):
    """More PDFs than are looked at first, each a little further from `s3://b/0.pdf` than the one before it."""
    prefix = f"similar_{uuid.uuid4().hex[:8]}_"
    names = Names.of(prefix, "pdfs", (DOCUMENTS,), "model")
    ensure_rows(milvus_client, DOCUMENTS, names.rows[0], DIMENSION)
    publish(milvus_client, names)
    ensure_ledger(milvus_client, names.ledger, DIMENSION)
    count = CANDIDATES + 20
    owners = [{"tenant": "acme", "draft": 1} for _ in range(count - 2)]
    owners += [{"tenant": "globex", "draft": True}, {"tenant": "globex", "draft": 1}]
    entries, rows = [], []
    for number, owner in enumerate(owners):
        source = f"s3://b/{number}.pdf"
        entries.append(entry(source, "pdfs", [1, number / 100], **owner))
        metadata = {"owner": owner, "date": "2026-01-31" if number < count - 1 else "2026-02-01", "language": "en"}
        rows.append(
            {"id": source, "source": source, "version": "v", "ordinal": 0, "page": 1, "kind": "text", "text": "cat",
             "embedding": [1, 0, 0, 0], "metadata": metadata}
        )  # fmt: skip
    milvus_client.upsert(names.ledger, entries)
    milvus_client.upsert(names.rows[0], rows)
    yield prefix, count
    milvus_client.drop_alias(names.public[0])
    milvus_client.drop_collection(names.rows[0])


@pytest.mark.parametrize(
    ("conditions", "from_the_end"),
    [
        (["tenant=globex"], [2, 1]),
        (["draft=true"], [2]),
        (["date>=2026-02-01"], [1]),
        (["tenant=globex", "date=2026-01-31", "language=en", "pipeline=pdfs"], [2]),
        (["language=de"], []),
        (["pipeline=images"], []),
    ],
)
def test_only_objects_that_fulfil_the_conditions_are_similar(milvus_client, owned, conditions, from_the_end):
    prefix, count = owned
    found = similar_sources(milvus_client, prefix, "s3://b/0.pdf", 2, conditions=written(conditions))
    assert [each.source for each in found] == [f"s3://b/{count - number}.pdf" for number in from_the_end]
