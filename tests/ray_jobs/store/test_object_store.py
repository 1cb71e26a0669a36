"""Objects are listed and read on a real S3 server over HTTP, and in local folders."""

import os
import socket
import uuid

import pytest

from ingest.common.errors import ConfigurationError, ObjectError, UnreachableError
from ingest.common.objects import StoredObject
from ingest.store.listing import Ignored
from ingest.store.object_reading import read_object
from ingest.store.object_store import list_objects, normalise_source
from store_client import store_client

BUCKET = "ray-jobs-store"
ODD_KEYS = [
    "a b.pdf", "a%20b.pdf", "a+b.pdf", "a#b.pdf", "a?b.pdf", "a&b=c.pdf", "a;b,c.pdf", "it's \"quoted\".pdf",
    "文件/报告.pdf", "🙂.pdf", "\uffee.pdf", "é.pdf", "e\u0301.pdf", "A.PDF", "Z.pdf", "a-b.pdf", "a.pdf", "a/b.pdf",
    "a/b/c.pdf", "a0.pdf", "%_.pdf", "~.pdf", "{x}[y].pdf", "deep/" * 50 + "x.pdf", "l" * 250 + ".pdf",
]  # fmt: skip


@pytest.fixture
def client(object_store):
    """A boto3 client of the store that the code under test finds."""
    object_store.bucket(BUCKET)
    with store_client(object_store.environment()):
        yield object_store.client()


@pytest.fixture
def prefix(client):
    """A prefix of its own for each test."""
    return f"{uuid.uuid4().hex}/"


def put(client, key, body=b"x"):
    client.put_object(Bucket=BUCKET, Key=key, Body=body)


def sources(prefix, suffixes=()):
    return [entry.source for entry in list_objects(f"s3://{BUCKET}/{prefix}", suffixes)]


def failed_read(source, version):
    with pytest.raises(ObjectError) as caught:
        read_object(source, version)
    assert caught.value.failure.stage == "read"
    return caught.value.failure


def listing_error(kind, source=f"s3://{BUCKET}/"):
    with pytest.raises(kind) as caught:
        list(list_objects(source, ()))
    sentence = str(caught.value)
    assert "\n" not in sentence
    assert os.environ.get("AWS_SECRET_ACCESS_KEY", "embedded-secret") not in sentence
    return sentence


def test_odd_keys_are_listed_as_they_are_in_code_point_order(client, prefix):
    for key in ODD_KEYS:
        put(client, prefix + key)
    assert sources(prefix) == sorted(f"s3://{BUCKET}/{prefix}{key}" for key in ODD_KEYS)


def test_every_odd_key_can_be_read(client, prefix):
    for key in ODD_KEYS:
        put(client, prefix + key, key.encode())
    for entry in list_objects(f"s3://{BUCKET}/{prefix}", ()):
        key = entry.source.removeprefix(f"s3://{BUCKET}/{prefix}")
        assert read_object(entry.source, entry.version) == key.encode()


def test_size_etag_and_time_come_from_the_store(client, prefix):
    etag = client.put_object(Bucket=BUCKET, Key=prefix + "a.pdf", Body=b"12345")["ETag"]
    modified = client.head_object(Bucket=BUCKET, Key=prefix + "a.pdf")["LastModified"].timestamp()
    entries = list(list_objects(f"s3://{BUCKET}/{prefix}", ()))
    assert entries == [StoredObject(f"s3://{BUCKET}/{prefix}a.pdf", etag.strip('"'), 5, modified)]


def test_folder_markers_are_not_listed(client, prefix):
    client.put_object(Bucket=BUCKET, Key=prefix + "folder/", Body=b"")
    put(client, prefix + "folder/a.pdf")
    assert sources(prefix) == [f"s3://{BUCKET}/{prefix}folder/a.pdf"]


def test_suffixes_match_in_any_letter_case(client, prefix):
    for name in ("a.pdf", "b.PDF", "c.Pdf", "d.txt", "pdf", "e.pdf.bak"):
        put(client, prefix + name)
    assert [source.rsplit("/", 1)[1] for source in sources(prefix, (".pdf",))] == ["a.pdf", "b.PDF", "c.Pdf"]


