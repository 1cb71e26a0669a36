"""Who gets an answer: nobody without a user, viewers no texts, and the buttons' rights are Airflow's own."""

import pytest
from airflow.api_fastapi.core_api.security import get_user

pytestmark = pytest.mark.tier("parts")

PATHS = {
    "/overview": {}, "/permissions": {}, "/failures": {}, "/objects": {},
    "/days": {"pipeline": "pdfs", "year": 2026, "month": 1}, "/object": {"source": "s3://b/x"},
    "/object/rows": {"source": "s3://b/x", "collection": "documents"}, "/object/similar": {"source": "s3://b/x"},
    "/search": {"question": "valve"}, "/search/meaning": {"question": "valve"},
}  # fmt: skip
TEXTS = {"/object/rows", "/search", "/search/meaning"}


def test_every_route_refuses_a_request_without_a_user(page):
    app = page.client.app
    del app.dependency_overrides[get_user]
    routes = {route.path for route in app.routes if not route.path.startswith("/static")}
    assert routes == set(PATHS)
    assert {path: page.status(path, **PATHS[path]) for path in routes} == dict.fromkeys(routes, 401)


def test_a_viewer_sees_all_but_the_texts(page):
    page.role = "viewer"
    refused = {path for path, parameters in PATHS.items() if page.status(path, **parameters) == 403}
    assert refused == TEXTS
    assert page.get("/permissions") == {
        "retry": False, "backfill": {"pdfs": False, "images": False, "videos": False}, "contents": False,
        "meaning": False,
    }  # fmt: skip


def test_a_user_may_retry_and_an_operator_read(page):
    page.role = "user"
    may = page.get("/permissions")
    assert may["retry"] and all(may["backfill"].values()) and not may["contents"]
    page.role = "op"
    assert page.get("/permissions")["contents"]


def test_the_files_of_the_page_need_no_user(page):
    del page.client.app.dependency_overrides[get_user]
    found = page.client.get("/static/v1/main.js")
    assert found.status_code == 200
    assert "javascript" in found.headers["content-type"]
