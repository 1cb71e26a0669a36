"""A listing is whole, comes to an end, and leaves out what belongs to no pipeline, whatever the store answers."""

import re

import pytest

from ingest.common.errors import ConfigurationError, UnreachableError
from ingest.common.objects import StoredObject
from ingest.store.listing import CHUNK, Circle, Ignored, as_it_comes
from ingest.store.object_store import check_listing, list_objects
from store_client import store_client

ROOT = "s3://bucket/day/"


def listed(ignored=None):
    return list(list_objects(ROOT, (".pdf",), ignored))


def test_by_products_of_programs_and_folder_markers_are_ignored_and_counted(stub):
    stub.objects.clear()
    names = ["._a.pdf", "__MACOSX/._a.pdf", "__MACOSX/a.pdf", "~$a.pdf", ".~lock.a.pdf", "@eaDir/a.pdf", "trail/",
             "_temporary/0/a.pdf", "x/.Trash-1000/a.pdf", "a.pdf.part", "a.pdf.crdownload", ".DS_Store", "Thumbs.db",
             "_SUCCESS", "x_$folder$", "folder.pdf/", ".trashed-1735689600-a.pdf", ".pending-1735689600-a.pdf",
             ".stversions/a~20260101-000000.pdf", "#snapshot/a.pdf"]  # fmt: skip
    for name in ["a.pdf", "B.PDF", "x/__MACOSX.pdf", *names]:
        stub.put(f"day/{name}")
    ignored = Ignored()
    assert [entry.source.removeprefix(ROOT) for entry in listed(ignored)] == [
        "B.PDF", "a.pdf", "x/__MACOSX.pdf"
    ]  # fmt: skip
    assert ignored.count == len(names)


def test_a_folder_that_the_source_names_is_not_ignored(stub):
    stub.put("day/@eaDir/a.pdf")
    assert len(list(list_objects("s3://bucket/day/@eaDir/", (".pdf",)))) == 1


def test_a_listing_of_several_pages_is_whole(stub):
    stub.page = 2
    assert len(listed()) == 3


def test_a_listing_that_is_cut_and_cannot_be_continued_is_not_taken_for_the_whole(stub):
    stub.page, stub.continues = 2, False
    with pytest.raises(ConfigurationError, match="lists only the first 2 of the objects"):
        listed()


def test_a_listing_that_begins_with_an_empty_page_and_cannot_be_continued_lists_none(stub):
    stub.page, stub.continues = 0, False
    with pytest.raises(ConfigurationError, match=r"lists none of the objects of s3://bucket/day/ and says"):
        listed()


@pytest.mark.parametrize("continues", ["", False])
@pytest.mark.parametrize("page", [1, 2, 3, 4])
def test_a_listing_that_does_not_say_how_to_go_on_goes_on_behind_its_last_key(stub, page, continues):
    for name in ("a b.pdf", "a%20b.pdf", "é.pdf", "😀.pdf"):
        stub.put(f"day/{name}")
    stub.page, stub.continues, stub.knows_start = page, continues, True
    assert [entry.source.removeprefix(ROOT) for entry in listed()] == [
        "a b.pdf", "a%20b.pdf", "a.pdf", "b.pdf", "c.pdf", "é.pdf", "😀.pdf"
    ]  # fmt: skip


def test_a_store_that_begins_anew_is_not_said_to_know_no_second_version(stub):
    stub.page, stub.continues = 2, ""
    with pytest.raises(ConfigurationError, match=r"only the first 2 of the objects .* but not how to go on; update"):
        listed()


def test_a_listing_that_is_not_sorted_does_not_go_on_behind_its_last_key(stub):
    stub.objects = {}
    for name in ("b2", "a3", "c1"):
        stub.put(f"day/{name}.pdf")
    stub.page, stub.continues, stub.knows_start = 2, "", True
    stub.order = {"day/c1.pdf": "1", "day/a3.pdf": "2", "day/b2.pdf": "3"}.__getitem__
    with pytest.raises(ConfigurationError, match="only the first 2 of the objects"):
        listed()


def test_a_key_that_may_be_encoded_is_not_gone_on_behind(stub):
    stub.objects = {}
    for name in ("a b.pdf", "a c.pdf", "a d.pdf"):
        stub.put(f"day/{name}")
    stub.written_key = lambda key: key.replace(" ", "%20").encode()
    stub.page, stub.continues, stub.knows_start = 1, "", True
    with pytest.raises(ConfigurationError, match="only the first 1 of the objects"):
        listed()


@pytest.mark.parametrize(("status", "code"), [(301, "PermanentRedirect"), (400, "AuthorizationHeaderMalformed")])
def test_a_bucket_in_another_region_is_said_to_be_there(stub, status, code):
    stub.region, stub.listing_fault = "eu-west-1", (status, code, "Send it elsewhere")
    with pytest.raises(ConfigurationError, match=r"bucket 'bucket' is in eu-west-1, .* set AWS_DEFAULT_REGION"):
        listed()


def test_malformed_credentials_are_no_other_region(stub):
    stub.listing_fault = (400, "AuthorizationHeaderMalformed", "The Credential is mal-formed")
    with pytest.raises(ConfigurationError, match="check AWS_ACCESS_KEY_ID"):
        listed()


def test_a_store_on_this_machine_is_reached_without_the_proxy_of_the_environment(stub, monkeypatch):
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    with store_client(stub.environment(), REQUEST_ATTEMPTS=1):
        assert len(listed()) == 3


