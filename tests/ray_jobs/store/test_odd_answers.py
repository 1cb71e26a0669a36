"""Elements of an answer that are empty, missing, doubled or no numbers cost nothing that the answer tells elsewhere."""

import base64
import hashlib

import pytest

from ingest.common.errors import ConfigurationError, ObjectError, UnreachableError
from ingest.store.object_reading import read_object
from ingest.store.object_store import list_objects
from store_client import store_client

ROOT = "s3://bucket/day/"
TIME = "<LastModified>2026-01-01T00:00:00Z</LastModified>"
ENTRY = f"<Contents><Key>day/a%20b.pdf</Key>{TIME}<ETag>&quot;1&quot;</ETag><Size>3</Size></Contents>"
TOP = {
    "Name": "bucket", "Prefix": "day/", "Delimiter": "/", "MaxKeys": "1000", "EncodingType": "url", "KeyCount": "1",
    "ContinuationToken": "x", "StartAfter": "y", "IsTruncated": "false",
}  # fmt: skip


def page(top=TOP, inside=ENTRY):
    elements = "".join(f"<{name}>{text}</{name}>" for name, text in top.items())
    return f"<ListBucketResult>{elements}{inside}</ListBucketResult>"


def listed(stub, answer, source=ROOT):
    stub.listing_page, stub.listing_kind = answer, "application/xml"
    return [(entry.source, entry.version, entry.size) for entry in list_objects(source, (".pdf",))]


FOUND = [(f"{ROOT}a b.pdf", "1", 3)]


@pytest.mark.parametrize("odd", ["", " ", "<X>1</X>", "abc", "3.0", "99999999999999999999999"])
@pytest.mark.parametrize(
    "name", ["Name", "Prefix", "Delimiter", "MaxKeys", "KeyCount", "ContinuationToken", "StartAfter"]
)
def test_an_odd_element_at_the_top_of_a_listing_costs_nothing(stub, name, odd):
    assert listed(stub, page({**TOP, name: odd})) == FOUND
    assert listed(stub, page(TOP, f"<{name}>{odd}</{name}>{ENTRY}")) == FOUND  # it comes twice


@pytest.mark.parametrize(
    "empty", ["<CommonPrefixes/>", "<CommonPrefixes><Prefix></Prefix></CommonPrefixes>", "<Contents/>"]
)
@pytest.mark.parametrize("source", [ROOT, "s3://bucket/"])
@pytest.mark.parametrize("times", [1, 2])
def test_an_empty_list_that_is_written_as_an_empty_element_is_one(stub, empty, source, times):
    assert listed(stub, page(inside=ENTRY + empty * times), source) == FOUND
    assert listed(stub, page(inside=empty * times), source) == []
    plain = {name: text for name, text in TOP.items() if name != "EncodingType"}
    assert listed(stub, page(plain, ENTRY.replace("%20", " ") + empty * times), source) == FOUND


@pytest.mark.parametrize("folders", ["<Prefix>day/x/</Prefix>", "<Prefix>day/x/</Prefix><Prefix>day/y/</Prefix>"])
def test_folders_that_have_names_may_hold_objects(stub, folders):
    with pytest.raises(ConfigurationError, match="lists folders instead of the objects"):
        listed(stub, page(inside=f"<CommonPrefixes/><CommonPrefixes>{folders}</CommonPrefixes>"))


@pytest.mark.parametrize(("size", "known"), [("", 0), ("many", 0), ("-1", 0), (str(2**64), 0), ("3</Size><Size>3", 3)])
def test_a_size_that_is_none_is_not_known(stub, size, known):
    entry = ENTRY.replace("<Size>3</Size>", f"<Size>{size}</Size>")
    assert listed(stub, page(inside=entry)) == [(f"{ROOT}a b.pdf", "1", known)]


@pytest.mark.parametrize(
    ("tag", "version"), [("<ETag>1</ETag><ETag/>", "1"), ("<ETag>1</ETag><ETag>2</ETag>", "3@1767225600")]
)
def test_of_two_tags_one_counts_if_the_other_says_nothing_else(stub, tag, version):
    entry = ENTRY.replace("<ETag>&quot;1&quot;</ETag>", tag)
    assert listed(stub, page(inside=entry)) == [(f"{ROOT}a b.pdf", version, 3)]


@pytest.mark.parametrize("keys", ["", "<Key/>", "<Key>day/a.pdf</Key><Key>day/b.pdf</Key>"])
@pytest.mark.parametrize("encoding", ["", "url"])
def test_an_entry_of_a_listing_without_one_key_is_named(stub, keys, encoding):
    with pytest.raises(ConfigurationError, match="an entry of the listing has no key, or several"):
        listed(stub, page({**TOP, "EncodingType": encoding}, f"<Contents>{keys}<Size>3</Size></Contents>"))


@pytest.mark.parametrize("cut", ["<IsTruncated>True</IsTruncated>", "<IsTruncated>1</IsTruncated>",
                                 "<IsTruncated> true </IsTruncated>", "<IsTruncated>true</IsTruncated><IsTruncated/>",
                                 "<IsTruncated/><NextContinuationToken>2</NextContinuationToken>"])  # fmt: skip
