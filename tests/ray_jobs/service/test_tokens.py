"""The service answers those who send one of its tokens, and does not start without one."""

import os

import pytest

from ingest.common.errors import ConfigurationError
from ingest.service.tokens import Tokens

FIRST, SECOND = "first-token-of-the-service", "second-token-of-the-service"


def bearer(token):
    return f"Bearer {token}"


def test_the_token_of_the_variable_opens_the_service_and_nothing_else_does(monkeypatch):
    monkeypatch.setenv("SEARCH_TOKEN", FIRST)
    tokens = Tokens("SEARCH_TOKEN")
    assert tokens.accepts(bearer(FIRST))
    assert tokens.accepts(f"bearer  {FIRST} ")
    for wrong in (
        "",
        FIRST,
        "Bearer",
        "Bearer ",
        bearer(SECOND),
        bearer(FIRST[:-1]),
        f"Basic {FIRST}",
        bearer("é" * 26),
    ):
        assert not tokens.accepts(wrong), wrong


def test_a_token_is_replaced_in_the_file_while_the_service_runs(tmp_path):
    path = tmp_path / "tokens"
    path.write_text(f"{FIRST}\n")
    tokens = Tokens("SEARCH_TOKEN", str(path))
    path.write_text(f"{FIRST}\n\n{SECOND}\n")
    os.utime(path, ns=(1, 1))
    assert tokens.accepts(bearer(FIRST))
    assert tokens.accepts(bearer(SECOND))
    path.write_text(SECOND)
    os.utime(path, ns=(2, 2))
    assert not tokens.accepts(bearer(FIRST))


def test_the_tokens_of_before_count_while_the_file_is_away_or_empty(tmp_path):
    path = tmp_path / "tokens"
    path.write_text(FIRST)
    tokens = Tokens("SEARCH_TOKEN", str(path))
    path.write_text("")
    os.utime(path, ns=(1, 1))
    assert tokens.accepts(bearer(FIRST))
    assert not tokens.accepts("Bearer ")
    path.unlink()
    assert tokens.accepts(bearer(FIRST))


@pytest.mark.parametrize(
    ("value", "sentence"),
    [
        (None, "the environment variable SEARCH_TOKEN has no token on the node .* put a random text there"),
        ("", "the environment variable SEARCH_TOKEN has no token on the node"),
        ("short", "has fewer than 16 characters; use a longer one"),
        (f"{FIRST}\n", "SEARCH_TOKEN begins or ends with white space"),
    ],
)
def test_without_a_usable_token_nothing_starts(value, sentence, monkeypatch):
    monkeypatch.delenv("SEARCH_TOKEN", raising=False)
    if value is not None:
        monkeypatch.setenv("SEARCH_TOKEN", value)
    with pytest.raises(ConfigurationError, match=sentence):
        Tokens("SEARCH_TOKEN")


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(ConfigurationError, match=r"no-file' with the search token cannot be read \(No such file"):
        Tokens("SEARCH_TOKEN", str(tmp_path / "no-file"))
