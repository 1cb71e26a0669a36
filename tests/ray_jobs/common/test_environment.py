"""Values of environment variables that came from a file with a line break at its end, or with their quotes."""

import pytest

from ingest.common.environment import variable
from ingest.common.errors import ConfigurationError
from ingest.milvus.client import connect
from ingest.run.ray_address import token
from ingest.store.object_store import s3_client
from store_client import store_client

AROUND = ["{}\n", "{}\r\n", " {}", "{}\t", "\ufeff{}", "{}\u00a0", '"{}"', "'{}'", "\u201c{}\u201d"]
S3 = {
    "AWS_ACCESS_KEY_ID": "AKIASTUB",
    "AWS_SECRET_ACCESS_KEY": "stub-secret",
    "AWS_SESSION_TOKEN": "stub-session",
    "AWS_DEFAULT_REGION": "eu-north-1",
    "AWS_ENDPOINT_URL": "http://127.0.0.1:1",
    "AWS_ENDPOINT_URL_S3": "http://127.0.0.1:1",
}


@pytest.mark.parametrize("value", ["", "x", '"', "a b", 'root:it\'s "quoted"', "'a", "\u5bc6\u7801"])
def test_a_value_is_returned_as_it_is(value, monkeypatch):
    monkeypatch.setenv("SOME_NAME", value)
    assert variable("SOME_NAME") == value
    monkeypatch.delenv("SOME_NAME")
    assert variable("SOME_NAME") == ""


@pytest.mark.parametrize("around", AROUND, ids=ascii)
def test_white_space_and_quotes_around_a_value_are_refused_without_the_value(around, monkeypatch):
    monkeypatch.setenv("SOME_NAME", around.format("hidden value"))
    with pytest.raises(ConfigurationError, match="SOME_NAME ") as caught:
        variable("SOME_NAME")
    assert "hidden" not in str(caught.value)


@pytest.mark.parametrize("name", S3)
def test_each_variable_of_the_object_store_is_checked(name):
    with store_client({**S3, name: f"{S3[name]}\n"}), pytest.raises(ConfigurationError, match=f"{name} begins or ends"):
        s3_client()


def test_the_token_of_milvus_is_checked(monkeypatch):
    monkeypatch.setenv("MILVUS_TOKEN", "root:Milvus\n")
    with pytest.raises(ConfigurationError, match="MILVUS_TOKEN begins or ends"):
        connect("http://127.0.0.1:1")


@pytest.mark.parametrize("uri", ["http://127.0.0.1:1\n", " http://127.0.0.1:1", "http://127.0.0.1:1 "])
def test_white_space_around_the_uri_of_milvus_is_refused(uri):
    with pytest.raises(ConfigurationError, match="--milvus-uri"):
        connect(uri)


@pytest.mark.parametrize("mode", ["", "token"])
def test_the_token_of_ray_is_sent_without_the_line_break(mode, monkeypatch):
    monkeypatch.setenv("RAY_AUTH_MODE", mode)
    monkeypatch.setenv("RAY_AUTH_TOKEN", "ray-token\n")
    assert token() == "ray-token"
