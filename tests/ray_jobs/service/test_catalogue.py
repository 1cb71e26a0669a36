"""A question is embedded by the model of the collection that is searched, whatever the alias does meanwhile."""

import json
import threading
from dataclasses import replace

import pytest

from generations_of_pages import Pages
from ingest.common.errors import ConfigurationError
from ingest.milvus.filters import written
from ingest.search.command_line import search
from ingest.search.query import HitKind, SearchMode
from ingest.service.bodies import Question
from ingest.service.refused import RefusedError
from ingest.service.searching import SearchService
from ingest.service.settings import ServiceSettings

ASK = Question("which model?", b"", (), 5, SearchMode.DENSE, False)


@pytest.fixture
def pages(milvus_client, minilm_path, tmp_path):
    made = Pages(milvus_client, minilm_path, tmp_path)
    yield made
    made.drop()


@pytest.fixture
def start(milvus, pages, monkeypatch):
    """Starts a service whose looks a test asks for, with `_look`."""
    monkeypatch.setattr("ingest.service.searching.LOOK_SECONDS", 3600)
    started = []

    def start(load=pages.load, **settings):
        started.append(SearchService(ServiceSettings(milvus.uri, pages.prefix, **settings), load))
        return started[-1]

    yield start
    for service in started:
        service.close()


def found(service, question=ASK):
    """The texts of the hits, and whether the vectors of the question and of the hit were those of one model."""
    return [(hit["text"], hit["score"] > 0.9) for hit in service.search(question)["hits"]]


def test_after_a_switch_the_next_look_changes_the_model_with_the_collection(start, pages):
    pages.make(0)
    service = start()
    assert found(service) == [("page of first", True)]
    pages.make(1)
    pages.switch(1)
    assert found(service) == [("page of first", True)]
    service._look()
    assert found(service) == [("page of second", True)]


def test_conditions_narrow_the_answer(start, pages):
    pages.make(0)
    service = start()

    def narrowed(condition):
        return found(service, replace(ASK, conditions=written([condition])))

    assert narrowed("pipeline=pdfs") == narrowed("kind=text") == [("page of first", True)]
    assert narrowed("tenant=acme") == narrowed("pipeline=images") == []


@pytest.mark.parametrize(
    ("prefix", "condition", "count"),
    [
        ("s3://b/", "kind=text", 1),
        ("s3://b/a.pdf", "kind=text", 1),
        ("s3://b/", "kind=ocr", 0),
        ("s3://c/", "kind=text", 0),
        ('s3://b/" or source != "', "kind=text", 0),
    ],
)
def test_a_prefix_narrows_the_answer_beside_the_conditions(start, pages, prefix, condition, count):
    pages.make(0)
    for mode in SearchMode:
        question = replace(ASK, text="page", mode=mode, prefix=prefix, conditions=written([condition]))
        assert len(found(start(), question)) == count, mode


def test_each_kind_is_asked_with_its_own_model(start, pages):
    pages.make(0)
    pages.make_spoken(1)
    answer = start().search(ASK)
    assert [(hit["text"], hit["score"] > 0.9) for hit in (*answer["hits"], *answer["spoken"])] == [
        ("page of first", True),
        ("passage of second", True),
    ]


def test_the_old_collection_answers_while_the_new_model_is_loading(start, pages):
    loading, loaded = threading.Event(), threading.Event()

    def load(model):
        if model == pages.models[1]:
            loading.set()
            assert loaded.wait(60)
        return pages.load(model)

    pages.make(0)
    service = start(load)
    old = pages.make(0)
    pages.make(1)
    pages.switch(1)
    looking = threading.Thread(target=service._look)
    looking.start()
    try:
        assert loading.wait(60)
        assert found(service) == [("page of first", True)]
        assert service.state()["ready"]
        pages.client.drop_collection(old)
        with pytest.raises(
            RefusedError, match="pages are being switched to another model, which is still loading"
        ) as no:
            found(service)
        assert (no.value.status, no.value.again_seconds) == (503, 5)
    finally:
        loaded.set()
        looking.join()
    assert found(service) == [("page of second", True)]


