"""A store that refuses every request, or whose answers are odd, and sources that are written in odd ways."""

import pytest
from botocore.exceptions import SSLError

from ingest.common.errors import ConfigurationError, ObjectError, UnreachableError
from ingest.store.object_reading import ReadSettings, read_object
from ingest.store.object_store import list_objects, normalise_source, normalise_sources, s3_client
from ingest.store.refusals import refusal, silence
from ingest.store.timestamps import timestamp

ROOT = "s3://bucket/day/"


def sources():
    return [entry.source for entry in list_objects(ROOT, (".pdf",))]


def page(inside):
    return f"\n<?xml version='1.0'?><ListBucketResult><IsTruncated>false</IsTruncated>{inside}</ListBucketResult>"


def item(key, inside=""):
    return f"<Contents><Key>{key}</Key><ETag>&quot;1&quot;</ETag>{inside}</Contents>"


@pytest.mark.parametrize(
    ("fault", "names"),
    [
        ((403, "RequestTimeTooSkewed", "no"), "the clock of this node"),
        ((400, "ExpiredToken", "no"), "AWS_SESSION_TOKEN"),
        ((403, "SecondLevelDomainForbidden", "Please use virtual hosted style"), "virtual hosted style"),
        ((404, "NoSuchKey", "no"), "without the bucket"),
        ((400, "InvalidRegionName", "no"), "AWS_DEFAULT_REGION"),
        ((501, "NotImplemented", "no"), "NotImplemented"),
        ((400, "400", ""), "AWS_DEFAULT_REGION, which must be the bucket's region"),
        ((400, "ExpiredToken", "The provided token has expired."), "has expired.*get a new token"),
        ((403, "SecurityTokenExpired", "The security token you provided has expired."), "get a new token"),
        ((403, "InvalidAccessKeyId", "The security token included in the request is expired"), "get a new token"),
        ((403, "InvalidAccessKeyId", "It does not exist in our records"), "in our records.*check AWS_ACCESS_KEY_ID"),
        ((403, "AccessDenied", "S3 API Request made to Console port."), "console.*set AWS_ENDPOINT_URL to the port"),
        ((400, "InvalidArgument", "S3 API Requests must be made to API port."), "set AWS_ENDPOINT_URL to the port"),
    ],
)
def test_a_refusal_of_the_listing_is_a_configuration_error_that_names_the_remedy(stub, fault, names):
    stub.listing_fault = fault
    with pytest.raises(ConfigurationError, match=names):
        sources()


def test_a_token_that_expires_in_the_middle_of_a_run_fails_no_object(stub):
    stub.put("day/n.pdf", b"n", (403, "SecurityTokenExpired", "The security token you provided has expired."))
    (entry,) = list_objects(f"{ROOT}n.pdf", ())
    with pytest.raises(ConfigurationError, match="get a new token"):
        read_object(entry.source, entry.version, entry.size, ReadSettings((ROOT,)))


@pytest.mark.parametrize("fault", [(404, "404", "no route"), (429, "SlowDown", "no")])
def test_an_answer_that_may_pass_is_no_configuration_error(stub, fault, monkeypatch):
    monkeypatch.setattr("ingest.store.object_store.REQUEST_ATTEMPTS", 1)
    s3_client.cache_clear()
    stub.listing_fault = fault
    with pytest.raises(UnreachableError):
        sources()
    s3_client.cache_clear()


@pytest.mark.parametrize(
    ("store", "names"),
    [
        ("https://s3.s3-sa-east-1.amazonaws.com", "AWS_DEFAULT_REGION is a region"),
        ("http://minio:9000", "AWS_ENDPOINT_URL is right"),
        ("https://amazonaws.com.example.org", "AWS_ENDPOINT_URL is right"),
    ],
)
def test_a_store_that_does_not_answer_gets_a_hint_at_what_names_its_address(store, names):
    assert names in silence(OSError("nobody there"), store)


def test_credentials_that_may_not_list_get_the_permission_the_prefix_and_the_reason_of_the_store(stub):
    stub.listing_fault = (403, "AccessDenied", "not authorized, with an explicit deny in a resource-based policy")
    with pytest.raises(ConfigurationError) as caught:
        sources()
    for words in ("s3:ListBucket", "'day/'", "'bucket'", "explicit deny in a resource-based policy"):
        assert words in str(caught.value)


