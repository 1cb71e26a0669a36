"""`search.py --service` prints what the service answers, and says in one sentence why there is no answer."""

import json

import pytest
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse, RedirectResponse
from starlette.routing import Route

from ingest.milvus.filters import written
from ingest.search.command_line import search
from ingest.search.hits import SHOWN_OWNER
from ingest.service.refused import RefusedError
from ingest.service.tokens import Tokens
from ingest.service.web import Threads, make_app
from served_app import served

TOKEN = "token-of-the-search-service"
BARE = {"source": "s3://b/a.pdf", "version": "v", "page": 3, "text": "Bees make honey.", "score": 0.5}
PLACED = BARE | {"boxes": [[72.0, 90.5, 500.0, 104.0]], "page_size": [595.3, 841.9]}
PAGE = PLACED | {"owner": {"tenant": "acme", "year": 2026, "draft": True}, "context": None}
FRAME = {"source": "s3://b/a.mp4", "version": "v", "time": 61.0, "score": 0.25, "owner": {}}
RED_PIXEL = (
    "data:image/jpeg;base64,/9j/4AAQSkZJRgABAQAAAQABAAD/2wBDAAoHBwgHBgoICAgLCgoLDhgQDg0NDh0VFhEYIx8lJCIfIiEmKzcvJik0"
    "KSEiMEExNDk7Pj4+JS5ESUM8SDc9Pjv/2wBDAQoLCw4NDhwQEBw7KCIoOzs7Ozs7Ozs7Ozs7Ozs7Ozs7Ozs7Ozs7Ozs7Ozs7Ozs7Ozs7Ozs7Ozs7Ozs7"
)


class Service:
    """Answers with a page and a frame after it has refused the first requests with `refusals`."""

    def __init__(self, *refusals, page=PAGE):
        self.refusals, self.page, self.asked = list(refusals), page, []

    def search(self, question):
        self.asked.append(question)
        if self.refusals:
            raise self.refusals.pop(0)
        more = {"thumbnail": RED_PIXEL} if question.thumbnails else {"of a newer service": 1}
        return {
            "question": question.text,
            "hits": [self.page | more],
            "frames": [FRAME | more],
            "skipped": {"images": "no"},
        }


@pytest.fixture
def ask(monkeypatch, capsys):
    """Runs search.py against a service; returns the exit code, the output and the errors."""
    monkeypatch.setenv("SEARCH_TOKEN", TOKEN)
    monkeypatch.setattr("ingest.search.remote_search.LONGEST_WAIT", 0)
    tokens = Tokens("SEARCH_TOKEN")

    def ask(service, *flags, token=TOKEN):
        monkeypatch.setenv("SEARCH_TOKEN", token)
        threads = Threads()
        app = service if isinstance(service, Starlette) else make_app(service, tokens, threads)
        with served(app) as url:
            code = search(["--service", url, *flags], "")
        threads.close()
        return code, *capsys.readouterr()

    return ask


def test_the_answer_is_printed_as_json_without_what_a_newer_service_adds(ask):
    service = Service()
    flags = ["--in", "pages,frames", "--limit", "2", "--mode", "dense", "--filter", "year>=2026", "--filter", "a=7"]
    code, output, errors = ask(service, "--json", *flags, "蜂蜜？")
    assert (code, errors) == (0, "skipped images: no\n")
    assert json.loads(output) == {"question": "蜂蜜？", "hits": [PAGE], "frames": [FRAME]}
    (asked,) = service.asked
    assert (asked.text, asked.kinds, asked.limit, asked.mode) == ("蜂蜜？", ("pages", "frames"), 2, "dense")
    assert asked.conditions == written(["year>=2026", "a=7"])


@pytest.mark.parametrize("page", [BARE, PLACED])
def test_the_pages_of_an_older_service_lack_what_it_does_not_know(ask, page):
    _, output, _ = ask(Service(page=page), "--json", "bees")
    unknown = {"boxes": None, "page_size": None, "owner": {}, "context": None}
    assert json.loads(output)["hits"] == [unknown | page]


def test_a_hit_is_shown_with_the_owner_s_values_and_with_its_context_if_that_is_asked_for(ask, tmp_path):
    service, html = Service(page=PAGE | {"context": "Bees make honey.\nThey dance\x1b[2J."}), tmp_path / "answers.html"
    code, output, _ = ask(service, "--context", "--html", str(html), "bees")
    assert (code, service.asked[0].context) == (0, True)
    assert "     tenant=acme, year=2026, draft=true\n     | Bees make honey.\n     | They dance\\x1b[2J.\n" in output
    assert "<small>tenant=acme, year=2026, draft=true</small>" in html.read_text()
    assert "<pre>Bees make honey.\nThey dance" in html.read_text()
    service = Service()
    assert "     | " not in ask(service, "bees")[1]
    assert not service.asked[0].context


