"""An answer about one object fails that object; the run ends only when the store as a whole does not answer."""

import base64
import gzip
import urllib.parse
import zlib
from xml.sax.saxutils import escape

import pytest

from ingest.common.errors import ConfigurationError, ObjectError, UnreachableError
from ingest.store.object_reading import ReadSettings, object_file, read_object
from ingest.store.object_store import list_objects
from ingest.store.probe import probe_of

ROOT = "s3://bucket/day/"
SETTINGS = ReadSettings((ROOT,), 1_000_000)
SSE_C = "The object was stored using a form of Server Side Encryption. The correct parameters must be provided."


def listed(name=""):
    return [entry for entry in list_objects(ROOT, (".pdf",)) if entry.source.endswith(name)]


def read(name, **settings):
    (entry,) = listed(name)
    return read_object(entry.source, entry.version, entry.size, ReadSettings((ROOT,), **settings), lambda seconds: None)


def failed(name):
    with pytest.raises(ObjectError) as caught:
        read(name)
    assert caught.value.failure.stage == "read"
    assert "\n" not in caught.value.message
    return caught.value


@pytest.mark.parametrize(
    ("answer", "failure"),
    [
        ((400, "InvalidRequest", SSE_C), "Forbidden"),
        ((400, "ResourceIsEncryptedWithCustomerEncryptionKey", "no"), "Forbidden"),
        ((400, "KMS.KMSInvalidStateException", "arn:key is pending deletion"), "Forbidden"),
        ((403, "AccessDenied", "not authorized to perform: kms:Decrypt"), "Forbidden"),
        ((403, "AccessDenied", "Access Denied"), "Forbidden"),
        ((403, "InvalidObjectState", "The operation is not valid for the object's storage class"), "Archived"),
        ((403, "RestoreAlreadyInProgress", "Object restore is already in progress"), "Archived"),
        ((409, "NotRestored", "no"), "Archived"),
        ((409, "BlobBeingRehydrated", "no"), "Archived"),
        ((403, "InvalidAccessTier", "no"), "Archived"),
        ((403, "SignatureDoesNotMatch", "The request signature does not match"), "Unreadable"),
        ((404, "NoSuchKey", "no"), "Vanished"),
        ((405, "MethodNotAllowed", "no"), "Unreadable"),
        ((301, "PermanentRedirect", "elsewhere"), "Unreadable"),
        ((400, "SomethingNew", "no"), "Unreadable"),
        ((451, "UnavailableForLegalReasons", "no"), "Unreadable"),
        ((403, "html", "Virus found"), "Blocked"),
        ((404, "html", "Not found"), "Blocked"),
        ((407, "html", "Sign in to the proxy"), "Blocked"),
        ((502, "html", "Bad gateway"), "Blocked"),
        ((500, "InternalError", "We encountered an internal error"), "Unreadable"),
        ((503, "SlowDown", "Please reduce your request rate"), "Unreadable"),
        ("break", "Unreadable"),
    ],
    ids=lambda value: value[1] if isinstance(value, tuple) else value,
)
def test_an_answer_about_one_object_fails_that_object(stub, answer, failure):
    stub.objects["day/b.pdf"].fault = answer
    assert failed("b.pdf").failure == failure
    assert read("c.pdf") == b"c.pdf" * 100


def test_the_sentence_about_a_key_of_the_owners_says_so(stub):
    stub.objects["day/b.pdf"].fault = (400, "InvalidRequest", SSE_C)
    assert "day/b.pdf is encrypted with a key of its owner's (SSE-C)" in failed("b.pdf").message


def test_an_object_that_is_being_restored_has_the_advice_to_wait(stub):
    stub.objects["day/b.pdf"].fault = (403, "RestoreAlreadyInProgress", "Object restore is already in progress")
    assert failed("b.pdf").message == (
        "it is being restored, which may take hours (RestoreAlreadyInProgress); run again when it is restored from its "
        "archive tier"
    )