@pytest.mark.parametrize(
    "fault", [(503, "SlowDown", "Please reduce your request rate"), (429, "TooManyRequests", "no")]
)
def test_a_store_that_asks_for_patience_is_not_said_to_be_away(stub, fault, monkeypatch):
    monkeypatch.setattr("ingest.store.object_store.REQUEST_ATTEMPTS", 1)
    s3_client.cache_clear()
    stub.listing_fault = fault
    with pytest.raises(UnreachableError, match="so few requests"):
        sources()
    s3_client.cache_clear()


@pytest.mark.parametrize("name", ["AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_DEFAULT_REGION", "AWS_CA_BUNDLE"])
def test_an_empty_variable_is_none(stub, monkeypatch, name):
    monkeypatch.setenv(name, "")
    s3_client.cache_clear()
    assert len(sources()) == 3
    s3_client.cache_clear()


@pytest.mark.parametrize(
    ("endpoint", "words"),
    [("localhost:9000", "must begin with http://"), ("http://my_store:9000", 'it has a "_"'), ("http://-a/", '"-"')],
)
def test_an_endpoint_of_a_profile_that_boto3_does_not_take_is_explained(stub, monkeypatch, tmp_path, endpoint, words):
    (tmp_path / "config").write_text(f"[profile p]\nregion = us-east-1\nendpoint_url = {endpoint}\n")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_PROFILE", "p")
    monkeypatch.delenv("AWS_ENDPOINT_URL")
    s3_client.cache_clear()
    with pytest.raises(ConfigurationError) as caught:
        sources()
    assert words in str(caught.value)
    assert "endpoint_url of the profile" in str(caught.value)
    s3_client.cache_clear()


@pytest.mark.parametrize(
    ("problem", "names"),
    [
        ("[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: self-signed certificate", "AWS_CA_BUNDLE"),
        ("[SSL: WRONG_VERSION_NUMBER] wrong version number", "http://"),
        ("[Errno 2] No such file or directory", "AWS_CA_BUNDLE"),
        ("[SSL: UNEXPECTED_EOF_WHILE_READING]", ""),
    ],
)
def test_an_error_of_tls_names_the_variable(problem, names):
    found = refusal(SSLError(endpoint_url="https://store", error=problem), "https://store", "bucket")
    assert names in found if names else not found


def test_a_listing_after_white_space_keeps_to_the_prefix(stub):
    stub.listing_page = page(item("day/a.pdf") + item("other/b.pdf") + item("day/c.pdf", "<LastModified/>"))
    assert sources() == [f"{ROOT}a.pdf", f"{ROOT}c.pdf"]


@pytest.mark.parametrize(
    "inside",
    [
        "<CommonPrefixes><Prefix>day/sub/</Prefix></CommonPrefixes>",
        "<Contents><Size>1</Size></Contents>",
        item("day/a.pdf", "<Key>day/b.pdf</Key>"),
    ],
)
def test_a_listing_that_is_no_list_of_objects_is_not_taken_for_an_empty_one(stub, inside):
    stub.listing_page = page(inside)
    with pytest.raises(ConfigurationError):
        sources()


def test_the_file_of_a_web_identity_is_named_if_it_is_missing(stub, monkeypatch):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_ROLE_ARN", "arn:aws:iam::1:role/r")
    monkeypatch.setenv("AWS_WEB_IDENTITY_TOKEN_FILE", "/no/such/token")
    s3_client.cache_clear()
    with pytest.raises(ConfigurationError, match="/no/such/token"):
        sources()
    s3_client.cache_clear()


def test_times_that_are_none_are_no_times():
    assert timestamp("2025-10-09T08:53:20Z") == timestamp("Thu, 09 Oct 2025 08:53:20 GMT")
    for text in ("", "garbage", "0000-00-00T00:00:00Z", "1760000000000", "Do, 09 Okt 2025 08:53:20 GMT", None):
        assert timestamp(text) is None


