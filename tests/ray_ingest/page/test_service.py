"""The page's search by meaning asks the search service, which answers over HTTP here as on a cluster."""

import asyncio
import json
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from airflow.models import Connection
from fastapi.testclient import TestClient

from embedded.ports import free_ports
from embedded.processes import poll
from ray_ingest.milvus import MilvusServer
from ray_ingest.page.api import create_app
from ray_ingest.page.filters import written
from ray_ingest.page.milvus_client import MilvusClient
from ray_ingest.page.service import Service, ServiceClient, ServiceError, find_service
from ray_ingest.page.target import Target
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
    assert [piece for piece, is_hit in hit["text"] if is_hit] == ["page", "first"]
    assert found["skipped"] == {}
    assert hit["place"] is None  # its row is older than places


def test_conditions_go_with_the_question(url):
    client = ServiceClient(lambda: Service(url, TOKEN))
    found = asyncio.run(client.search("page of the first model", 5, written(["tenant=acme"])))
    assert found["hits"]["pages"] == []


@pytest.mark.parametrize(("prefix", "count"), [("s3://b/", 1), ("s3://b/a.pdf", 1), ("s3://b/b", 0)])
def test_a_prefix_goes_with_the_question(url, prefix, count):
    client = ServiceClient(lambda: Service(url, TOKEN))
    found = asyncio.run(client.search("page of the first model", 5, written(["kind=text"]), prefix))
    assert len(found["hits"]["pages"]) == count


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


class Answering(ThreadingHTTPServer):
    """A server that answers every request with the same body, and counts the connections, and those that are open."""

    def __init__(self, body=b'{"hits": []}', requests_of_a_connection=1000):
        self.connections, self.open, self.tokens, self.lock = 0, 0, [], threading.Lock()

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def setup(self):
                super().setup()
                self.left = requests_of_a_connection
                with self.server.lock:
                    self.server.connections += 1
                    self.server.open += 1

            def finish(self):
                super().finish()
                with self.server.lock:
                    self.server.open -= 1

            def do_POST(self):
                self.rfile.read(int(self.headers["Content-Length"]))
                self.server.tokens.append(self.headers["Authorization"].removeprefix("Bearer "))
                self.send_response(200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)
                self.left -= 1
                self.close_connection = not self.left  # without having said so

            def log_message(self, *_):
                pass

        super().__init__(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server_port}"


@contextmanager
def answering(**settings):
    with Answering(**settings) as server:
        threading.Thread(target=server.serve_forever).start()
        try:
            yield server
        finally:
            server.shutdown()


@pytest.mark.parametrize("body", [b"<html>", b"[]", json.dumps({"hits": [7]}).encode()], ids=["html", "list", "hits"])
def test_another_server_is_named(body):
    with (
        answering(body=body) as server,
        pytest.raises(ServiceError, match="answers, but not as the search service does"),
    ):
        ask(Service(server.url, TOKEN))


async def searched(client, times):
    for _ in range(times):
        assert await client.search("a question", 5) == {"hits": {"pages": []}, "skipped": {}}
    await client.close()


def test_questions_share_a_connection_which_is_closed_with_the_page():
    with answering() as server:
        services = ServiceClient(lambda: Service(server.url, TOKEN))
        asyncio.run(searched(services, 3))
        assert server.connections == 1
        app = create_app(MilvusClient(lambda: Target(MilvusServer("http://127.0.0.1:1"))), "v1", services=services)
        with TestClient(app) as client:
            client.portal.call(services.search, "a question", 5)
            assert (server.connections, server.open) == (2, 1)
        poll(lambda: server.open == 0, 30, "the page has closed its connection")


def test_a_connection_that_was_closed_meanwhile_costs_no_answer():
    with answering(requests_of_a_connection=1) as server:
        asyncio.run(searched(ServiceClient(lambda: Service(server.url, TOKEN)), 3))
        assert server.connections == 3


def test_a_changed_connection_of_airflow_counts_for_the_next_question(monkeypatch):
    monkeypatch.setattr("ray_ingest.page.service.FOUND_SECONDS", -1.0)
    with answering() as one, answering() as other:
        places = iter([Service(one.url, "old"), Service(one.url, "new"), Service(other.url, "new")])
        asyncio.run(searched(ServiceClient(lambda: next(places)), 3))
        assert (one.tokens, other.tokens) == (["old", "new"], ["new"])


def test_a_connection_that_was_not_right_is_read_again_at_once(url):
    places = iter([Service(url, "wrong"), Service(url, TOKEN)])

    async def mend():
        client = ServiceClient(lambda: next(places))
        with pytest.raises(ServiceError, match="refuses the token"):
            await client.search("page of the first model", 5)
        return await client.search("page of the first model", 5)

    assert len(asyncio.run(mend())["hits"]["pages"]) == 1


def test_an_end_that_fails_is_no_error_of_the_api_server(monkeypatch, caplog):
    async def fail(self):
        raise OSError("no end")

    monkeypatch.setattr(ServiceClient, "close", fail)
    with caplog.at_level("INFO", "ray_ingest"), TestClient(create_app(MilvusClient(), "v1")):
        pass
    assert "A connection of the page was not closed." in caplog.text


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
