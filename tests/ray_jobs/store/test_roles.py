"""Credentials that a service hands out: whatever it answers is a sentence about it, and not about the store's keys."""

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from unittest.mock import MagicMock

import pytest

from ingest.common.errors import ConfigurationError
from ingest.store.object_store import list_objects, s3_client


@pytest.fixture
def service(stub, monkeypatch, tmp_path):
    """A service whose answer can be set, and an environment without credentials of its own."""

    class Handler(BaseHTTPRequestHandler):
        answer = (403, "")

        def do_POST(self):
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            status, body = Handler.answer
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body.encode())

        do_GET = do_POST

        def log_message(self, *_):
            pass

    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "token").write_text("a token of some length")
    (tmp_path / "config").write_text("[default]\n")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    Handler.url = f"http://127.0.0.1:{server.server_port}"
    s3_client.cache_clear()
    yield Handler
    server.shutdown()
    server.server_close()
    s3_client.cache_clear()


def refused():
    with pytest.raises(ConfigurationError) as caught:
        list(list_objects("s3://bucket/day/", (".pdf",)))
    return str(caught.value)


def test_a_role_that_may_not_be_assumed_is_named(service, monkeypatch, tmp_path):
    monkeypatch.setenv("AWS_ROLE_ARN", "arn:aws:iam::123456789012:role/reader")
    monkeypatch.setenv("AWS_WEB_IDENTITY_TOKEN_FILE", str(tmp_path / "token"))
    monkeypatch.setenv("AWS_ENDPOINT_URL_STS", service.url)
    error = "<Code>AccessDenied</Code><Message>Not authorized to perform sts:AssumeRoleWithWebIdentity</Message>"
    service.answer = (403, f"<ErrorResponse><Error>{error}</Error></ErrorResponse>")
    assert "AWS_ROLE_ARN" in refused()
    assert "Not authorized to perform" in refused()


def test_a_code_that_nobody_can_type_is_named(monkeypatch):
    client = MagicMock(**{"get_paginator.side_effect": EOFError})  # from botocore's prompt
    monkeypatch.setattr("ingest.store.object_store.s3_client", lambda: client)
    assert "multi-factor" in refused()


@pytest.mark.parametrize("body", ["<html>", "", "<X/>", "{}", "<AssumeRoleWithWebIdentityResponse/>",
                                  "<AssumeRoleWithWebIdentityResponse><AssumeRoleWithWebIdentityResult/>"
                                  "</AssumeRoleWithWebIdentityResponse>"])  # fmt: skip
def test_an_answer_about_a_role_that_is_none_is_said_to_be_that(service, monkeypatch, tmp_path, body):
    monkeypatch.setenv("AWS_ROLE_ARN", "arn:aws:iam::123456789012:role/reader")
    monkeypatch.setenv("AWS_WEB_IDENTITY_TOKEN_FILE", str(tmp_path / "token"))
    monkeypatch.setenv("AWS_ENDPOINT_URL_STS", service.url)
    service.answer = (200, body)
    assert "makes no sense" in refused()
    assert "AWS_ROLE_ARN" in refused()


@pytest.mark.parametrize("body", ["{}", "[]", "null", '{"AccessKeyId": "a"}', '{"AccessKeyId": 1, "Expiration": 2}'])
def test_an_answer_with_the_credentials_of_a_container_that_is_none_is_said_to_be_that(service, monkeypatch, body):
    monkeypatch.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", f"{service.url}/credentials")
    service.answer = (200, body)
    assert "credentials" in refused()