def test_many_values_of_an_owner_are_shown_in_short(ask):
    page = PAGE | {"owner": {f"name{number}": "value" * 9 for number in range(60)}}
    _, output, _ = ask(Service(page=page), "bees")
    (line,) = [line for line in output.splitlines() if "name0=" in line]
    assert (len(line), line[-1]) == (len("     ") + SHOWN_OWNER, "…")


def test_an_image_goes_to_the_service(ask, tmp_path):
    service, image = Service(), tmp_path / "cat.jpg"
    image.write_bytes(b"bytes of a photo")
    code, output, _ = ask(service, "--image", str(image))
    assert (code, service.asked[0].image) == (0, b"bytes of a photo")
    assert "1. 1:01 in a.mp4   s3://b/a.mp4" in output


def test_the_page_of_answers_has_the_thumbnails_of_the_service(ask, tmp_path):
    page = tmp_path / "answers.html"
    code, _, _ = ask(Service(), "--html", str(page), "bees")
    assert (code, page.read_text().count(f'src="{RED_PIXEL}"')) == (0, 2)


def test_a_busy_service_is_asked_again(ask):
    service = Service(RefusedError(429, "40 requests wait", 1), RefusedError(503, "Milvus is away", 5))
    assert (ask(service, "bees")[0], len(service.asked)) == (0, 3)


@pytest.mark.parametrize(
    ("refusal", "code", "sentence"),
    [
        (RefusedError(503, "Milvus is away", 5), 4, "cannot answer now (Milvus is away); try again later"),
        (RefusedError(404, "none of spoken was ingested yet"), 2, "refuses this: none of spoken was ingested yet"),
        (RuntimeError("bug"), 1, "refuses this: the service failed unexpectedly (RuntimeError: bug)"),
    ],
)
def test_a_refusal_is_one_sentence(ask, refusal, code, sentence):
    found, output, errors = ask(Service(refusal, refusal, refusal), "bees")
    assert (found, output) == (code, "")
    assert errors.startswith("ERROR: ") and sentence in errors


def test_a_wrong_token_is_named_and_not_shown(ask):
    code, _, errors = ask(Service(), "bees", token="another-token-entirely")
    assert (code, "refuses the token; check SEARCH_TOKEN" in errors, "another-token" in errors) == (2, True, False)


def test_another_server_is_told_apart(ask):
    other = Starlette(routes=[Route("/search", lambda request: PlainTextResponse("<html>"), methods=["POST"])])
    code, _, errors = ask(other, "bees")
    assert (code, "answers, but not as the search service does (HTTP 200)" in errors) == (2, True)


@pytest.mark.parametrize("owner", [["tenant"], "acme", {"tags": ["a"]}])
def test_an_answer_with_other_values_of_owners_is_not_the_service_s(ask, owner):
    code, _, errors = ask(Service(page=PAGE | {"owner": owner}), "--json", "bees")
    assert (code, "answers, but not as the search service does (HTTP 200)" in errors) == (2, True)


def test_no_other_server_gets_the_token(ask):
    asked = []
    elsewhere = Starlette(
        routes=[Route("/{path:path}", lambda request: asked.append(request), methods=["GET", "POST"])]
    )
    with served(elsewhere) as url:
        route = Route("/search", lambda request: RedirectResponse(f"{url}/search", 307), methods=["POST"])
        code, _, errors = ask(Starlette(routes=[route]), "bees")
    assert (code, asked, "(HTTP 307)" in errors) == (2, [], True)


@pytest.mark.parametrize(
    "url", ["ftp://h/", "http://", "h:8000", "http://h:port", "http://user:secret@h", "http://h?a=1"]
)
def test_a_malformed_address_is_refused(url, monkeypatch, capsys):
    monkeypatch.setenv("SEARCH_TOKEN", TOKEN)
    assert search(["--service", url, "bees"], "") == 2
    errors = capsys.readouterr().err
    assert "is not of the form http://HOST:PORT" in errors
    assert "secret" not in errors


def test_a_service_that_is_away_is_named(monkeypatch, capsys):
    monkeypatch.setenv("SEARCH_TOKEN", TOKEN)
    assert search(["--service", "http://127.0.0.1:1", "bees"], "") == 4
    assert "the search service at http://127.0.0.1:1 cannot be reached (Connection refused)" in capsys.readouterr().err


def test_without_a_token_nothing_is_asked(monkeypatch, capsys):
    monkeypatch.delenv("SEARCH_TOKEN", raising=False)
    assert search(["--service", "http://127.0.0.1:1", "bees"], "") == 2
    assert "--service needs the token of the service in the environment, as SEARCH_TOKEN" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("flags", "sentence"),
    [
        ([], "the following arguments are required: --milvus-uri, or --service"),
        (["--service", "http://h:1", "--milvus-uri", "http://h:2"], "--service and --milvus-uri contradict each other"),
        (["--service", "http://h:1", "--clip-model", "c"], "--service and --clip-model contradict each other"),
    ],
)
def test_where_to_search_is_said_once(flags, sentence, capsys):
    with pytest.raises(SystemExit) as caught:
        search([*flags, "bees"], "")
    assert (caught.value.code, sentence in capsys.readouterr().err) == (2, True)
