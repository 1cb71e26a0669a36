"""Buckets of others: public ones, those whose requester pays, access points, and those of a tenant."""

import pytest

from ingest.common.errors import ConfigurationError
from ingest.store.access import split_s3
from ingest.store.object_reading import ReadSettings, read_object
from ingest.store.object_store import list_objects, normalise_source, s3_client

POINT = "s3://arn:aws:s3:us-east-1:123456789012:accesspoint/mine/"


@pytest.fixture
def sent(stub, monkeypatch):
    """The headers of the requests for the one object and its listing, made with some environment variables."""

    def send(source, **variables):
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        s3_client.cache_clear()
        found = []
        s3_client().meta.events.register("before-send.s3", lambda request, **_: found.append(request.headers))
        (entry,) = list_objects(f"{source}day/a.pdf", (".pdf",))
        assert read_object(entry.source, entry.version, entry.size, ReadSettings((source,))) == b"a.pdf" * 100
        return found

    yield send
    s3_client.cache_clear()


def test_requests_are_signed_and_no_one_offers_to_pay(sent):
    for headers in sent("s3://bucket/"):
        assert "Authorization" in headers
        assert "x-amz-request-payer" not in headers


def test_the_requester_pays_if_the_environment_says_so(sent):
    headers = sent("s3://bucket/", AWS_REQUEST_PAYER="requester")
    assert [one["x-amz-request-payer"] for one in headers] == [b"requester"] * 2


def test_a_public_bucket_is_read_without_credentials(sent, monkeypatch):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    headers = sent("s3://bucket/", AWS_NO_SIGN_REQUEST="YES")
    assert [one.get("Authorization") for one in headers] == [None, None]


@pytest.mark.parametrize("source", ["s3://tenant:bucket/", "s3://:bucket/"])
def test_a_bucket_of_a_tenant_is_read(sent, source):
    sent(source)


def test_an_access_point_is_reached_at_its_own_host(stub, monkeypatch):
    assert normalise_source(POINT) == POINT
    assert normalise_source(POINT.removesuffix("/")) == POINT
    monkeypatch.delenv("AWS_ENDPOINT_URL")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    s3_client.cache_clear()
    bucket = POINT.removeprefix("s3://").removesuffix("/")
    url = s3_client().generate_presigned_url("get_object", Params={"Bucket": bucket, "Key": "a.pdf"})
    s3_client.cache_clear()
    assert url.startswith("https://mine-123456789012.s3-accesspoint.us-east-1.amazonaws.com/a.pdf?")


def test_credentials_in_a_source_are_refused_and_not_shown():
    with pytest.raises(ConfigurationError, match="without credentials") as caught:
        normalise_source("s3://key:secret@bucket/x")
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    "arn",
    [
        "arn:aws:s3::123456789012:accesspoint/mfzwi23gnjvgw.mrap",
        "arn:aws:s3-outposts:us-west-2:123456789012:outpost/op-01ac5d28a6a232904/accesspoint/reports",
        "arn:aws:s3-object-lambda:us-east-1:123456789012:accesspoint/mine",
    ],
)
def test_every_kind_of_access_point_is_a_bucket(arn):
    assert split_s3(f"s3://{arn}/day/a.pdf") == (arn, "day/a.pdf")


def test_a_package_that_an_access_point_needs_is_named(stub):
    source = "s3://arn:aws:s3::123456789012:accesspoint/mfzwi23gnjvgw.mrap/"
    with pytest.raises(ConfigurationError, match=r"botocore\[crt\]"):
        list(list_objects(source, (".pdf",)))


@pytest.mark.parametrize(
    ("source", "names"),
    [
        ("gs://bucket/day/", "AWS_ENDPOINT_URL"),
        ("https://bucket.example/day/", "AWS_ENDPOINT_URL"),
        ("s3:/bucket/day/", "lacks slashes"),
        ("s3:bucket/day/", "lacks slashes"),
    ],
)
def test_a_bucket_in_the_notation_of_another_program_gets_a_hint(source, names):
    with pytest.raises(ConfigurationError, match=names):
        normalise_source(source)
