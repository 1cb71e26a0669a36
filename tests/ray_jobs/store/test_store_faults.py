"""An object store behind a proxy that answers 500 and 503, resets connections, truncates bodies and stalls."""

from urllib.parse import urlsplit

import pytest

from embedded.fault_proxy import FaultProxy
from ingest.common.errors import ObjectError, UnreachableError
from ingest.store import object_store as store_module
from ingest.store.object_reading import read_object
from ingest.store.object_store import list_objects, s3_client
from ingest.store.probe import probe_of
from store_client import store_client

BUCKET = "ray-jobs-faults"
BODY = bytes(range(256)) * 2000


@pytest.fixture
def proxy(object_store):
    """The proxy that the code under test takes for the store; bucket and object are there."""
    object_store.bucket(BUCKET)
    object_store.client().put_object(Bucket=BUCKET, Key="a.pdf", Body=BODY)
    address = urlsplit(object_store.endpoint_url)
    with (
        FaultProxy(address.hostname, address.port) as proxy,
        store_client({**object_store.environment(), "AWS_ENDPOINT_URL": proxy.url}, READ_TIMEOUT=1),
    ):
        yield proxy


def listed():
    return list(list_objects(f"s3://{BUCKET}/", (".pdf",)))


@pytest.mark.parametrize("fault", ["500", "503", "reset", "truncate", "stall"])
def test_a_read_that_fails_twice_is_retried(proxy, fault):
    (entry,) = listed()
    proxy.add("GET .*a.pdf", fault, times=2)
    assert read_object(entry.source, entry.version, sleep=lambda seconds: None) == BODY
    assert sum("a.pdf" in request for request in proxy.requests) == 3


@pytest.mark.parametrize("fault", ["500", "503", "reset", "truncate"])
def test_a_listing_that_fails_twice_is_retried(proxy, fault):
    proxy.add("list-type=2", fault, times=2)
    assert [entry.source for entry in listed()] == [f"s3://{BUCKET}/a.pdf"]


@pytest.fixture
def one_attempt(proxy, monkeypatch):
    """Requests are not retried."""
    monkeypatch.setattr(store_module, "REQUEST_ATTEMPTS", 1)
    s3_client.cache_clear()
    probe_of.cache_clear()


@pytest.mark.parametrize("fault", ["503", "reset", "truncate"])
@pytest.mark.parametrize(("faulty", "error"), [("a.pdf", ObjectError), ("(a|b).pdf", UnreachableError)])
def test_a_read_that_keeps_failing_is_blamed_on_the_object_if_another_can_be_read(
    proxy, one_attempt, object_store, faulty, error, fault
):
    object_store.client().put_object(Bucket=BUCKET, Key="b.pdf", Body=BODY)
    entry, _ = listed()
    proxy.add(f"GET .*{faulty}", fault)
    with pytest.raises(error):
        read_object(entry.source, entry.version, sleep=lambda seconds: None)
    object_store.client().delete_object(Bucket=BUCKET, Key="b.pdf")


def test_a_listing_that_keeps_failing_is_not_an_empty_listing(proxy, one_attempt):
    proxy.add("list-type=2", "503")
    with pytest.raises(UnreachableError, match="so few requests"):
        listed()


def test_a_deleted_object_is_a_failure_of_the_object_and_not_of_the_store(proxy, object_store):
    (entry,) = listed()
    object_store.client().delete_object(Bucket=BUCKET, Key="a.pdf")
    with pytest.raises(ObjectError, match="deleted after it was listed"):
        read_object(entry.source, entry.version)
