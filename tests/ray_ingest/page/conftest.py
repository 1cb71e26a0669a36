"""The page's API for users of any role, with collections of its own for each test."""

import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from airflow.api_fastapi.app import create_auth_manager
from airflow.api_fastapi.auth.managers.simple.user import SimpleAuthManagerUser
from airflow.api_fastapi.core_api.security import get_user
from fastapi.testclient import TestClient

from ingest.ledger.alias import ensure_ledger
from ingest.milvus.schema import ensure_leases, ensure_rows
from page_api import DIMENSION, VERSION, Page
from ray_ingest.milvus import MilvusServer
from ray_ingest.page.api import create_app
from ray_ingest.page.milvus_client import MilvusClient
from ray_ingest.page.service import ServiceClient
from ray_ingest.page.target import Target


@pytest.fixture(scope="session")
def open_page(milvus: Any) -> Iterator[Callable[[], Page]]:
    """Makes a page with empty collections of its own."""
    from pymilvus import MilvusClient as Client

    client = Client(milvus.uri)
    create_auth_manager()
    opened: list[TestClient] = []

    def make() -> Page:
        prefix = f"p{uuid.uuid4().hex}_"
        ensure_ledger(client, f"{prefix}sources", DIMENSION)
        reading = MilvusClient(lambda: Target(MilvusServer(milvus.uri), prefix, "s3://b", 60.0))
        app = create_app(reading, VERSION, services=ServiceClient(lambda: None))
        page = Page(TestClient(app), "admin", prefix, client)
        page.client.__enter__()  # one event loop for all requests, as in the API server
        opened.append(page.client)
        app.dependency_overrides[get_user] = lambda: SimpleAuthManagerUser(username="u", role=page.role)
        return page

    yield make
    for test_client in opened:
        test_client.__exit__(None, None, None)
    client.close()


@pytest.fixture
def page(open_page: Callable[[], Page]) -> Page:
    return open_page()


@pytest.fixture(scope="session")
def open_page_with_texts(open_page: Callable[[], Page]) -> Callable[[], Page]:
    """Makes a page with two collections of texts."""

    def make() -> Page:
        page = open_page()
        for name in ("documents", "video_segments"):
            generation = f"{page.prefix}{name}_00000000"
            ensure_rows(page.milvus, name, generation, DIMENSION, model="a-model")
            page.milvus.create_alias(generation, page.prefix + name)
        ensure_leases(page.milvus, f"{page.prefix}leases")
        return page

    return make


@pytest.fixture
def with_texts(open_page_with_texts: Callable[[], Page]) -> Page:
    return open_page_with_texts()
