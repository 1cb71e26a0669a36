"""The context of a hit is its whole page, or what is said around it, put together from the rows in Milvus."""

import uuid

import numpy as np
import pytest

from ingest.milvus.schema import DOCUMENTS, VIDEO_SEGMENTS, ensure_rows
from ingest.pdf.chunking import ChunkSettings, chunk_pages
from ingest.pdf.structure import Block, Page
from ingest.search.context import MAX_CONTEXT, parts_of_page, with_context, within
from ingest.search.hits import PageHit, SpokenHit
from ingest.search.query import BY_DEFAULT, SearchMode, search_documents
from long_pdf import tokenizer_json
from read_pdfs import PROSE

SOURCE, OTHER = 's3://b/the "log".pdf', "s3://b/other.pdf"
SENTENCES = [f"Night {number}: {sentence.strip()}." for number in range(12) for sentence in PROSE.split(".")[:3]]
TABLE = "\n".join(["|Light|Oil|", "|---|---|", *(f"|Tower {number}|{number}.5 l|" for number in range(40))])


def words(text):
    return text.split()


@pytest.mark.parametrize("overlap", [0, 15, 40])
def test_the_chunks_of_a_page_are_its_text_again(overlap):
    page = Page(1, [Block(" ".join(SENTENCES[:18])), Block(" ".join(SENTENCES[18:]))])
    chunks = list(chunk_pages([page], tokenizer_json(), ChunkSettings(60, overlap)))
    assert len(chunks) > 5
    assert words("".join(parts_of_page([chunk.text for chunk in chunks]))) == words(page.text)


def test_the_parts_of_a_table_have_its_titles_once():
    page = Page(1, [Block("The oil of the lights."), Block(TABLE, table=True), Block("So it was.")])
    chunks = list(chunk_pages([page], tokenizer_json(), ChunkSettings(100, 0)))
    assert len(chunks) > 4
    assert "".join(parts_of_page([chunk.text for chunk in chunks])) == f"The oil of the lights.\n{TABLE}\nSo it was."


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        (["the tall lighthouse", "lighthouse keeper"], "the tall lighthouse keeper"),
        (["they had", "had it"], "they had\nhad it"),
        (["the warehouses", "houses of stone"], "the warehouses\nhouses of stone"),
        (["lit by lighthouse", "lighthouses"], "lit by lighthouse\nlighthouses"),
        (["山顶的灯塔守护人每天晚上都要", "守护人每天晚上都要点灯。"], "山顶的灯塔守护人每天晚上都要点灯。"),
        (["|a|\n|---|\n|1|", "|b|\n|---|\n|2|"], "|a|\n|---|\n|1|\n|b|\n|---|\n|2|"),
        ([], ""),
    ],
)
def test_what_chunks_share_is_not_repeated_where_it_is_long_and_whole_words(texts, expected):
    assert "".join(parts_of_page(texts)) == expected


@pytest.mark.parametrize(("centre", "begins", "ends"), [(0, True, False), (50, False, False), (99, False, True)])
def test_of_a_long_page_there_is_the_part_around_the_hit(centre, begins, ends):
    texts = [f"chunk {number} " + "x" * 300 for number in range(100)]
    found = within(MAX_CONTEXT, texts, centre)
    assert len(found) == MAX_CONTEXT
    assert texts[centre] in found
    assert (not found.startswith("…"), not found.endswith("…")) == (begins, ends)


def page_row(source, version, page, ordinal, text, kind="text"):
    return {"id": f"{source} {version} {ordinal}", "source": source, "version": version, "ordinal": ordinal,
            "page": page, "kind": kind, "text": text, "embedding": np.ones(4, np.float32), "metadata": {}}  # fmt: skip


@pytest.fixture(scope="module")
def pages(milvus_client):
    name = f"context_{uuid.uuid4().hex}"
    ensure_rows(milvus_client, DOCUMENTS, name, 4)
    rows = [page_row(SOURCE, "v", 1 + ordinal // 3, ordinal, f"chunk number {ordinal}") for ordinal in range(12)]
    rows += [page_row(SOURCE, "v", 2, 12, "a drawing of a tower", "caption")]
    rows += [page_row(SOURCE, "older", 2, 4, "what it said before"), page_row(OTHER, "v", 2, 4, "of another file")]
    milvus_client.upsert(name, rows)
    milvus_client.load_collection(name)
    yield name
    milvus_client.drop_collection(name)


class Counting:
    """A client of Milvus that counts its queries."""

    def __init__(self, client):
        self._client, self.queries = client, 0

    def query(self, *args, **options):
        self.queries += 1
        return self._client.query(*args, **options)


def test_all_hits_get_their_pages_by_one_query(milvus_client, pages):
    hits = [
        PageHit(SOURCE, "v", 2, "chunk number 4", 1.0),
        PageHit(SOURCE, "v", 2, "a drawing of a tower", 0.9),
        PageHit(OTHER, "v", 2, "of another file", 0.8),
        PageHit(SOURCE, "gone", 2, "what was there", 0.7),
    ]
    client = Counting(milvus_client)
    of_page = "chunk number 3\nchunk number 4\nchunk number 5"
    assert [hit.context for hit in with_context(client, pages, hits, BY_DEFAULT)] == [
        of_page, of_page, "of another file", ""
    ]  # fmt: skip
    assert client.queries == 1


def test_nothing_is_asked_for_without_hits(milvus_client, pages):
    client = Counting(milvus_client)
    assert (with_context(client, pages, [], BY_DEFAULT), client.queries) == ([], 0)


def test_a_search_without_context_has_none(milvus_client, pages):
    assert search_documents(milvus_client, pages, "number", None, 1, SearchMode.WORDS)[0].context is None


def said(source, number):
    return f"Again and again, {number} times in {source}: Again and again"


def test_what_is_said_within_a_minute_is_the_context_of_a_passage(milvus_client):
    name = f"context_{uuid.uuid4().hex}"
    ensure_rows(milvus_client, VIDEO_SEGMENTS, name, 4)
    milvus_client.upsert(
        name,
        [
            {"id": f"{source} {n}", "source": source, "version": "v", "ordinal": n, "start": 30.0 * n,
             "end": 30.0 * n + 29, "text": said(source, n), "embedding": np.ones(4, np.float32), "metadata": {}}
            for source in ("a", "b") for n in range(20)
        ],
    )  # fmt: skip
    milvus_client.load_collection(name)
    hits = [SpokenHit("a", "v", 30.0 * n + 10, 30.0 * n + 29, said("a", n), 1.0) for n in (5, 0)]
    client = Counting(milvus_client)
    found = [hit.context.splitlines() for hit in with_context(client, name, hits, BY_DEFAULT)]
    assert found == [[said("a", n) for n in numbers] for numbers in (range(3, 8), range(3))]
    assert client.queries == 1
    milvus_client.drop_collection(name)