def test_a_model_that_cannot_be_loaded_leaves_the_old_one_and_is_named(start, pages):
    def load(model):
        if model == pages.models[1]:
            raise ConfigurationError("the model second cannot be loaded (no memory)")
        return pages.load(model)

    pages.make(0)
    service = start(load)
    pages.make(1)
    pages.switch(1)
    service._look()
    assert found(service) == [("page of first", True)]
    state = service.state()
    assert (state["ready"], state["problems"]) == (True, {"pages": "the model second cannot be loaded (no memory)"})


def test_without_a_former_model_it_is_not_ready_and_says_why(start, pages):
    def load(model):
        raise ConfigurationError("the model first cannot be loaded (no memory)")

    pages.make(0)
    service = start(load)
    assert not service.state()["ready"]
    with pytest.raises(RefusedError, match="nothing can be searched now: the model first cannot be loaded") as refused:
        found(service)
    assert refused.value.status == 503


def test_a_folder_with_another_model_by_now_is_not_taken_for_the_former_one(start, pages, tmp_path):
    pages.make(0)
    (tmp_path / "first" / "name.json").write_text('"another"')
    (problem,) = start().state()["problems"].values()
    assert problem.endswith("is another model by now; put the former one back, or ingest anew")


def test_a_model_is_found_where_the_nodes_have_it(start, pages, tmp_path):
    pages.make(0)
    moved = (tmp_path / "first").rename(tmp_path / "moved")
    assert "first" in next(iter(start().state()["problems"].values()))
    label = str(tmp_path / "first")
    service = start(lambda model: pages.load(pages.models[0]), paths={label: str(moved)})
    assert found(service) == [("page of first", True)]


def test_what_was_not_ingested_is_left_out_or_named(start, pages):
    service = start()
    assert service.state() == {"ready": True, "searched": {}, "problems": {}}
    with pytest.raises(RefusedError, match="nothing was ingested yet"):
        found(service)
    pages.make(0)
    service._look()
    asked = Question("which?", b"", (HitKind.PAGES, HitKind.SPOKEN), 5, SearchMode.DENSE, False)
    with pytest.raises(
        RefusedError, match=r"there is no collection '\w+video_segments': none of spoken was ingested yet"
    ):
        service.search(asked)


def test_words_are_searched_without_a_model_and_the_kinds_without_words_are_left_out(start, pages):
    pages.make(0)
    kinds = HitKind.PAGES, HitKind.IMAGES
    answer = start().search(Question("page first", b"", kinds, 5, SearchMode.WORDS, False))
    assert [hit["text"] for hit in answer["hits"]] == ["page of first"]
    assert answer["skipped"] == {"images": "mode words finds only texts"}


def test_a_milvus_that_is_away_is_named_and_awaited(pages, monkeypatch):
    monkeypatch.setattr("ingest.service.searching.LOOK_SECONDS", 3600)
    service = SearchService(ServiceSettings("http://127.0.0.1:1", pages.prefix), pages.load)
    try:
        state = service.state()
        assert (state["ready"], "cannot be reached" in state["problem"]) == (False, True)
        with pytest.raises(
            RefusedError, match=r"nothing can be searched now: Milvus at http://127\.0\.0\.1:1"
        ) as refused:
            found(service)
        assert refused.value.status == 503
    finally:
        service.close()


def test_the_answer_is_that_of_the_command_line(start, pages, milvus, capsys):
    pages.make(0)
    conditions = written(["kind=text"])
    question = replace(
        ASK, text="page", kinds=(HitKind.PAGES,), mode=SearchMode.WORDS, conditions=conditions, context=True
    )
    answer = start().search(question)
    assert answer["hits"][0]["context"] == "page of first"
    flags = ["--milvus-uri", milvus.uri, "--collection", pages.prefix, "--in", "pages", "--mode", "words"]
    assert search([*flags, "--filter", "kind=text", "--context", "--json", "page"], "") == 0
    assert json.loads(capsys.readouterr().out) == answer
