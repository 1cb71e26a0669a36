"""The search service over HTTP in this process, as Ray Serve runs it on a cluster."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import uvicorn

from embedded.ports import free_ports
from embedded.processes import poll
from generations_of_pages import Pages
from ingest.service.searching import SearchService
from ingest.service.settings import ServiceSettings
from ingest.service.tokens import Tokens
from ingest.service.web import Threads, make_app

TOKEN = "token-of-the-search-service"


@contextmanager
def served(milvus_uri: str, minilm: str, folder: Path) -> Iterator[str]:
    """The address of a service over a collection with one page, `page of first` in s3://b/a.pdf."""
    from pymilvus import MilvusClient

    client = MilvusClient(milvus_uri)
    pages = Pages(client, minilm, folder)
    pages.make(0)
    service, threads = SearchService(ServiceSettings(milvus_uri, pages.prefix), pages.load), Threads()
    (port,) = free_ports(1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SEARCH_TOKEN", TOKEN)
        app = make_app(service, Tokens("SEARCH_TOKEN"), threads)
    server = uvicorn.Server(uvicorn.Config(app, "127.0.0.1", port, log_level="error", lifespan="off"))
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        poll(lambda: server.started, 30, "the service listens")
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join()
        service.close()
        threads.close()
        pages.drop()
        client.close()
