"""Metadata of owners are read with their objects: no request more than the object, its sidecar and its tags."""

import json

import pytest

from ingest.common.errors import ObjectError, UnreachableError
from ingest.common.owner_values import MAX_SIDECAR_BYTES, NOTE, OWNER, SIDECAR, STORED, Origin
from ingest.stages.prefetch import OWNERS, prefetch
from ingest.store.listing import Ignored
from ingest.store.object_reading import ReadSettings, user_metadata
from ingest.store.owner_metadata import owner_metadata
from ingest.store.sidecars import list_with_sidecars
from store_client import store_client

BUCKET = "owner-metadata"
ROOT = "s3://bucket/tenant=acme/"
SETTINGS = ReadSettings((ROOT,))


def entries(source=ROOT):
    """The objects of a work list, by name."""
    return {
        entry.source.rpartition("/")[2]: {
            "source": entry.source, "version": entry.version, "size": entry.size, "modified": entry.modified,
            "sidecar": entry.sidecar, "sidecar_size": entry.sidecar_size,
        }
        for entry in list_with_sidecars(source, (".pdf",), Ignored())
    }  # fmt: skip


def read(entry, settings=SETTINGS):
    """What a stage gets that reads the object."""
    ((found, data),) = prefetch([entry], settings, lambda *_: None)
    data()
    return found[OWNERS]


@pytest.fixture
def stub(s3_stub):
    s3_stub.reset()
    return s3_stub


def put(stub, name, body=b"content", **headers):
    stub.put(f"tenant=acme/{name}", body, **headers)


def test_values_come_with_the_object_and_the_path_goes_before_the_sidecar_and_that_before_the_headers(stub):
    sidecar = {"tenant": "globex", "year": 2026, "title": "Report"}
    put(stub, "a.pdf", x_amz_meta_tenant="third", x_amz_meta_year="1999", x_amz_meta_pages="12")
    put(stub, "a.pdf.json", json.dumps(sidecar).encode())
    entry = entries()["a.pdf"]
    stub.requests.clear()
    found = read(entry)
    assert found[OWNER] == {"tenant": "acme", "year": 2026, "title": "Report", "pages": 12}
    assert (found[SIDECAR], found[STORED]) == (entry["sidecar"], 1_760_000_000)
    assert len(stub.requests) == 2


def test_a_folder_that_says_that_there_is_no_value_gives_way_to_no_weaker_one(stub):
    root = "s3://bucket/tenant=__HIVE_DEFAULT_PARTITION__/"
    stub.put(f"{root.removeprefix('s3://bucket/')}a.pdf", b"content", x_amz_meta_tenant="third")
    stub.put(f"{root.removeprefix('s3://bucket/')}a.pdf.json", b'{"tenant": "globex", "year": 2026}')
    assert read(entries(root)["a.pdf"], ReadSettings((root,)))[OWNER] == {"year": 2026}


def test_an_object_without_a_sidecar_costs_one_request(stub):
    put(stub, "a.pdf", x_amz_meta_year="2026")
    entry = entries()["a.pdf"]
    stub.requests.clear()
    assert read(entry) == {OWNER: {"tenant": "acme", "year": 2026}, STORED: 1_760_000_000}
    assert [request.split()[0] for request in stub.requests] == ["GET"]


def test_what_is_not_asked_for_is_not_read(stub):
    put(stub, "a.pdf", x_amz_meta_year="2026")
    put(stub, "a.pdf.json", b"{}")
    entry = entries()["a.pdf"]
    path = ReadSettings((ROOT,), origins=frozenset({Origin.PATH}))
    assert owner_metadata({**entry, "sidecar": None}, None, path) == {OWNER: {"tenant": "acme"}, STORED: 1_760_000_000}
    assert stub.gets("tenant=acme/a.pdf.json") == stub.gets("tenant=acme/a.pdf") == 0


def test_an_object_whose_content_is_known_is_asked_for_its_headers_alone(stub):
    put(stub, "a.pdf", x_amz_meta_year="2026")
    entry = entries()["a.pdf"]
    stub.requests.clear()
    assert owner_metadata(entry, None, SETTINGS)[OWNER] == {"tenant": "acme", "year": 2026}
    assert [request.split()[0] for request in stub.requests] == ["HEAD"]


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        (b"", "the sidecar a.pdf.json (it is not JSON)"),
        (b"[" * 60_000, "the sidecar a.pdf.json (it is not JSON)"),
        (b'{"a": "\xff"}', "the sidecar a.pdf.json (it is not UTF-8)"),
        (b"7", "the sidecar a.pdf.json (it is not a JSON object)"),
        (b" " * (MAX_SIDECAR_BYTES + 1), "the sidecar a.pdf.json (it has more than 65536 bytes)"),
        (b'{"tags": ["a"], "year": 2026}', "tags (it is a list or an object"),
    ],
)
def test_a_bad_sidecar_costs_its_values_and_a_note(stub, body, sentence):
    put(stub, "a.pdf", x_amz_meta_pages="12")
    put(stub, "a.pdf.json", body)
    found = read(entries()["a.pdf"])
    assert sentence in found[NOTE]
    assert found[OWNER] == {"tenant": "acme", "pages": 12} | ({"year": 2026} if b"2026" in body else {})
    assert found[SIDECAR]


