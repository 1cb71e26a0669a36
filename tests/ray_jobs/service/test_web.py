"""The service over HTTP: tokens, limits, and errors of one sentence, around a service that does what a test wants."""

import logging
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from ingest.service.refused import RefusedError
from ingest.service.settings import MAX_BODY_BYTES
from ingest.service.web import Threads

ASK = {"question": "bees"}
READY = {"ready": True, "searched": {"pages": {"collection": "documents_1", "model": "minilm"}}, "problems": {}}


class Service:
    """Answers with what it was asked, after `before` was called."""

    def __init__(self, before=lambda: None, state=READY):
        self._before, self._state = before, state

    def search(self, question):
        self._before()
        return {"question": question.text, "hits": []}

    def similar(self, likeness):
        self._before()
        return {"source": likeness.source, "similar": []}

    def state(self):
        return self._state


def test_a_question_is_answered(client_of):
    answer = client_of(Service()).post("/search", json={"question": "蜂蜜"})
    assert (answer.status_code, answer.json()) == (200, {"question": "蜂蜜", "hits": []})
    assert answer.headers["content-type"] == "application/json"


def test_a_likeness_is_answered(client_of):
    assert client_of(Service()).post("/similar", json={"source": "s"}).json() == {"source": "s", "similar": []}


@pytest.mark.parametrize("path", ["/search", "/similar"])
@pytest.mark.parametrize("headers", [{}, {"Authorization": "Bearer another-token-entirely"}])
def test_nobody_asks_without_the_token(client_of, path, headers):
    answer = client_of(Service(), headers=headers).post(path, json=ASK)
    assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Bearer")
    assert answer.json()["error"].startswith("this needs the header Authorization: Bearer")


def test_everybody_learns_whether_it_is_ready_and_no_more(client_of):
    client = client_of(Service(), headers={})
    assert (client.get("/healthz").status_code, client.get("/readyz").json()) == (200, {"ready": True})
    assert client_of(Service()).get("/readyz").json() == READY
    away = {"ready": False, "searched": {}, "problems": {}, "problem": "Milvus at h:1 cannot be reached"}
    answer = client_of(Service(state=away), headers={}).get("/readyz")
    assert (answer.status_code, answer.json()) == (503, {"ready": False})


def test_a_bad_request_gets_one_sentence(client_of):
    answer = client_of(Service()).post("/search", json={"question": ""})
    assert (answer.status_code, answer.json()) == (
        400,
        {"error": "give either a question, which is not empty, or an image"},
    )


@pytest.mark.parametrize(("method", "path", "status"), [("GET", "/search", 405), ("POST", "/ask", 404)])
def test_other_routes_name_those_that_there_are(client_of, method, path, status):
    answer = client_of(Service()).request(method, path)
    assert (answer.status_code, "POST /search" in answer.json()["error"]) == (status, True)


@pytest.mark.parametrize("declared", [True, False])
def test_a_large_request_is_refused(client_of, declared):
    large = b"x" * (MAX_BODY_BYTES + 1)
    answer = client_of(Service()).post("/search", content=large if declared else iter([large]))
    assert (answer.status_code, answer.json()) == (413, {"error": "the request has more than 16 MB"})


def test_what_cannot_be_answered_for_a_while_says_when_to_ask_again(client_of):
    def away():
        raise RefusedError(503, "Milvus at h:1 cannot be reached", 5)

    answer = client_of(Service(away)).post("/search", json=ASK)
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
    assert answer.json() == {"error": "Milvus at h:1 cannot be reached"}


def test_an_unexpected_error_is_one_sentence_for_the_client_and_a_traceback_for_the_log(client_of, caplog):
    def fail():
        raise RuntimeError("two\nlines")

    with caplog.at_level(logging.ERROR):
        answer = client_of(Service(fail)).post("/search", json=ASK)
    assert answer.status_code == 500
    assert answer.json() == {"error": "the service failed unexpectedly (RuntimeError: two lines)"}
    assert "Traceback" in caplog.text


class Gate:
    """Requests wait at it until it is opened; `arrived` counts them."""

    def __init__(self):
        self.arrived, self.open = threading.Semaphore(0), threading.Event()

    def __call__(self):
        self.arrived.release()
        assert self.open.wait(60)


def test_a_busy_service_says_so_and_stays_healthy(client_of):
    gate = Gate()
    client = client_of(Service(gate), Threads(at_work=1, waiting=1))
    with ThreadPoolExecutor(3) as pool:
        try:
            busy = [pool.submit(client.post, "/search", json=ASK)]
            assert gate.arrived.acquire(timeout=60)
            # One of two more waits, and the other one is refused, whichever comes first.
            busy += [pool.submit(client.post, "/search", json=ASK) for _ in range(2)]
            refused = next(each for each in _as_done(busy)).result()
            assert (refused.status_code, refused.headers["retry-after"]) == (429, "1")
            assert refused.json() == {"error": "2 requests are at work or wait; ask again in a second"}
            assert client.get("/healthz").status_code == 200
        finally:
            gate.open.set()
        assert sorted(each.result().status_code for each in busy) == [200, 200, 429]
        assert client.post("/search", json=ASK).status_code == 200


def _as_done(futures):
    from concurrent.futures import as_completed

    return as_completed(futures, timeout=60)


def test_a_request_that_takes_too_long_keeps_its_place_to_its_end(client_of):
    gate = Gate()
    client = client_of(Service(gate), Threads(at_work=1, waiting=0, seconds=0.01))
    try:
        answer = client.post("/search", json=ASK)
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
        assert answer.json()["error"].startswith("there is no answer after 0.01 s")
        assert client.post("/search", json=ASK).status_code == 429
    finally:
        gate.open.set()