def test_names_with_other_suffixes_are_counted_and_the_first_is_kept(client, prefix):
    for name in ("a.pdf", "b.pdf ", "folder/c"):
        put(client, prefix + name)
    ignored = Ignored()
    assert len(list(list_objects(f"s3://{BUCKET}/{prefix}", (".pdf",), ignored))) == 1
    assert (ignored.count, ignored.first) == (2, f"s3://{BUCKET}/{prefix}b.pdf ")


def test_a_prefix_is_literal(client, prefix):
    for key in ("day-1/a.pdf", "day-10/b.pdf"):
        put(client, prefix + key)
    assert sources(prefix + "day-1/") == [f"s3://{BUCKET}/{prefix}day-1/a.pdf"]


def test_an_empty_prefix_lists_nothing(client, prefix):
    assert sources(prefix) == []


def test_more_objects_than_a_page_are_all_listed(client, prefix):
    for number in range(1005):
        put(client, f"{prefix}{number:04}.pdf", b"")
    found = sources(prefix)
    assert len(found) == 1005
    assert found == sorted(set(found))


def test_the_listed_version_is_read(client, prefix):
    put(client, prefix + "a.pdf", b"first")
    (entry,) = list_objects(f"s3://{BUCKET}/{prefix}", ())
    assert read_object(entry.source, entry.version) == b"first"


def test_an_object_that_was_overwritten_is_not_read(client, prefix):
    put(client, prefix + "a.pdf", b"first")
    (entry,) = list_objects(f"s3://{BUCKET}/{prefix}", ())
    put(client, prefix + "a.pdf", b"second")
    assert failed_read(entry.source, entry.version) == "ChangedDuringRun"


def test_an_object_that_was_deleted_has_vanished(client, prefix):
    put(client, prefix + "a.pdf")
    (entry,) = list_objects(f"s3://{BUCKET}/{prefix}", ())
    client.delete_object(Bucket=BUCKET, Key=prefix + "a.pdf")
    assert failed_read(entry.source, entry.version) == "Vanished"


def test_a_missing_bucket_is_named(client):
    sentence = listing_error(ConfigurationError, "s3://no-such-bucket/x/")
    assert "bucket 'no-such-bucket' does not exist" in sentence