def test_a_large_sidecar_is_not_even_read(stub):
    put(stub, "a.pdf")
    put(stub, "a.pdf.json", b" " * (MAX_SIDECAR_BYTES + 1))
    read(entries()["a.pdf"])
    assert stub.gets("tenant=acme/a.pdf.json") == 0


def test_a_compressed_sidecar_does_not_explode(stub):
    import gzip

    put(stub, "a.pdf")
    put(stub, "a.pdf.json", gzip.compress(b" " * 10_000_000), Content_Encoding="gzip")
    assert "when decompressed" in read(entries()["a.pdf"])[NOTE]


def test_a_sidecar_that_may_not_be_read_fails_the_object_and_gives_way_to_no_weaker_value(stub):
    put(stub, "a.pdf", x_amz_meta_owner="public")
    stub.put("tenant=acme/a.pdf.json", b'{"owner": "legal"}', (403, "AccessDenied", "no"))
    with pytest.raises(ObjectError, match=r"the sidecar a\.pdf\.json cannot be read: .*AccessDenied"):
        read(entries()["a.pdf"])


def test_a_sidecar_that_is_gone_leaves_a_note_and_is_looked_for_by_the_next_run(stub):
    put(stub, "a.pdf")
    stub.put("tenant=acme/a.pdf.json", b"{}", (404, "NoSuchKey", "no"))
    found = read(entries()["a.pdf"])
    assert "the sidecar a.pdf.json (" in found[NOTE]
    assert SIDECAR not in found


def test_a_sidecar_that_was_replaced_after_the_listing_is_read_as_it_is_now(stub):
    put(stub, "a.pdf", x_amz_meta_owner="public")
    put(stub, "a.pdf.json", b'{"owner": "legal"}')
    listed = entries()["a.pdf"]
    put(stub, "a.pdf.json", b'{"owner": "legal", "draft": true}')
    found = read(listed)
    assert found[OWNER] == {"tenant": "acme", "owner": "legal", "draft": True}
    assert found[SIDECAR] == entries()["a.pdf"]["sidecar"] != listed["sidecar"]


def test_tags_that_may_not_be_read_fail_the_object_with_a_sentence_and_no_tags_are_no_failure(stub):
    put(stub, "a.pdf")
    entry, settings = entries()["a.pdf"], ReadSettings((ROOT,), origins=frozenset(Origin))
    assert read(entry, settings)[OWNER] == {"tenant": "acme"}
    stub.tagging_fault = (403, "AccessDenied", "no")
    with pytest.raises(ObjectError, match=r"its tags cannot be read, as --metadata wants: .*AccessDenied"):
        read(entry, settings)


def test_an_object_that_has_changed_gives_no_values(stub):
    put(stub, "a.pdf", x_amz_meta_year="2026")
    entry = entries()["a.pdf"]
    put(stub, "a.pdf", b"another", x_amz_meta_year="2027")
    with pytest.raises(ObjectError, match="changed after it was listed"):
        user_metadata(entry["source"], entry["version"], SETTINGS)


def test_a_store_that_is_away_ends_the_run(stub):
    put(stub, "a.pdf")
    entry = entries()["a.pdf"]
    stub.objects["tenant=acme/a.pdf"].fault = stub.listing_fault = (500, "InternalError", "no")
    with pytest.raises(UnreachableError):
        user_metadata(entry["source"], entry["version"], SETTINGS, sleep=lambda seconds: None)


def test_files_have_the_values_of_their_path_and_their_sidecar(tmp_path):
    folder = tmp_path / "tenant=acme"
    folder.mkdir()
    (folder / "a.pdf").write_bytes(b"content")
    (folder / "a.pdf.json").write_text('{"year": 2026}')
    root = f"file://{tmp_path}/"
    assert read(entries(root)["a.pdf"], ReadSettings((root,)))[OWNER] == {"tenant": "acme", "year": 2026}


def test_a_real_store_gives_user_metadata_in_any_script_tags_and_a_new_time_to_a_copy_in_place(object_store):
    root = f"{object_store.bucket(BUCKET)}/"
    client = object_store.client()
    client.put_object(
        Bucket=BUCKET,
        Key="a.pdf",
        Body=b"x",
        Metadata={"Year": "2026", "name": "=?UTF-8?B?5paH5Lu2?="},
        Tagging="p=apollo&n=7",
    )
    settings = ReadSettings((root,), origins=frozenset(Origin))
    with store_client(object_store.environment()):
        before = entries(root)["a.pdf"]
        assert read(before, settings)[OWNER] == {"year": 2026, "name": "文件", "p": "apollo", "n": 7}
        client.copy_object(
            Bucket=BUCKET,
            Key="a.pdf",
            CopySource=f"{BUCKET}/a.pdf",
            Metadata={"year": "2027"},
            MetadataDirective="REPLACE",
        )
        after = entries(root)["a.pdf"]
        assert (after["version"], after["modified"] >= before["modified"]) == (before["version"], True)
        assert owner_metadata(after, None, settings)[OWNER]["year"] == 2027
