"""The page's search by meaning asks the search service, which answers over HTTP here as on a cluster."""

import asyncio
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from airflow.models import Connection

from embedded.ports import free_ports
from ray_ingest.page.filters import written
from ray_ingest.page.service import Service, ServiceClient, ServiceError, find_service
from served_search import TOKEN, served


def ask(service, question="page of the first model", limit=5):
    return asyncio.run(ServiceClient(lambda: service).search(question, limit))


@pytest.fixture(scope="module")
def url(milvus, minilm_path, tmp_path_factory):
    with served(milvus.uri, minilm_path, tmp_path_factory.mktemp("models")) as address:
        yield address


def test_a_page_is_found_with_its_place_and_the_words_of_the_question_marked(url):
    found = ask(Service(url, TOKEN))
    (hit,) = found["hits"]["pages"]
    assert (hit["source"].rpartition("/")[2], hit["page"], hit["picture"]) == ("a.pdf", 1, "")
    assert [piece for piece, is_hit in hit["text"] if is_hit] == ["page", "of", "first"]
    assert found["skipped"] == {}


def test_conditions_go_with_the_question(url):
    client = ServiceClient(lambda: Service(url, TOKEN))
    found = asyncio.run(client.search("page of the first model", 5, written(["tenant=acme"])))
    assert found["hits"]["pages"] == []


def test_what_the_service_refuses_is_said_in_its_words(url):
    with pytest.raises(ServiceError, match="The search service cannot answer: 'limit' is not between 1 and 20"):
        ask(Service(url, TOKEN), limit=21)


@pytest.mark.parametrize(
    ("path", "token", "sentence"),
    [
        ("", "another", "refuses the token: put it into the password of the connection search_default"),
        ("/elsewhere", TOKEN, "cannot answer: there are POST /search"),
    ],
    ids=["token", "path"],
)
def test_a_connection_that_is_not_right_is_named(url, path, token, sentence):
    with pytest.raises(ServiceError, match=sentence):
        ask(Service(url + path, token))


def test_a_service_that_is_away_is_named():
    (port,) = free_ports(1)
    with pytest.raises(ServiceError, match=r"cannot be reached\. Check the connection search_default"):
        ask(Service(f"http://127.0.0.1:{port}", TOKEN))


@pytest.mark.parametrize("body", [b"<html>", b"[]", json.dumps({"hits": [7]}).encode()], ids=["html", "list", "hits"])
def test_another_server_is_named(body):
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            self.send_response(200)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever).start()
        try:
            with pytest.raises(ServiceError, match="answers, but not as the search service does"):
                ask(Service(f"http://127.0.0.1:{server.server_port}", TOKEN))
        finally:
            server.shutdown()


def test_without_a_connection_there_is_no_service():
    assert asyncio.run(ServiceClient(lambda: None).is_there()) is False
    with pytest.raises(ServiceError, match="make the connection search_default to search by meaning"):
        ask(None)


@pytest.mark.parametrize(
    ("given", "service"),
    [
        ({"host": "ray-head"}, Service("http://ray-head:8000", "t")),
        ({"host": "http://ray-head/documents/"}, Service("http://ray-head:8000/documents", "t")),
        ({"host": "search.example.org", "schema": "https"}, Service("https://search.example.org", "t")),
        ({"host": "10.0.0.1", "port": 9000}, Service("http://10.0.0.1:9000", "t")),
    ],
    ids=["name", "path", "TLS", "port"],
)
def test_the_connection_names_the_service(monkeypatch, given, service):
    found = Connection(conn_id="search_default", conn_type="http", password="t", **given)
    monkeypatch.setattr(Connection, "get_connection_from_secrets", staticmethod(lambda name: found))
    assert find_service() == service


def test_a_connection_without_a_host_is_a_problem_of_the_search_alone(monkeypatch):
    found = Connection(conn_id="search_default", conn_type="http")
    monkeypatch.setattr(Connection, "get_connection_from_secrets", staticmethod(lambda name: found))
    client = ServiceClient()
    assert asyncio.run(client.is_there()) is True
    with pytest.raises(ServiceError, match="search_default"):
        asyncio.run(client.search("a question", 5))
