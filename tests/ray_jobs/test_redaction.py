"""Secrets do not leave: by the environment's values, in URLs, and through every kind of error."""

import os

import pytest

from ingest.errors import ObjectError, one_line, printable
from ingest.redaction import redact
from ingest.script import finish

SECRET = "wJalrXUtnFEMI/K7MDENG"


@pytest.fixture(autouse=True)
def environment(monkeypatch):
    for name in list(os.environ):
        if "SECRET" in name or "TOKEN" in name:
            monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    monkeypatch.setenv("MILVUS_TOKEN", "root:a-long-password")


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (f"signing with {SECRET} failed", "signing with *** failed"),
        ("authorization root:a-long-password", "authorization ***"),
        ("login of root with a-long-password", "login of root with ***"),
        ("GET http://user:pw@host:1/x", "GET http://***@host:1/x"),
        ("https://b.s3.example/k?X-Amz-Credential=A%2F1&X-Amz-Signature=ff01&x=1",
         "https://b.s3.example/k?X-Amz-Credential=***&X-Amz-Signature=***&x=1"),
        ("s3://bucket/mail@host/a.pdf", "s3://bucket/mail@host/a.pdf"),
        ("nothing secret here", "nothing secret here"),
    ],
)  # fmt: skip
def test_what_is_secret_is_hidden_and_the_rest_stays(text, shown):
    assert redact(text) == shown


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("TOKENIZERS_PARALLELISM", "disabled"), ("RAY_AUTH_TOKEN_PATH", "/run/token"), ("RAY_AUTH_MODE", "token!"),
        ("AWS_ACCESS_KEY_ID", "AKIAEXAMPLE"), ("PGPASSWORD", "short"),
    ],
)  # fmt: skip
def test_what_is_no_secret_is_shown(monkeypatch, name, value):
    monkeypatch.setenv(name, value)
    assert redact(f"value {value}") == f"value {value}"


def test_an_objects_failure_holds_no_secret():
    assert SECRET not in ObjectError("read", "Unreadable", f"the URL has {SECRET} in it").message
    assert SECRET not in one_line(ValueError(SECRET))


def test_a_traceback_holds_no_secret(capsys):
    def work():
        raise RuntimeError(f"connect failed: http://root:hunter22@host with {SECRET}")

    assert finish(work, "") == 1
    output = "".join(capsys.readouterr())
    assert "Traceback" in output
    assert not [secret for secret in (SECRET, "hunter22") if secret in output]


def test_control_characters_of_a_name_do_not_break_a_line():
    assert printable("s3://b/a\nb\x1b[31m文.pdf") == "s3://b/a\\nb\\x1b[31m文.pdf"