def test_the_sentence_about_a_page_of_a_proxy_says_that_it_is_none_of_the_stores(stub):
    stub.objects["day/b.pdf"].fault = (403, "html", "Request rejected")
    message = failed("b.pdf").message
    assert "a page of HTML with status 403 comes instead of it" in message
    assert "let the proxies before the object store pass it" in message
    assert "policy" not in message


@pytest.mark.parametrize("status", [401, 403, 407, 502])
def test_a_page_of_a_proxy_instead_of_the_listing_says_nothing_about_the_credentials(stub, status):
    stub.listing_fault = (status, "html", "Request rejected")
    with pytest.raises(UnreachableError, match=f"something else answers for it, with status {status} and without"):
        listed()


def test_objects_that_are_refused_cost_one_listing_for_all_of_them(stub):
    entries = listed()
    for entry in entries:
        stub.objects[entry.source.removeprefix("s3://bucket/")].fault = (403, "AccessDenied", "no")
    before = stub.listings()
    for entry in entries:
        with pytest.raises(ObjectError):
            read_object(entry.source, entry.version, entry.size, SETTINGS)
    assert stub.listings() == before + 1


def test_a_broken_object_costs_no_probe_if_another_has_been_read_meanwhile(stub):
    stub.objects["day/b.pdf"].fault = "break"
    stub.before_get = lambda key: probe_of(ROOT).has_read("day/a.pdf")
    failed("b.pdf")
    assert stub.listings() == 1
    assert stub.gets("day/a.pdf") == stub.gets("day/c.pdf") == 0


@pytest.mark.parametrize("fault", [(500, "InternalError", "no"), (503, "SlowDown", "no"), "break"], ids=str)
def test_if_no_other_object_can_be_read_the_store_is_away(stub, fault):
    for found in stub.objects.values():
        found.fault = fault
    with pytest.raises(UnreachableError, match=r"cannot be reached|so few requests"):
        read("b.pdf")


def test_objects_that_are_forbidden_say_nothing_about_the_disks_of_the_store(stub):
    stub.objects["day/a.pdf"].fault = stub.objects["day/c.pdf"].fault = (403, "AccessDenied", "no")
    stub.objects["day/b.pdf"].fault = (500, "InternalError", "no")
    assert failed("b.pdf").failure == "Unreadable"


def test_the_only_object_of_a_store_that_lists_is_to_blame(stub):
    stub.objects = {"day/b.pdf": stub.objects["day/b.pdf"]}
    stub.objects["day/b.pdf"].fault = (500, "InternalError", "no")
    assert failed("b.pdf").failure == "Unreadable"


def test_a_store_that_no_longer_lists_ends_the_run(stub):
    (entry,) = listed("b.pdf")
    stub.objects["day/b.pdf"].fault = stub.listing_fault = (503, "ServiceUnavailable", "down")
    with pytest.raises(UnreachableError):
        read_object(entry.source, entry.version, entry.size, SETTINGS, lambda seconds: None)


@pytest.mark.parametrize("code", ["ExpiredToken", "InvalidAccessKeyId", "AccessDenied", "SignatureDoesNotMatch"])
def test_credentials_that_end_in_the_middle_of_a_run_end_the_run(stub, code):
    (entry,) = listed("b.pdf")
    stub.objects["day/b.pdf"].fault = stub.listing_fault = (403, code, "no")
    with pytest.raises(ConfigurationError, match="refuses these credentials"):
        read_object(entry.source, entry.version, entry.size, SETTINGS)


ODD_KEYS = [
    "a//b.pdf", "/a.pdf", "./x.pdf", "../x.pdf", "a/../b.pdf", "a/./b.pdf", " a.pdf", "a /b .pdf", "a%2Fb.pdf",
    "a+b.pdf", "a?b.pdf", "a#b.pdf", "a\nb.pdf", "a\tb.pdf", "a\\b.pdf", "a&amp;b.pdf", "e\u0301.pdf", "\u00e9.pdf",
    "🙂.pdf", "文/报告.pdf", "\u200fa.pdf", "%.pdf", "a%zz.pdf", "a'\"b.pdf", "x" * 1016 + ".pdf", "é" * 508 + ".pdf",
]  # fmt: skip


