"""The application over HTTP, around a service that a test has made."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest
from starlette.testclient import TestClient

from ingest.service.tokens import Tokens
from ingest.service.web import Threads, make_app

TOKEN = "token-of-the-search-service"
BEARER = {"Authorization": f"Bearer {TOKEN}"}


@pytest.fixture
def tokens(monkeypatch) -> Tokens:
    monkeypatch.setenv("SEARCH_TOKEN", TOKEN)
    return Tokens("SEARCH_TOKEN")


@pytest.fixture
def client_of(tokens) -> Iterator[Callable[..., TestClient]]:
    """Makes a client of the application around a service."""
    with ExitStack() as stack:

        def make(service, threads=None, headers=BEARER):
            threads = threads or Threads()
            stack.callback(threads.close)
            return stack.enter_context(TestClient(make_app(service, tokens, threads), headers=headers))

        yield make
