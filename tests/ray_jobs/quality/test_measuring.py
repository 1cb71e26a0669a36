"""Places are found in Milvus as a person finds them who follows a hit."""

import uuid

import numpy as np
import pytest

from ingest.milvus.filters import written
from ingest.milvus.schema import DOCUMENTS, VIDEO_FRAMES, VIDEO_SEGMENTS, ensure_rows
from ingest.quality.command_line import measure
from ingest.quality.measuring import Measuring, Search, is_at, right_hits
from ingest.quality.questions import Place, Question
from ingest.search.hits import FrameHit, ImageHit, PageHit, SpokenHit
from ingest.search.query import HitKind

TEXTS = ("The lamp is lit at dusk.", "A fog signal.", "Bread rests for a day in a cool room.")
VECTORS = np.eye(4, dtype=np.float32)
TOLERANCE = 10


@pytest.fixture(scope="module")
def collections(milvus_client):
    """Three pages of one PDF, a passage between the seconds 50 and 60, a frame; yields the prefix of their names."""
    prefix = f"quality_{uuid.uuid4().hex}_"
    recording = {"source": "s3://b/talk.mp4", "version": "v", "ordinal": 0, "metadata": {}, "embedding": VECTORS[0]}
    rows = {
        DOCUMENTS: [
            {**recording, "id": str(n), "source": "s3://b/a_b%.pdf", "page": n + 1, "kind": "text", "text": text,
             "embedding": VECTORS[n], "metadata": {"owner": {"number": n + 1}}}
            for n, text in enumerate(TEXTS)
        ],
        VIDEO_SEGMENTS: [{**recording, "id": "0", "start": 50.0, "end": 60.0, "text": "The lake is dammed."}],
        VIDEO_FRAMES: [{**recording, "id": "0", "time": 50.0}],
    }  # fmt: skip
    for collection, made in rows.items():
        ensure_rows(milvus_client, collection, prefix + collection, 4)
        milvus_client.upsert(prefix + collection, made)
        milvus_client.load_collection(prefix + collection)
    yield prefix
    for collection in rows:
        milvus_client.drop_collection(prefix + collection)


class Nearest:
    """Embeds every question as the third page is embedded."""

    def embed_question(self, kind, question):
        return VECTORS[2]


class Shortest:
    """A cross-encoder that prefers short texts."""

    def scores(self, question, texts):
        return [-float(len(text)) for text in texts]


@pytest.fixture(scope="module")
def measuring(milvus_client, collections):
    return Measuring(milvus_client, collections, Nearest(), Shortest(), TOLERANCE)


def page(number, source="a_b%.pdf"):
    return Question("a fog signal", HitKind.PAGES, "", (Place(source, number, None, 1),))


def test_each_way_of_searching_has_its_own_order(measuring):
    assert measuring.answer(page(3)).first[Search.DENSE] == 1
    assert measuring.answer(page(2)).first[Search.WORDS] == 1
    by_length = sorted(range(3), key=lambda number: len(TEXTS[number]))
    for rank, number in enumerate(by_length, 1):
        assert measuring.answer(page(number + 1)).first[Search.RERANKED] == rank


@pytest.mark.parametrize(
    ("kind", "searches"), [(HitKind.SPOKEN, list(Search)), (HitKind.FRAMES, [Search.DENSE])], ids=["spoken", "frames"]
)
def test_a_moment_is_found_in_the_ways_that_its_kind_has(measuring, kind, searches):
    found, missed = [
        measuring.answer(Question("lake", kind, "", (Place("talk.mp4", None, second, 1),))) for second in (55, 90)
    ]
    assert found.first == dict.fromkeys(searches, 1)
    assert missed.first == dict.fromkeys(searches)


def test_a_filter_narrows_every_way_of_searching(milvus_client, collections):
    narrow = Measuring(milvus_client, collections, Nearest(), Shortest(), TOLERANCE, written(["number>=2"]))
    assert narrow.answer(page(1)).first == dict.fromkeys(Search)
    assert narrow.answer(page(2)).first[Search.DENSE] == 2
    assert narrow.answer(page(3)).first[Search.DENSE] == 1
    nowhere = Measuring(milvus_client, collections, Nearest(), None, TOLERANCE, written(["pipeline=images"]))
    assert nowhere.answer(page(3)).first == dict.fromkeys(list(Search)[:3])


def test_only_sources_without_rows_are_missing(milvus_client, collections):
    """None of them was among the hits, since no question was asked."""
    measuring = Measuring(milvus_client, collections, Nearest(), None, TOLERANCE)
    named = ["s3://b/a_b%.pdf", "a_b%.pdf", "b/a_b%.pdf", "s3://b/none.pdf", "none.pdf", "b.pdf", 'a"\\.pdf']
    missing = measuring.missing([page(1, source) for source in named])
    assert [place.source for place in missing] == named[3:]


def test_a_kind_that_was_not_ingested_is_named_with_its_line(milvus, collections, tmp_path, capsys):
    path = tmp_path / "questions.csv"
    path.write_text("question,source\na red lamp,lamp.png\n")
    flags = ["--milvus-uri", milvus.uri, "--questions", str(path), "--collection", collections]
    assert measure(flags, "") == 2
    error = capsys.readouterr().err
    assert error.startswith(f"ERROR: --questions {str(path)!r}, line 2: its kind is images, but Milvus at http")
    assert f"has no collection '{collections}images'" in error


def hit(source, number):
    return PageHit(source, "v", number, "text", 1.0)


def test_a_place_counts_once_and_a_hit_for_one_place():
    places = [Place("a.pdf", 1, None, 1), Place("b.pdf", None, None, 2)]
    hits = [hit("s3://x/b.pdf", 9), hit("s3://x/b.pdf", 8), hit("s3://x/a.pdf", 2), hit("s3://x/a.pdf", 1)]
    assert right_hits(hits, places, 0) == [True, False, False, True]


@pytest.mark.parametrize(
    ("named", "same"),
    [("s3://b/x/a.pdf", True), ("x/a.pdf", True), ("a.pdf", True), (".pdf", False), ("s3://b/a.pdf", False)],
)
def test_a_source_is_named_by_its_uri_or_by_the_end_of_it(named, same):
    assert is_at(hit("s3://b/x/a.pdf", 1), Place(named, 1, None, 1), 0) is same


SPOKEN = SpokenHit("v.mp4", "v", 50.0, 60.0, "text", 1.0)
FRAME = FrameHit("v.mp4", "v", 50.0, 1.0)


@pytest.mark.parametrize(
    ("moment", "second", "found"),
    [
        (SPOKEN, 39.9, False),
        (SPOKEN, 40, True),
        (SPOKEN, 55, True),
        (SPOKEN, 70, True),
        (SPOKEN, 70.1, False),
        (FRAME, 39.9, False),
        (FRAME, 60, True),
        (FRAME, 60.1, False),
        (FRAME, None, True),
        (SPOKEN, None, True),
    ],
)
def test_a_second_is_found_within_the_tolerance(moment, second, found):
    assert is_at(moment, Place("v.mp4", None, second, 1), TOLERANCE) is found


def test_an_image_is_found_by_its_source_alone():
    assert is_at(ImageHit("s3://b/a.png", "v", 1, 1, 1.0), Place("a.png", None, None, 1), TOLERANCE)