def test_every_odd_key_is_listed_and_read_as_it_is(stub):
    stub.objects.clear()
    for key in ODD_KEYS:
        stub.put(f"day/{key}", key.encode())
    entries = listed()
    assert sorted(entry.source.removeprefix(ROOT) for entry in entries) == sorted(ODD_KEYS)
    for entry in entries:
        assert read_object(entry.source, entry.version, entry.size, SETTINGS).decode() == entry.source[len(ROOT) :]


CONTROLS = "".join(chr(code) for code in (*range(32), 127, 0xFFFE, 0xFFFF, 0x10F8FF))


@pytest.mark.parametrize("written", ["{0}", "&#{1};", "&#x{1:X};"], ids=["raw", "decimal", "hexadecimal"])
def test_a_key_that_xml_cannot_hold_is_listed_and_read_as_it_is(stub, written):
    def as_written(key):
        return "".join(written.format(c, ord(c)) if c in CONTROLS else escape(c) for c in key).encode()

    keys = {f"day/odd&{character}.pdf" for character in CONTROLS}
    for key in keys:
        stub.put(key, ascii(key).encode())
    stub.written_key = as_written
    entries = listed()
    assert {entry.source.removeprefix("s3://bucket/") for entry in entries} >= keys
    assert len(entries) == 3 + len(keys)
    stub.if_match = lambda value: value and '"of something else"'  # each key is listed again
    for entry in entries[3:]:
        content = read_object(entry.source, entry.version, entry.size, SETTINGS)
        assert content == ascii(entry.source.removeprefix("s3://bucket/")).encode()


@pytest.mark.parametrize("prefix", ["", "caf\u00e9 1/"])
def test_keys_that_are_encoded_without_a_word_are_read(stub, prefix):
    """As older Ceph lists them. Another store lists keys that only look encoded."""
    stub.put(f"day/{prefix}z y=x.pdf", b"one")
    stub.written_key = lambda key: urllib.parse.quote(key).encode()
    (entry,) = (one for one in list_objects(f"s3://bucket/day/{prefix}", (".pdf",)) if "x.pdf" in one.source)
    assert read_object(entry.source, entry.version, entry.size, SETTINGS) == b"one"
    stub.put("day/a%20b.pdf", b"two")
    stub.written_key = str.encode
    (entry,) = listed("a%20b.pdf")
    assert read_object(entry.source, entry.version, entry.size, SETTINGS) == b"two"


def test_a_checksum_of_the_whole_object_with_a_part_of_it_says_nothing_about_the_store(stub):
    for stored in stub.objects.values():
        checksum = zlib.crc32(stored.body).to_bytes(4, "big")
        stored.headers["x-amz-checksum-crc32"] = base64.b64encode(checksum).decode()
    first, *_ = listed()
    stub.objects[first.source.removeprefix("s3://bucket/")].fault = (500, "InternalError", "no")
    with pytest.raises(ObjectError) as caught:
        read_object(first.source, first.version, first.size, SETTINGS, sleep=lambda _: None)
    assert caught.value.failure == "Unreadable"


def test_a_key_that_is_not_utf_8_fails_that_object_and_not_the_listing(stub):
    stub.put("day/caf\udce9.pdf")
    stub.written_key = lambda key: key.encode(errors="surrogateescape")
    assert len(listed()) == 4
    (entry,) = listed("caf\ufffd.pdf")
    with pytest.raises(ObjectError) as caught:
        read_object(entry.source, entry.version, entry.size, SETTINGS)
    assert caught.value.failure == "Vanished"


# --- versions