def test_a_listing_that_says_in_other_words_that_it_is_cut_is_not_taken_for_the_whole(stub, cut):
    top = {name: text for name, text in TOP.items() if name != "IsTruncated"}
    with pytest.raises((ConfigurationError, UnreachableError), match=r"lists only the first|without an end"):
        listed(stub, page(top, cut + ENTRY))


WRITTEN = "<LastModified>2025-10-09T08:53:20Z</LastModified>"
"""The time of the stub's objects."""


def test_an_object_of_a_store_that_lists_no_size_and_no_tag_is_read(stub):
    stub.put("day/n.pdf", b"abc")
    stub.etag = lambda etag: ""
    (found,) = listed(stub, page(inside=f"<Contents><Key>day/n.pdf</Key>{WRITTEN}</Contents>"))
    assert read_object(found[0], found[1], found[2]) == b"abc"


@pytest.mark.parametrize("header", ["x_amz_missing_meta", "x_amz_mp_parts_count", "x_amz_tagging_count"])
@pytest.mark.parametrize("odd", [" ", "3.0", "5, 5"])
def test_an_object_with_a_number_beside_it_that_is_none_is_read(stub, header, odd):
    stub.put("day/n.pdf", b"abc", **{header: odd})
    (entry,) = list_objects(f"{ROOT}n.pdf", ())
    assert read_object(entry.source, entry.version, entry.size) == b"abc"


def test_an_object_of_a_length_that_no_machine_holds_fails_alone(stub):
    stub.put("day/n.pdf", b"abc", Content_Length=str(2**70))
    (entry,) = list_objects(f"{ROOT}n.pdf", ())
    with pytest.raises(ObjectError, match="makes no sense"):
        read_object(entry.source, entry.version, entry.size)


def test_a_store_that_answers_nothing_but_nonsense_is_at_fault_and_not_the_object(stub):
    stub.objects.clear()
    stub.put("day/n.pdf", b"abc", fault=(500, "InternalError", "no"))
    stub.put("day/o.pdf", b"abc", Content_Length="many")
    (entry, _) = list_objects(ROOT, (".pdf",))
    with store_client(stub.environment(), REQUEST_ATTEMPTS=1), pytest.raises(UnreachableError, match="InternalError"):
        read_object(entry.source, entry.version, entry.size, sleep=lambda seconds: None)


ERRORS = ["<Error/>", "<Error><Code/></Error>", "<Error><Code>A</Code><Code>B</Code></Error>",
          "<Error><Code><X>1</X></Code></Error>", "<ErrorResponse><Error/></ErrorResponse>", "<Errors/>"]  # fmt: skip


@pytest.mark.parametrize("body", ERRORS)
def test_an_error_without_one_code_counts_by_its_status(stub, body, monkeypatch):
    monkeypatch.setattr(stub, "_fail", lambda request, fault: send(request, fault[0], body))
    stub.listing_fault = (403, "", "")
    with pytest.raises(ConfigurationError, match=r"needs? the permission s3:ListBucket"):
        list(list_objects(ROOT, (".pdf",)))
    stub.listing_fault = None
    stub.put("day/n.pdf", b"abc", fault=(403, "", ""))
    (entry,) = list_objects(f"{ROOT}n.pdf", ())
    with pytest.raises(ObjectError, match=r"does not hand it out \(403\)"):
        read_object(entry.source, entry.version, entry.size)


def send(request, status, body):
    request.send_response(status)
    request.send_header("Content-Length", str(len(body)))
    request.end_headers()
    request.wfile.write(body.encode())


WHOLE = base64.b64encode(hashlib.sha256(b"abc").digest()).decode()
OTHER = base64.b64encode(hashlib.sha256(b"of parts").digest()).decode()


@pytest.mark.parametrize(
    ("checksum", "kind"),
    [
        (WHOLE, "FULL_OBJECT"), (WHOLE, "COMPOSITE"), (f"{WHOLE}-3", "COMPOSITE"), (f"{OTHER}-3", ""),
        (OTHER, "COMPOSITE"), (hashlib.sha256(b"abc").hexdigest(), ""), (" ", ""), ("none", "FULL_OBJECT"),
    ],
)  # fmt: skip
def test_a_checksum_that_cannot_be_that_of_the_content_is_not_compared(stub, checksum, kind):
    stub.put("day/n.pdf", b"abc", x_amz_checksum_sha256=checksum, x_amz_checksum_type=kind)
    (entry,) = list_objects(f"{ROOT}n.pdf", ())
    assert read_object(entry.source, entry.version, entry.size) == b"abc"


@pytest.mark.parametrize("kind", ["", "FULL_OBJECT"])
def test_content_with_another_checksum_is_not_read(stub, kind):
    stub.put("day/n.pdf", b"abc", x_amz_checksum_sha256=OTHER, x_amz_checksum_type=kind)
    (entry,) = list_objects(f"{ROOT}n.pdf", ())
    with pytest.raises(ObjectError, match="does not arrive whole"):
        read_object(entry.source, entry.version, entry.size, sleep=lambda seconds: None)