@pytest.mark.parametrize("variable", ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"])
def test_wrong_keys_are_refused(client, monkeypatch, variable):
    monkeypatch.setenv(variable, "WRONGWRONGWRONG")
    assert "refuses these credentials" in listing_error(ConfigurationError)


def test_missing_credentials_give_a_message_about_the_environment(client, monkeypatch):
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    assert "there are no credentials" in listing_error(ConfigurationError)


def test_half_of_the_credentials_counts_as_none(client, monkeypatch):
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    assert "there are no credentials" in listing_error(ConfigurationError)


def test_a_store_that_does_not_answer_is_unreachable(client, monkeypatch):
    with socket.socket() as reserved:  # bound and not listening: connections are refused
        reserved.bind(("127.0.0.1", 0))
        port = reserved.getsockname()[1]
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://user:embedded-secret@127.0.0.1:{port}")
        sentence = listing_error(UnreachableError)
        assert f"http://127.0.0.1:{port} cannot be reached" in sentence
        with pytest.raises(UnreachableError):
            read_object(f"s3://{BUCKET}/a.pdf", "v", sleep=lambda seconds: None)


@pytest.mark.parametrize(
    "endpoint", ["nonsense", "ftp//x", "http://", "minio:9000", "htp://minio:9000", "//minio:9000"]
)
def test_an_endpoint_that_is_not_a_url_is_a_configuration_error(client, monkeypatch, endpoint):
    monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
    assert "AWS_ENDPOINT_URL must begin with http:// or https://" in listing_error(ConfigurationError)


@pytest.mark.parametrize(
    ("endpoint", "sentence"),
    [
        (
            "http://my_store:9000",
            "'my_store' in AWS_ENDPOINT_URL: it has a \"_\"; give the service another name, an alias",
        ),
        ("https://minio.my_net.local", 'it has a "_"'),
        ("http://-store:9000", 'a part of its name begins or ends with "-"; give the service another name'),
        ("http://store-.example:9000", 'a part of its name begins or ends with "-"'),
        ("http://störe:9000", "it has letters outside ASCII; write 'xn--stre-6qa' instead"),
        ("http://a b:9000", "it has a ' '"),
        ("http://a..b:9000", "between dots need 1 to 63 characters"),
        (f"http://{'a' * 64}:9000", "between dots need 1 to 63 characters"),
        ("minio:9000", "must begin with http:// or https:// and name a host; write http:// or https:// before"),
        ("http://minio:99999", "has no valid port behind its host (minio:99999)"),
        ("http://key:embedded-secret@minio:x", "has no valid port behind its host (minio:x)"),
    ],
)
def test_a_host_that_boto3_does_not_take_is_named_as_the_cause(client, monkeypatch, endpoint, sentence):
    monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
    found = listing_error(ConfigurationError)
    assert sentence in found
    assert "embedded-secret" not in found


@pytest.mark.parametrize("source", ["s3://", "s3://a", "s3:///key", "gs://bucket/x/", "http://host/x", "", "/no/such"])
def test_an_invalid_source_is_a_configuration_error(source):
    with pytest.raises(ConfigurationError) as caught:
        normalise_source(source)
    assert "--source" in str(caught.value)


def test_a_bucket_without_a_prefix_gets_a_slash_so_that_no_other_bucket_matches():
    assert normalise_source("s3://bucket") == "s3://bucket/"
    assert normalise_source("s3://bucket/a%20b") == "s3://bucket/a%20b"


def test_a_folder_becomes_an_absolute_uri_that_ends_in_a_slash(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "in").mkdir()
    for source in ("in", "./in/", str(tmp_path / "in"), f"file://{tmp_path}/in"):
        assert normalise_source(source) == f"file://{tmp_path}/in/"


def local(folder, suffixes=()):
    return list(list_objects(normalise_source(str(folder)), suffixes))


def test_a_folder_is_listed_in_code_point_order_of_whole_paths(tmp_path):
    for name in ("a/b.pdf", "a-b.pdf", "a.pdf", "Z.pdf", "é.pdf", "文/🙂.pdf", "a b%20+#?.pdf", "a.txt"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"x")
    found = [entry.source for entry in local(tmp_path, (".pdf",))]
    assert found == sorted(found)
    assert len(found) == 7


def test_a_local_file_is_read_at_its_version(tmp_path):
    (tmp_path / "a.pdf").write_bytes(b"first")
    (entry,) = local(tmp_path)
    assert entry.size == 5
    assert read_object(entry.source, entry.version) == b"first"


def test_a_local_file_that_changed_is_not_read(tmp_path):
    (tmp_path / "a.pdf").write_bytes(b"first")
    (entry,) = local(tmp_path)
    (tmp_path / "a.pdf").write_bytes(b"longer than before")
    assert failed_read(entry.source, entry.version) == "ChangedDuringRun"


def test_a_local_file_that_was_removed_has_vanished(tmp_path):
    (tmp_path / "a.pdf").write_bytes(b"first")
    (entry,) = local(tmp_path)
    (tmp_path / "a.pdf").unlink()
    assert failed_read(entry.source, entry.version) == "Vanished"


def test_a_dangling_link_is_listed_and_fails_as_one_object(tmp_path):
    (tmp_path / "a.pdf").symlink_to(tmp_path / "nowhere.pdf")
    (entry,) = local(tmp_path)
    assert failed_read(entry.source, entry.version) == "NoSuchFile"


def test_a_name_that_is_not_text_is_listed_readably_and_fails_as_one_object(tmp_path):
    (tmp_path / os.fsdecode(b"bad\xff.pdf")).write_bytes(b"x")
    (entry,) = local(tmp_path)
    assert entry.source == f"file://{tmp_path}/bad\\xff.pdf"
    assert failed_read(entry.source, entry.version) == "NoSuchFile"


def test_a_pipe_in_the_folder_is_not_listed(tmp_path):
    os.mkfifo(tmp_path / "pipe.pdf")
    (tmp_path / "a.pdf").write_bytes(b"x")
    assert [entry.source for entry in local(tmp_path)] == [f"file://{tmp_path}/a.pdf"]


@pytest.mark.parametrize("uri", ["s3://user:password@bucket/a/", "s3://my bucket/a/", "s3://b/a/", "s3:///a/"])
def test_an_invalid_bucket_is_refused_without_a_request(uri):
    with pytest.raises(ConfigurationError, match="names no bucket"):
        normalise_source(uri)