@pytest.mark.parametrize(
    ("etag", "version"),
    [
        (lambda etag: etag, lambda md5: md5),
        (lambda etag: f"W/{etag}", lambda md5: f"W/{md5}"),
        (lambda etag: etag.strip('"'), lambda md5: md5),
        (lambda etag: "", lambda md5: "500@1760000000"),
        (lambda etag: '""', lambda md5: "500@1760000000"),
    ],
    ids=["strong", "weak", "unquoted", "none", "empty"],
)
def test_an_object_with_any_etag_or_none_is_read_at_its_version_and_noticed_when_it_changes(stub, etag, version):
    stub.etag = etag
    (entry,) = listed("b.pdf")
    assert entry.version == version(stub.objects["day/b.pdf"].etag.strip('"'))
    assert read("b.pdf") == b"b.pdf" * 100
    stub.put("day/b.pdf", b"other content")
    with pytest.raises(ObjectError) as caught:
        read_object(entry.source, entry.version, entry.size, SETTINGS)
    assert caught.value.failure == "ChangedDuringRun"


def test_a_long_etag_becomes_a_version_that_milvus_can_hold(stub):
    stub.etag = lambda etag: f'"{etag[1:-1] * 10}"'
    (entry,) = listed("b.pdf")
    assert len(entry.version) <= 128
    assert read("b.pdf") == b"b.pdf" * 100


def test_an_overwritten_object_of_the_same_size_is_noticed_by_its_time(stub):
    stub.etag = lambda etag: ""
    (entry,) = listed("b.pdf")
    stub.objects["day/b.pdf"].modified += 60
    assert listed("b.pdf") != [entry]
    with pytest.raises(ObjectError) as caught:
        read_object(entry.source, entry.version, entry.size, SETTINGS)
    assert caught.value.failure == "ChangedDuringRun"


def test_a_store_that_ignores_if_match_does_not_pass_off_a_new_version(stub):
    stub.if_match = lambda value: None
    (entry,) = listed("b.pdf")
    stub.put("day/b.pdf", b"other content")
    with pytest.raises(ObjectError) as caught:
        read_object(entry.source, entry.version, entry.size, SETTINGS)
    assert caught.value.failure == "ChangedDuringRun"


def test_an_object_whose_etag_differs_between_listing_and_reading_is_read(stub):
    (entry,) = listed("b.pdf")
    stub.objects["day/b.pdf"].fault = ""
    stub.objects["day/b.pdf"].headers["ETag"] = '"of-the-parts-1"'
    stub.if_match = lambda value: None
    assert read_object(entry.source, entry.version, entry.size, SETTINGS) == b"b.pdf" * 100


def test_a_store_whose_if_match_never_matches_is_read(stub):
    (entry,) = listed("b.pdf")
    stub.if_match = lambda value: value and '"of something else"'
    assert read_object(entry.source, entry.version, entry.size, SETTINGS) == b"b.pdf" * 100


def test_a_page_of_a_proxy_instead_of_the_listing_does_not_count_as_a_change_of_the_object(stub):
    stub.if_match = lambda value: value and '"of something else"'
    (entry,) = listed("b.pdf")
    stub.listing_page = "<html><body>Please sign in</body></html>"
    with pytest.raises(UnreachableError, match="without a listing; check AWS_ENDPOINT_URL"):
        read_object(entry.source, entry.version, entry.size, SETTINGS)


# --- content


def test_a_content_without_a_length_that_ends_early_is_not_taken_for_the_object(stub):
    stub.objects["day/b.pdf"].headers = {"Content-Length": "", "Connection": "close"}
    (entry,) = listed("b.pdf")
    assert read("b.pdf") == b"b.pdf" * 100
    with pytest.raises(ObjectError, match="500 bytes instead of 501"):
        read_object(entry.source, entry.version, 501, SETTINGS, lambda seconds: None)


def test_a_page_of_a_proxy_instead_of_the_object_is_not_taken_for_it(stub):
    stub.if_match = lambda value: None
    stub.objects["day/b.pdf"].sent = b"<html>blocked</html>"
    stub.objects["day/b.pdf"].headers["ETag"] = ""
    assert "20 bytes instead of 500" in failed("b.pdf").message


def test_a_wrong_checksum_fails_the_object(stub):
    stub.objects["day/b.pdf"].headers = {"x-amz-checksum-crc32": "AAAAAA=="}
    assert failed("b.pdf").failure == "Unreadable"


