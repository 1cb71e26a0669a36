"""Results are found again for the same object, version, settings and revision, and go when their object goes."""

from dataclasses import replace
from pathlib import Path

import boto3
import pyarrow as pa
import pytest

from ingest.common.errors import ConfigurationError, UnreachableError
from ingest.store import object_store as our_store
from ingest.store.parse_cache import ParseCache, normalise_cache

TABLE = pa.table({"text": ["a", "b"]}).replace_schema_metadata({"own": "metadata"})
SOURCE = "s3://bucket/day/a.pdf"


@pytest.fixture
def cache(tmp_path):
    return ParseCache(normalise_cache(str(tmp_path / "kept")), "pdfs", "pages", {"ocr": True}, "1")


def files(cache):
    return [path for path in Path(cache.uri).rglob("*") if path.is_file()]


def test_a_result_comes_back_with_its_metadata(cache):
    assert cache.load(SOURCE, "v1") is None
    cache.save(SOURCE, "v1", TABLE)
    found = cache.load(SOURCE, "v1")
    assert found.equals(TABLE)
    assert found.schema.metadata[b"own"] == b"metadata"


@pytest.mark.parametrize(
    "change",
    [{"revision": "2"}, {"settings": {"ocr": False}}, {"kind": "captions"}, {"pipeline": "videos"}, {"reads": False}],
)
def test_results_of_another_making_are_none(cache, change):
    cache.save(SOURCE, "v1", TABLE)
    assert replace(cache, **change).load(SOURCE, "v1") is None


def test_results_of_other_versions_objects_and_parts_are_none(cache):
    cache.save(SOURCE, "v1", TABLE)
    assert [cache.load(SOURCE, "v2"), cache.load(SOURCE + "x", "v1"), cache.load(SOURCE, "v1", 1)] == [None] * 3


def test_a_new_version_or_revision_takes_the_place_of_the_old_one(cache):
    cache.save(SOURCE, "v1", TABLE)
    replace(cache, revision="2").save(SOURCE, "v2", TABLE)
    assert len(files(cache)) == 1


@pytest.mark.parametrize("content", [b"", b"PAR1", b"no Parquet at all"])
def test_a_broken_file_is_no_result_and_is_replaced(cache, content):
    cache.save(SOURCE, "v1", TABLE)
    (file,) = files(cache)
    file.write_bytes(content)
    assert cache.load(SOURCE, "v1") is None
    cache.save(SOURCE, "v1", TABLE)
    assert cache.load(SOURCE, "v1").equals(TABLE)


def test_everything_of_an_object_goes_before_the_object(cache):
    for made in (cache, replace(cache, kind="captions"), replace(cache, settings={})):
        made.save(SOURCE, "v1", TABLE)
    cache.save("s3://bucket/day/b.pdf", "v1", TABLE)
    forgotten = cache.forgetting([SOURCE, "s3://bucket/day/never.pdf"])
    assert next(forgotten) == SOURCE
    assert len(files(cache)) == 1
    assert list(forgotten) == ["s3://bucket/day/never.pdf"]


def test_a_folder_that_cannot_be_used_is_named(tmp_path):
    (tmp_path / "file").write_text("no folder")
    cache = ParseCache(normalise_cache(str(tmp_path / "file")), "pdfs", "pages", {}, "1")
    with pytest.raises(ConfigurationError, match=f"the parse cache {tmp_path}/file/ cannot be .*--parse-cache"):
        cache.save(SOURCE, "v1", TABLE)


@pytest.mark.parametrize("uri", ["https://host/bucket", "s3://", "gs://bucket/x"])
def test_a_uri_that_is_no_place_is_refused_by_the_name_of_the_flag(uri):
    with pytest.raises(ConfigurationError, match="--parse-cache"):
        normalise_cache(uri)


@pytest.mark.parametrize("uri", ["s3://bucket/kept", "s3a://bucket/kept/"])
def test_a_prefix_ends_with_a_slash(uri):
    assert normalise_cache(uri) == "s3://bucket/kept/"


# --- in a bucket


def in_bucket(bucket="bucket"):
    return ParseCache(f"s3://{bucket}/kept/", "pdfs", "pages", {"ocr": True}, "1")


def test_one_file_in_trouble_costs_only_its_work(stub, monkeypatch):
    monkeypatch.setattr(our_store, "REQUEST_ATTEMPTS", 1)
    our_store.s3_client.cache_clear()
    stub.put(in_bucket()._name(SOURCE, 0).removeprefix("s3://bucket/"), fault=(500, "InternalError", "no"))
    assert in_bucket().load(SOURCE, "v1") is None
    our_store.s3_client.cache_clear()


@pytest.mark.parametrize("length", ["many", str(2**70)])
def test_a_file_whose_length_makes_no_sense_costs_only_its_work(stub, length):
    stub.put(in_bucket()._name(SOURCE, 0).removeprefix("s3://bucket/"), Content_Length=length)
    assert in_bucket().load(SOURCE, "v1") is None


def test_a_listing_that_makes_no_sense_is_the_fault_of_the_store(stub):
    stub.listing_page = "<ListBucketResult><Name>b</Name><Contents><Size>1</Size></Contents></ListBucketResult>"
    stub.listing_kind = "application/xml"
    with pytest.raises(UnreachableError, match=r"the parse cache s3://bucket/kept/ cannot be used: .*has no key"):
        list(in_bucket().forgetting([SOURCE]))


def test_a_store_that_refuses_the_cache_ends_the_run_with_a_sentence(stub):
    stub.put(in_bucket()._name(SOURCE, 0).removeprefix("s3://bucket/"), fault=(403, "AccessDenied", "no"))
    with pytest.raises(ConfigurationError, match=r"the parse cache s3://bucket/kept/ cannot be used: .*refuses these"):
        in_bucket().load(SOURCE, "v1")


def test_a_store_that_does_not_answer_ends_the_run(stub, monkeypatch):
    monkeypatch.setattr(our_store, "REQUEST_ATTEMPTS", 1)
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    our_store.s3_client.cache_clear()
    with pytest.raises(UnreachableError, match="the parse cache s3://bucket/kept/ cannot be used"):
        in_bucket().load(SOURCE, "v1")
    our_store.s3_client.cache_clear()


def test_a_real_bucket_keeps_and_forgets(object_store, monkeypatch):
    for name, value in object_store.environment().items():
        monkeypatch.setenv(name, value)
    our_store.s3_client.cache_clear()
    object_store.bucket("parse-cache")
    cache = in_bucket("parse-cache")
    cache.save(SOURCE, "v1", TABLE)
    cache.save("s3://bucket/b.pdf", "v1", TABLE)
    assert cache.load(SOURCE, "v1").equals(TABLE)
    assert list(cache.forgetting([SOURCE])) == [SOURCE]
    assert cache.load(SOURCE, "v1") is None
    listed = boto3.client("s3").list_objects_v2(Bucket="parse-cache")["Contents"]
    assert len(listed) == 1
    our_store.s3_client.cache_clear()


def test_a_missing_bucket_is_named(object_store, monkeypatch):
    for name, value in object_store.environment().items():
        monkeypatch.setenv(name, value)
    our_store.s3_client.cache_clear()
    with pytest.raises(ConfigurationError, match=r"bucket 'no-such-cache' does not exist.*check --parse-cache"):
        in_bucket("no-such-cache").load(SOURCE, "v1")
    our_store.s3_client.cache_clear()
