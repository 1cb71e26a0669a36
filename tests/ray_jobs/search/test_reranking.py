"""A cross-encoder puts the first hits for texts in order, on the command line and in the service."""

import json

import numpy as np
import pytest

from embedded.pdfs import QUESTIONS
from generations_of_pages import Pages
from ingest.search.query import SearchMode
from ingest.service.bodies import Question
from ingest.service.refused import RefusedError
from ingest.service.searching import SearchService
from ingest.service.settings import ServiceSettings
from judges import judged, save_judge


@pytest.fixture(scope="module")
def judge(minilm_path, tmp_path_factory):
    return save_judge(tmp_path_factory.mktemp("judge"), minilm_path)


def test_search_shows_the_best_hits_of_the_cross_encoder_with_its_scores(plain_jobs, library, judge):
    question = QUESTIONS[0].text
    asked = ("--collection", library.collection, "--mode", "words", "--json", question)
    found = {}
    for name, flags in {"all": ("--limit", "50"), "best": ("--limit", "2", "--reranker", judge)}.items():
        result = plain_jobs.run("search.py", *flags, *asked)
        assert result.code == 0, result.stderr
        found[name] = json.loads(result.stdout)["hits"]
    texts = [hit["text"] for hit in found["all"]]
    scores = judged(judge, question, texts)
    best = np.argsort(-scores)[:2]
    assert [hit["text"] for hit in found["best"]] == [texts[index] for index in best]
    assert [hit["score"] for hit in found["best"]] == pytest.approx(scores[best].tolist(), abs=1e-4)


def test_a_folder_that_holds_no_cross_encoder_is_refused(plain_jobs, library, minilm_path):
    result = plain_jobs.run("search.py", "--collection", library.collection, "--reranker", minilm_path, "a question")
    assert result.code == 2
    assert "is no cross-encoder, but BertModel" in result.stderr


@pytest.mark.parametrize("is_named", [False, True], ids=["by its folder", "by a name that --model-paths has"])
def test_the_service_reranks_unless_a_question_forbids_it(
    milvus, milvus_client, minilm_path, tmp_path, judge, is_named
):
    pages = Pages(milvus_client, minilm_path, tmp_path)
    pages.make(0)
    words = Question("page of first", b"", (), 5, SearchMode.WORDS, False)
    name, paths = ("maker/judge", {"maker/judge": judge}) if is_named else (judge, {})
    try:
        service = SearchService(ServiceSettings(milvus.uri, pages.prefix, paths=paths, reranker=name), pages.load)
        try:
            (hit,) = service.search(words)["hits"]
            assert hit["score"] == pytest.approx(judged(judge, words.text, [hit["text"]])[0], abs=1e-4)
            (plain,) = service.search(Question("page of first", b"", (), 5, SearchMode.WORDS, False, False))["hits"]
            assert plain["score"] != pytest.approx(hit["score"], abs=1e-4)
            assert service.state()["reranker"] == name
        finally:
            service.close()
    finally:
        pages.drop()


def test_a_service_without_a_cross_encoder_says_so(milvus, milvus_client, minilm_path, tmp_path):
    pages = Pages(milvus_client, minilm_path, tmp_path)
    pages.make(0)
    try:
        service = SearchService(ServiceSettings(milvus.uri, pages.prefix), pages.load)
        try:
            with pytest.raises(RefusedError, match="this service has no cross-encoder"):
                service.search(Question("page", b"", (), 5, SearchMode.WORDS, False, True))
        finally:
            service.close()
    finally:
        pages.drop()