def test_an_object_with_a_time_that_is_none_is_read(stub):
    stub.put("day/t.pdf", b"t", Last_Modified="Do, 09 Okt 2025 08:53:20 GMT, Thu, 01 Jan 1970 00:00:00 GMT")
    (entry,) = list_objects(f"{ROOT}t.pdf", ())
    assert read_object(entry.source, entry.version, entry.size) == b"t"


def test_an_object_whose_length_is_no_number_fails_alone(stub):
    stub.put("day/n.pdf", b"n", Content_Length="x")
    (entry,) = list_objects(f"{ROOT}n.pdf", ())
    with pytest.raises(ObjectError, match="makes no sense"):
        read_object(entry.source, entry.version, entry.size, ReadSettings((ROOT,)))


@pytest.mark.parametrize(
    ("endpoint", "address"),
    [
        ("https://oss-cn-hangzhou.aliyuncs.com", "https://bucket.oss-cn-hangzhou.aliyuncs.com/a.pdf"),
        ("https://store.example.com", "https://store.example.com/bucket/a.pdf"),
    ],
)
def test_a_cloud_that_wants_the_bucket_in_the_host_gets_it_there(stub, monkeypatch, endpoint, address):
    monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
    s3_client.cache_clear()
    url = s3_client().generate_presigned_url("get_object", Params={"Bucket": "bucket", "Key": "a.pdf"})
    s3_client.cache_clear()
    assert url.partition("?")[0] == address


def test_a_local_source_may_be_a_uri_with_escapes_or_begin_with_a_tilde(tmp_path, monkeypatch):
    folder = tmp_path / "my files"
    folder.mkdir()
    monkeypatch.setenv("HOME", str(tmp_path))
    expected = f"file://{folder}/"
    for source in (folder.as_uri(), f"file://localhost{folder}", "~/my files", f"file:{folder}", f"FILE://{folder}"):
        assert normalise_source(source) == expected
    (tmp_path / "my%20files").mkdir()
    assert normalise_source(folder.as_uri()) == f"file://{tmp_path}/my%20files/"


def test_a_local_source_that_cannot_be_looked_at_is_a_configuration_error(tmp_path):
    loop = tmp_path / "loop"
    loop.symlink_to(loop)
    for source in (str(loop), "a" * 300):
        with pytest.raises(ConfigurationError, match="cannot be opened"):
            normalise_source(source)


def test_other_ways_to_write_the_scheme_of_s3_are_understood():
    given = ["S3://bucket/A/", "s3a://bucket/B/", "s3n://bucket/a/s3a://x/", " s3://bucket/C/ "]
    assert list(normalise_sources(given)) == [
        "s3://bucket/A/",
        "s3://bucket/B/",
        "s3://bucket/a/s3a://x/",
        "s3://bucket/C/ ",
    ]
    with pytest.raises(ConfigurationError, match="not supported"):
        normalise_source("s3x://bucket/")


def test_a_pattern_is_no_source_unless_keys_begin_with_it(stub):
    with pytest.raises(ConfigurationError, match="no pattern"):
        list(list_objects("s3://bucket/day/*.pdf", (".pdf",)))
    stub.put("day/*.pdf", b"x")
    assert [entry.source for entry in list_objects("s3://bucket/day/*.pdf", (".pdf",))] == ["s3://bucket/day/*.pdf"]
    assert list(list_objects("s3://bucket/none/", (".pdf",))) == []


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("AccessDenied", "Cannot download file, download bandwidth or transaction (Class B) cap exceeded."),
        ("UserDisable", "UserDisable"),
        ("Forbidden", "You have exceeded your current daily download quota."),
    ],
)
def test_a_cap_that_is_used_up_is_an_outage_of_the_store_and_no_fault_of_an_object(stub, code, message):
    stub.put("day/n.pdf", b"n", (403, code, message))
    (entry,) = list_objects(f"{ROOT}n.pdf", ())
    with pytest.raises(UnreachableError, match="raise its cap"):
        read_object(entry.source, entry.version, entry.size, ReadSettings((ROOT,)))
    stub.listing_fault = (403, code, message)
    with pytest.raises(UnreachableError, match="raise its cap"):
        sources()
