"""The search service over HTTP in this process, as Ray Serve runs it on a cluster."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest
import uvicorn

from embedded.ports import free_ports
from embedded.processes import poll
from generations_of_pages import Pages
from ingest.migration.generations import Names, publish
from ingest.milvus.schema import DOCUMENTS, ensure_rows
from ingest.models.text_model import find_text_model
from ingest.pdf.chunking import ChunkSettings
from ingest.pdf.document import DocumentSettings, prepare_documents, read_document
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
    try:
        with _serving(SearchService(ServiceSettings(milvus_uri, pages.prefix), pages.load)) as url:
            yield url
    finally:
        pages.drop()
        client.close()


@contextmanager
def served_documents(milvus_uri: str, minilm: str, documents: Mapping[str, bytes]) -> Iterator[str]:
    """The address of a service over PDFs by their URI in S3, which it reads there for the pictures of pages."""
    from pymilvus import MilvusClient

    from ingest.models.text_encoder import TextEncoder

    model, prefix = find_text_model(minilm), "served_"
    prepare_documents(model.tokenizer_json)
    encoder, settings = TextEncoder(model.name, model.dimension), DocumentSettings(ChunkSettings(120, 0), 100)
    client, names = MilvusClient(milvus_uri), Names.of(prefix, "pdfs", (DOCUMENTS,), model.identity)
    ensure_rows(client, DOCUMENTS, names.rows[0], model.dimension, model=model.label)
    publish(client, names)
    for source, content in documents.items():
        chunks, version = read_document(content, settings).chunks, hashlib.md5(content).hexdigest()
        client.upsert(
            names.rows[0],
            [
                {"id": f"{source} {at}", "source": source, "version": version, "ordinal": at, "page": chunk.page,
                 "kind": chunk.kind, "text": chunk.text, "metadata": chunk.metadata, "embedding": vector}
                for at, (chunk, vector) in enumerate(
                    zip(chunks, encoder.encode([chunk.text for chunk in chunks]), strict=True)
                )
            ],
        )  # fmt: skip
    try:
        with _serving(SearchService(ServiceSettings(milvus_uri, prefix))) as url:
            yield url
    finally:
        client.drop_alias(names.public[0])
        client.drop_collection(names.rows[0])
        client.close()


@contextmanager
def _serving(service: SearchService) -> Iterator[str]:
    threads = Threads()
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