@pytest.mark.parametrize("pages", [1, 2, 3, 5, 8])
@pytest.mark.parametrize("to", [0, 1, 4])
def test_a_listing_that_goes_in_a_circle_comes_to_an_end(stub, pages, to):
    for number in range(2 * pages - 3):
        stub.put(f"day/{number}.pdf")
    stub.page, stub.circle = 2, min(to, pages - 1)
    with pytest.raises(UnreachableError, match=r"without an end: after \d+ objects it repeats itself"):
        listed()
    assert stub.listings() < 5 * pages


@pytest.mark.parametrize("page", [1, 2])
def test_a_listing_whose_last_page_names_itself_as_the_next_one_is_the_fault_of_the_store(stub, page):
    stub.page, stub.circle, stub.fresh = page, 1, False
    with pytest.raises(
        UnreachableError, match=r"s3://bucket/day/ without an end: .*repeats itself.*fault is the store"
    ):
        listed()


LISTING = (
    "<?xml version='1.0'?><ListBucketResult><Name>bucket</Name><IsTruncated>false</IsTruncated><Contents>"
    "<Key>day/nets &amp; works.pdf</Key><Size>1</Size></Contents></ListBucketResult>"
)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (LISTING.replace("&amp;", "&"), "it is not well-formed at .*nets & works"),
        (LISTING.replace("&amp;", "\x01\u00e9&"), "it is not well-formed at "),
        (LISTING.replace("&amp;", "<"), "it is not well-formed at .*nets < works"),
        (LISTING.partition(".pdf")[0], "it is cut off behind .*nets &amp; works"),
        (LISTING[:-3], "it is cut off behind .*ListBucketResu"),
        (LISTING.partition("<Size>")[0] + "<", "it is cut off behind "),
        ("{'message': 'Hello'}", "it is not well-formed at .*Hello"),
    ],
)
def test_a_listing_that_is_no_xml_is_said_to_be_that_and_not_an_error_of_the_store(stub, answer, words):
    stub.listing_page, stub.listing_kind = answer, "application/xml"
    with store_client(stub.environment(), REQUEST_ATTEMPTS=1), pytest.raises(UnreachableError) as caught:
        listed()
    assert re.search(f"the listing of bucket 'bucket' cannot be read as XML .*{words}", str(caught.value))
    assert "500" not in str(caught.value)
    assert "cannot be reached" not in str(caught.value)


def test_a_page_of_html_in_place_of_a_listing_is_named_with_the_status_that_it_came_with(stub):
    stub.listing_page = "<html><p>Sign in<br></html>"
    with store_client(stub.environment(), REQUEST_ATTEMPTS=1), pytest.raises(UnreachableError, match="with status 200"):
        listed()


def test_an_error_that_a_listing_holds_is_the_reason(stub):
    stub.listing_page, stub.listing_kind = "<Error><Code>InternalError</Code></Error>", "application/xml"
    with store_client(stub.environment(), REQUEST_ATTEMPTS=1), pytest.raises(UnreachableError, match="InternalError"):
        listed()


def test_a_listing_of_empty_pages_comes_to_an_end(stub, monkeypatch):
    monkeypatch.setattr("ingest.store.listing.MAX_EMPTY_PAGES", 5)
    stub.objects, stub.circle = {}, 0
    with pytest.raises(UnreachableError, match="without an end: after 0 objects"):
        listed()
    assert stub.listings() == 6


@pytest.mark.parametrize("keys", [sorted(map(str, range(9999))), [None, "b", None, None, "a", "é", None, "c"]])
def test_pages_in_any_order_and_empty_ones_are_no_circle(keys):
    circle = Circle()
    assert not any(circle.closes(key) for key in keys)


def test_an_answer_that_is_no_listing_is_not_an_empty_store():
    answered = {"ResponseMetadata": {"HTTPStatusCode": 200}}  # boto3's reading of an XHTML page
    with pytest.raises(UnreachableError, match="without a listing; check AWS_ENDPOINT_URL"):
        check_listing(answered)
    check_listing({**answered, "Name": "bucket", "KeyCount": 0, "IsTruncated": False})


@pytest.mark.parametrize("source", ["s3://bucket//day/", "s3://bucket/day//", "s3://bucket//"])
def test_a_slash_too_many_is_no_empty_prefix(stub, source):
    with pytest.raises(ConfigurationError, match="one slash behind the bucket"):
        list(list_objects(source, (".pdf",)))


def test_keys_with_empty_folder_names_are_listed(stub):
    stub.put("/day//x.pdf")
    assert [entry.source for entry in list_objects("s3://bucket//day//", (".pdf",))] == ["s3://bucket//day//x.pdf"]


def entries(names):
    return [StoredObject(name, "v", 1) for name in names]


def test_a_listing_in_order_comes_while_it_goes_on():
    def endless_names():
        number = 0
        while True:
            yield StoredObject(f"{number:09}", "v", 1)
            number += 1

    coming = as_it_comes(endless_names())
    assert [next(coming).source for _ in range(3 * CHUNK)] == [f"{number:09}" for number in range(3 * CHUNK)]


@pytest.mark.parametrize(
    ("names", "given"),
    [
        ("", ""),
        ("abc", "abc"),
        ("acb", "acb"),
        ("bcaed", "bcade"),
        ("acab", "acb"),  # listed twice
        ("cba", "cab"),
        ("aa", "a"),
    ],
)
def test_from_the_first_entry_out_of_order_on_a_listing_comes_sorted(names, given):
    assert "".join(entry.source for entry in as_it_comes(entries(names))) == given


def test_the_end_of_a_page_is_no_end_of_the_order():
    names = [f"{number:06}" for number in range(2 * CHUNK)]
    late = [*names[1:CHUNK], *names[CHUNK + 1 :], names[0], names[CHUNK]]
    assert [entry.source for entry in as_it_comes(entries(late))] == late
