"""The ledger is read from a real Milvus Lite server by prefix and in order."""

import uuid

import numpy as np
import pytest

from ingest.common.errors import ObjectError
from ingest.common.failures import Failure
from ingest.ledger.entries import UNFINISHED, count_failed, ledger_row, read_ledger
from ingest.milvus.expressions import literal, prefix_filter
from ingest.milvus.schema import ensure_sources

KEYS = [
    "s3://b/day-1/a.pdf", "s3://b/day-1/a%b_c.pdf", "s3://b/day-1/文.pdf", "s3://b/day-1/🙂.pdf", "s3://b/day-1/é.pdf",
    "s3://b/day-1/\uffee.pdf", 's3://b/day-1/"q".pdf', "s3://b/day-1/back\\slash.pdf", "s3://b/day-10/a.pdf",
    "s3://b/day-1", "s3://b/day_1/a.pdf", "s3://b2/a.pdf", "s3://b-2/a.pdf", "file:///data/a.pdf",
]  # fmt: skip


def row(source, pipeline="pdfs", failure=None, metadata=None, attempts=2):
    return ledger_row(
        source=source, pipeline=pipeline, version="v1", size=5, fingerprint="f1", run_id="run", rows=0,
        attempts=attempts, vector=np.zeros(4, np.float32), metadata=metadata or {}, failure=failure,
    )  # fmt: skip


@pytest.fixture(scope="module")
def client(milvus_client):
    return milvus_client


@pytest.fixture(scope="module")
def ledger(client):
    name = f"ledger_{uuid.uuid4().hex}"
    ensure_sources(client, name, 4)
    client.upsert(name, [row(key) for key in KEYS] + [row("s3://b/day-1/photo.jpg", "images")])
    yield name
    client.drop_collection(name)


@pytest.mark.parametrize(
    "prefix", ["s3://b/day-1/", "s3://b/", "s3://", "file:///data/", "s3://b/day-1/文", "s3://none/"]
)
def test_entries_under_a_prefix_are_in_code_point_order(client, ledger, prefix):
    found = [entry.source for entry in read_ledger(client, ledger, prefix, "pdfs")]
    assert found == sorted(key for key in KEYS if key.startswith(prefix))


@pytest.mark.parametrize("last", ["a", "/", "\ud7ff", "\U0010ffff", "🙂", '"', "\\"], ids=ascii)
def test_the_prefix_filter_matches_exactly_the_sources_with_the_prefix(client, last):
    name = f"ledger_{uuid.uuid4().hex}"
    ensure_sources(client, name, 4)
    inside = [f"x{last}", f"x{last}z", f"x{last}\U0010ffff"]
    outside = ["w\U0010ffff", "x", "y"]
    client.upsert(name, [row(source) for source in inside + outside])
    found = client.query(name, filter=prefix_filter(f"x{last}"), output_fields=["source"], consistency_level="Strong")
    client.drop_collection(name)
    assert {entry["source"] for entry in found} - {"y"} == set(inside)
    assert last == "\U0010ffff" or len(found) == len(inside)


def test_each_pipeline_reads_only_its_own_entries(client, ledger):
    assert [entry.source for entry in read_ledger(client, ledger, "s3://b/", "images")] == ["s3://b/day-1/photo.jpg"]


def test_a_ledger_that_does_not_exist_is_empty(client):
    assert list(read_ledger(client, "no_such_ledger", "s3://b/", "pdfs")) == []


def test_more_entries_than_a_page_are_complete_and_in_order(client, monkeypatch):
    monkeypatch.setattr("ingest.milvus.client.LITE_PAGE", 500)
    name = f"ledger_{uuid.uuid4().hex}"
    ensure_sources(client, name, 4)
    keys = [f"s3://b/{number:05}" for number in range(1001)]
    for start in range(0, len(keys), 1000):
        client.upsert(name, [row(key) for key in reversed(keys[start : start + 1000])])
    found = [entry.source for entry in read_ledger(client, name, "s3://b/", "pdfs")]
    client.drop_collection(name)
    assert found == keys


def test_any_key_may_be_the_last_of_a_page(client, monkeypatch):
    monkeypatch.setattr("ingest.milvus.client.LITE_PAGE", 2)
    name = f"ledger_{uuid.uuid4().hex}"
    ensure_sources(client, name, 4)
    odd = ['double"quote', "back\\slash", "back\\nslash", "new\nline", "tab\t", "trail\\", '\\"', "'", "plain", "文🙂"]
    keys = sorted(f"s3://b/{key}" for key in odd)
    for skip in (0, 1):  # so that each of them is the last of a page once
        client.upsert(name, [row(key) for key in keys[skip:]])
        found = [entry.source for entry in read_ledger(client, name, "s3://b/", "pdfs")]
        assert found == keys[skip:]
        client.delete(name, filter=f"source == {literal(keys[0])}")
    client.drop_collection(name)


def test_an_entry_says_whether_the_object_is_done(client):
    name = f"ledger_{uuid.uuid4().hex}"
    ensure_sources(client, name, 4)
    failed = row("s3://b/b", failure=ObjectError(Failure.EMPTY, "the file is empty"))
    client.upsert(name, [row("s3://b/a"), failed, row("s3://b/c", metadata={"pages": 1, UNFINISHED: True})])
    entries = list(read_ledger(client, name, "s3://b/", "pdfs"))
    client.drop_collection(name)
    assert [(entry.ok, entry.finished) for entry in entries] == [(True, True), (False, True), (True, False)]
    assert {(entry.version, entry.fingerprint, entry.attempts) for entry in entries} == {("v1", "f1", 2)}


def test_objects_count_as_failed_once_no_run_retries_them(client):
    name = f"ledger_{uuid.uuid4().hex}"
    assert count_failed(client, name, "pdfs") == 0  # before its first run
    ensure_sources(client, name, 4)
    permanent, may_pass = (ObjectError(failure, "a reason") for failure in (Failure.ENCRYPTED, Failure.CRASHED))
    rows = [
        row("s3://b/1.pdf", failure=permanent, attempts=1),
        row("s3://b/2.pdf", failure=may_pass, attempts=2),
        row("s3://b/3.pdf", failure=may_pass, attempts=3),
        row("s3://b/4.pdf"),
        row("s3://b/5.jpg", "images", failure=permanent),
    ]
    unknown = row("s3://b/6.pdf", failure=may_pass, attempts=1) | {"error_type": "OfAnotherRevision"}
    client.upsert(name, [*rows, unknown])
    count = count_failed(client, name, "pdfs")
    client.drop_collection(name)
    assert count == 3
