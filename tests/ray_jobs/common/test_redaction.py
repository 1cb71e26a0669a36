"""No secret leaves the process: neither from the environment, nor in URLs, nor in any kind of error."""

import base64
import html
import json
import os
import re
import signal
from urllib.parse import quote, urlencode

import pytest

from ingest.common import redaction
from ingest.common.errors import JobError, ObjectError
from ingest.common.failures import Failure
from ingest.common.redaction import HIDDEN, hide_credentials, redact
from ingest.common.text import one_line, printable
from ingest.run.script import run_job_script

SECRET = "wJalrXUtnFEMI/K7MDENG"


@pytest.fixture(autouse=True)
def environment(monkeypatch):
    monkeypatch.setattr(redaction, "_hidden", set())  # other tests of this process have secrets, too
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
def test_secrets_are_hidden_and_the_rest_stays(text, shown):
    assert redact(text) == shown


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("TOKENIZERS_PARALLELISM", "disabled"), ("RAY_AUTH_TOKEN_PATH", "/run/token"), ("RAY_AUTH_MODE", "token!"),
        ("AWS_ACCESS_KEY_ID", "AKIAEXAMPLE"), ("PGPASSWORD", "short"),
    ],
)  # fmt: skip
def test_values_that_are_no_secrets_are_shown(monkeypatch, name, value):
    monkeypatch.setenv(name, value)
    assert redact(f"value {value}") == f"value {value}"


def test_the_token_in_a_variable_of_another_name_is_hidden_and_the_name_is_not(monkeypatch):
    monkeypatch.setenv("TEAM_A", "the-password-of-a")
    monkeypatch.setenv("MILVUS_TOKEN_VARIABLE", "TEAM_A")
    assert redact("TEAM_A is the-password-of-a") == "TEAM_A is ***"


@pytest.mark.parametrize("uri", ["http://u:hunter22/y@host:9", "http://u:x@hunter22@host", "u:hunter22@host:1"])
def test_the_password_of_a_malformed_uri_is_hidden_from_environment_and_argument(monkeypatch, uri):
    text = f"{uri}: port could not be cast to integer value as 'hunter22'"
    monkeypatch.setattr("ingest.common.redaction._hidden", set())
    with monkeypatch.context() as patched:
        patched.setenv("AWS_ENDPOINT_URL", uri)
        assert "hunter22" not in redact(text)
    assert "hunter22" in redact(text)
    hide_credentials(uri)
    assert "hunter22" not in redact(text)


KEY = "-----BEGIN KEY-----\nMIIEowIBAAKCAQEA\nq83vEjRWeJCrze8S\n-----END KEY-----\n"
ODD_SECRETS = [
    KEY, "wJalrXUtn/K7MDENG+bPx\n", "\r\n wJalrXUtn/K7MDENG\t", "it's \"quoted\" \\ here", "a&b<c>d=e f",
    "pässwört-文", "tab\tand\x1besc", "pässwört\x1b\\文", "two  spaces   here", "a%2Fb%3Dc+d", "bytes: \udcff\udcfe",
    "secret\u2028\u200bthing", "x:yyyyyyyyy\n",
]  # fmt: skip
QUOTED = {
    "as it is": str,
    "literal": repr,
    "bytes": lambda value: repr(value.encode(errors="surrogateescape")),
    "dict": lambda value: str({"key": value}),
    "ascii": ascii,
    "json": json.dumps,
    "path": lambda value: quote(value.encode(errors="surrogateescape")),
    "query": lambda value: urlencode({"key": value.encode(errors="surrogateescape")}),
    "lower query": lambda value: re.sub("%..", lambda e: e[0].lower(), quote(value.encode(errors="surrogateescape"))),
    "xml": html.escape,
    "basic authorization": lambda value: base64.b64encode(value.encode(errors="surrogateescape")).decode(),
    "stripped": str.strip,
    "message": lambda value: one_line(ValueError(f"Invalid header value {value!r}")),
    "plain message": lambda value: one_line(ValueError(value)),
}


@pytest.mark.parametrize("how", QUOTED)
@pytest.mark.parametrize("value", ODD_SECRETS, ids=ascii)
def test_a_secret_is_hidden_in_every_form_in_which_an_error_quotes_it(monkeypatch, value, how):
    monkeypatch.setenv("APP_PASSWORD", value)
    left = redact(f"before {QUOTED[how](value)} after")
    assert HIDDEN in left
    assert set(re.findall(r"\w{3,}", left)) <= {"before", "after", "key", "Invalid", "header", "value"}


def test_no_line_of_a_secret_of_several_lines_is_shown(monkeypatch):
    monkeypatch.setenv("APP_PRIVATE_KEY", KEY)
    for line in KEY.splitlines():
        assert redact(f"line {line}") == "line ***"


@pytest.fixture
def handlers():
    """The handlers of signals that a program has in a terminal; the earlier ones are restored after the test."""
    before = {signum: signal.getsignal(signum) for signum in (signal.SIGINT, signal.SIGTERM)}
    # A shell tells its background jobs, such as these tests, to ignore SIGINT.
    usual = {signal.SIGINT: signal.default_int_handler, signal.SIGTERM: signal.SIG_DFL}
    for signum, handler in usual.items():
        signal.signal(signum, handler)
    yield usual
    for signum, handler in before.items():
        signal.signal(signum, handler)


@pytest.mark.parametrize("first", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_run_ends_in_one_sentence_and_no_further_signal_disturbs_its_end(first, handlers, capsys):
    def work():
        try:
            signal.raise_signal(first)
        finally:  # its locks and its Ray end here
            signal.raise_signal(signal.SIGINT)
            signal.raise_signal(signal.SIGTERM)

    assert run_job_script(work, "") == 128 + first
    signal.raise_signal(signal.SIGINT)
    assert capsys.readouterr().err.count(f"ERROR: the run was interrupted ({first.name})") == 1


def test_a_run_that_ends_by_itself_restores_the_handlers_of_signals(handlers):
    def work():
        raise JobError("no")

    assert run_job_script(work, "") == 1
    assert {signum: signal.getsignal(signum) for signum in handlers} == handlers


def test_the_failure_of_an_object_holds_no_secret():
    assert SECRET not in ObjectError(Failure.UNREADABLE, f"the URL has {SECRET} in it").message
    assert SECRET not in one_line(ValueError(SECRET))


def test_a_traceback_holds_no_secret(capsys):
    def work():
        raise RuntimeError(f"connect failed: http://root:hunter22@host with {SECRET}")

    assert run_job_script(work, "") == 1
    output = "".join(capsys.readouterr())
    assert "Traceback" in output
    assert not [secret for secret in (SECRET, "hunter22") if secret in output]


def test_control_characters_in_a_name_do_not_break_a_line():
    assert printable("s3://b/a\nb\x1b[31m文.pdf") == "s3://b/a\\nb\\x1b[31m文.pdf"