PLAIN = b"%PDF-1.7 plain " * 1000
RAW = zlib.compressobj(wbits=-15)


@pytest.mark.parametrize(
    ("stored", "encoding"),
    [
        (gzip.compress(PLAIN), "gzip"),
        (gzip.compress(PLAIN), "GZIP"),
        (gzip.compress(PLAIN), "aws-chunked,gzip"),
        (gzip.compress(PLAIN[:5000]) + gzip.compress(PLAIN[5000:]), "gzip"),
        (gzip.compress(PLAIN) + b"\0" * 512, "gzip"),
        (zlib.compress(PLAIN), "deflate"),
        (RAW.compress(PLAIN) + RAW.flush(), "deflate"),
        (PLAIN, "gzip"),
        (PLAIN, "identity"),
        (PLAIN, "aws-chunked"),
        (PLAIN, "utf-8"),
    ],
    ids=["gzip", "GZIP", "chunked gzip", "members", "padded", "deflate", "raw", "false", "none", "aws", "utf-8"],
)
def test_a_content_encoding_is_undone(stub, tmp_path, stored, encoding):
    stub.put("day/b.pdf", stored, Content_Encoding=encoding)
    assert read("b.pdf") == PLAIN
    (entry,) = listed("b.pdf")
    with object_file(entry.source, entry.version, tmp_path, entry.size, SETTINGS) as path:
        assert path.read_bytes() == PLAIN
        assert path.suffix == ".pdf"
    assert len(list(tmp_path.iterdir())) == 1


def framed(data, sign=True, end=b"\r\n", size=4000):
    pieces = [data[start : start + size] for start in range(0, len(data), size)]
    mark = b";chunk-signature=" + b"0a" * 32 if sign else b""
    return b"".join(b"%x%b\r\n%b\r\n" % (len(piece), mark, piece) for piece in pieces) + b"0%b\r\n%b" % (mark, end)


@pytest.mark.parametrize(
    ("stored", "encoding"),
    [
        (framed(PLAIN), ""),
        (framed(PLAIN, size=3_000_000), "aws-chunked"),
        (framed(PLAIN, sign=False, end=b"x-amz-checksum-crc32:AAAAAA==\r\n\r\n"), ""),
        (framed(PLAIN, end=b"x-amz-checksum-crc32:AAAAAA==\n\r\nx-amz-trailer-signature:0a\r\n\r\n"), ""),
        (framed(PLAIN, end=b""), ""),
        (framed(gzip.compress(PLAIN)), "aws-chunked,gzip"),
    ],
    ids=["signed", "one", "trailers", "signed trailers", "no last line", "gzip"],
)
def test_chunk_frames_that_a_store_kept_in_the_body_are_undone(stub, tmp_path, stored, encoding):
    test_a_content_encoding_is_undone(stub, tmp_path, stored, encoding)


@pytest.mark.parametrize("change", [lambda body: body[:-4], lambda body: body + b"x", lambda body: b" " + body])
def test_what_only_resembles_chunk_frames_is_left_alone(stub, change):
    body = change(framed(PLAIN))
    stub.put("day/b.pdf", body)
    assert read("b.pdf") == body


@pytest.mark.parametrize(
    ("stored", "encoding", "failure"),
    [
        (gzip.compress(PLAIN)[:-20], "gzip", "Damaged"),
        (gzip.compress(PLAIN)[:100] + b"\xff" * 100, "gzip", "Damaged"),
        (PLAIN, "br", "UnknownEncoding"),
        (PLAIN, "gzip, gzip", "UnknownEncoding"),
        (gzip.compress(bytes(2_000_000)), "gzip", "TooLarge"),
    ],
    ids=["cut", "broken", "br", "twice", "bomb"],
)
def test_a_content_encoding_that_cannot_be_undone_fails_the_object(stub, stored, encoding, failure):
    stub.put("day/b.pdf", stored, Content_Encoding=encoding)
    with pytest.raises(ObjectError) as caught:
        read("b.pdf", max_bytes=1_000_000)
    assert caught.value.failure == failure
