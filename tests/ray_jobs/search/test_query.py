"""Questions and limits that people give, asked of collections that may be empty or without full-text search."""

import uuid

import numpy as np
import pytest

from ingest.common.errors import ConfigurationError
from ingest.milvus.filters import written
from ingest.milvus.schema import DOCUMENTS, IMAGES, ensure_rows
from ingest.run.flags import FlagParser
from ingest.search.answers import mode_for
from ingest.search.command_line import FLAGS
from ingest.search.narrowing import narrowed
from ingest.search.query import BY_DEFAULT, CANDIDATES, WINDOW, SearchMode, search_documents, search_images

VECTOR = np.ones(4, np.float32) / 2
ROWS = 2 * CANDIDATES
PLACE = {"page": [595.3, 841.9], "boxes": [[72.0, 90.5, 500.0, 104.0]]}


@pytest.fixture(scope="module")
def pages(milvus_client):
    """A collection of one page with many chunks, and many pages with one each, which are found behind it."""
    name = f"query_{uuid.uuid4().hex}"
    ensure_rows(milvus_client, DOCUMENTS, name, 4)
    near, far = VECTOR, VECTOR + np.float32([0, 0, 0, 1])
    rows = [(1, near, "cat") for _ in range(ROWS)] + [(page, far, "dog") for page in range(2, 2 + CANDIDATES)]
    milvus_client.upsert(
        name,
        [
            {"id": str(n), "source": "s", "version": "v", "ordinal": n, "embedding": vector, "page": page,
             "kind": "text", "text": text, "metadata": {"place": PLACE} if page > 1 else {}}
            for n, (page, vector, text) in enumerate(rows)
        ],
    )  # fmt: skip
    milvus_client.load_collection(name)
    yield name
    milvus_client.drop_collection(name)


@pytest.mark.parametrize("mode", [SearchMode.DENSE, SearchMode.HYBRID])
def test_a_limit_of_pages_is_reached_behind_a_page_with_many_chunks(milvus_client, pages, mode):
    found = search_documents(milvus_client, pages, "cat", VECTOR, CANDIDATES, mode)
    assert sorted(hit.page for hit in found) == list(range(1, 1 + CANDIDATES))


def test_the_whole_window_may_be_asked_for(milvus_client, pages):
    assert len(search_documents(milvus_client, pages, "cat dog", VECTOR, WINDOW)) == 1 + CANDIDATES


def test_a_hit_has_the_boxes_of_its_row_and_none_if_the_row_is_older_than_boxes(milvus_client, pages):
    hits = search_documents(milvus_client, pages, "cat dog", VECTOR, CANDIDATES)
    assert {(hit.page == 1, hit.boxes, hit.page_size) for hit in hits} == {
        (True, None, None),
        (False, ((72.0, 90.5, 500.0, 104.0),), (595.3, 841.9)),
    }


@pytest.mark.parametrize("question", ["?!…", "😀", "\u200b", "\\ \"'"])
def test_a_question_without_words_is_searched_by_meaning_alone(milvus_client, pages, question):
    assert search_documents(milvus_client, pages, question, None, 5, SearchMode.WORDS) == []
    assert search_documents(milvus_client, pages, question, VECTOR, 1)[0].page == 1


@pytest.mark.parametrize("mode", SearchMode)
def test_an_empty_collection_has_no_hits(milvus_client, mode):
    name = f"query_{uuid.uuid4().hex}"
    ensure_rows(milvus_client, DOCUMENTS, name, 4)
    milvus_client.load_collection(name)
    assert search_documents(milvus_client, name, "cat", None if mode is SearchMode.WORDS else VECTOR, 5, mode) == []
    milvus_client.drop_collection(name)


def test_without_full_text_search_meaning_alone_counts():
    said = []
    assert mode_for(False, "documents", SearchMode.HYBRID, said.append) is SearchMode.DENSE
    assert said == ["'documents' has no full-text index: it is searched by meaning alone"]
    with pytest.raises(ConfigurationError, match=r"'documents' has no full-text index.* search it with --mode dense"):
        mode_for(False, "documents", SearchMode.WORDS, said.append)


@pytest.mark.parametrize(("limit", "sentence"), [("0", "0 is not positive"), ("16385", "16385 is above 16384")])
def test_a_limit_beyond_the_window_is_refused(limit, sentence, capsys):
    with pytest.raises(SystemExit) as caught:
        FlagParser("", FLAGS).parse_args(["--milvus-uri", "http://h:1", "--limit", limit])
    assert caught.value.code == 2
    assert sentence in capsys.readouterr().err


def test_rows_that_milvus_lite_confuses_hide_no_others(milvus_client):
    """Nearer than the image that is a draft are more images with 1 than are asked for at first."""
    name = f"query_{uuid.uuid4().hex}"
    ensure_rows(milvus_client, IMAGES, name, 4)
    drafts = [1] * (4 * CANDIDATES) + [True]
    rows = [
        {"id": str(n), "source": f"s{n}", "version": "v", "ordinal": 0, "width": 1, "height": 1,
         "embedding": VECTOR + np.float32([0, 0, 0, n / 1000]), "metadata": {"owner": {"draft": draft, "tenant": "a"}}}
        for n, draft in enumerate(drafts)
    ]  # fmt: skip
    milvus_client.upsert(name, rows)
    milvus_client.load_collection(name)
    asking = narrowed(milvus_client, BY_DEFAULT, written(["draft=true"]), IMAGES)
    (hit,) = search_images(milvus_client, name, VECTOR, 3, asking)
    assert (hit.source, hit.owner) == (f"s{len(drafts) - 1}", (("draft", True), ("tenant", "a")))
    milvus_client.drop_collection(name)
