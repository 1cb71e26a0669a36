"""Search by words: passages of both collections with their place, and the words of the question marked in them."""

import pytest

from page_api import chunk, entry
from ray_ingest.page.words import EXCERPT, excerpt, marked

PLACE = {"page": [595.3, 841.9], "boxes": [[72.0, 90.5, 500.0, 104.0]]}
PDF, FILM = "s3://b/pdfs/plant.pdf", "s3://b/videos/talk.mp4"


@pytest.fixture(scope="module")
def filled(open_page_with_texts):
    page = open_page_with_texts()
    page.milvus.upsert(
        f"{page.prefix}documents",
        [
            chunk(PDF, 0, "The intake has two pumps."),
            chunk(
                PDF,
                1,
                "Replace the valves of the pump before winter.",
                metadata={"place": PLACE, "owner": {"tenant": "acme"}},
            ),
            chunk("s3://b/pdfs/zh.pdf", 0, "红藻在三月到达了海水淡化厂。"),
            chunk("s3://b/pdfs/café.pdf", 0, "The café opens at nine."),
        ],
    )
    spoken = chunk(FILM, 0, "now we open the valve", start=61.0, end=75.0)
    spoken["metadata"] = {"owner": {"tenant": "globex", "year": 2026}}
    page.milvus.upsert(f"{page.prefix}video_segments", [spoken])
    many = {"title": "t" * 500, "draft": False, **dict.fromkeys("abcdefgh", 1.0)}
    page.write(entry(PDF, owner={"tenant": "acme"}), entry(FILM, "videos", owner=many))
    return page


def test_passages_are_found_with_their_page_and_their_second(filled):
    found = filled.get("/search", question="valve winter")
    (page,) = found["documents"]["hits"]
    assert (page["source"], page["page"]) == (PDF, 2)
    assert [piece for piece, is_hit in page["text"] if is_hit] == ["valves", "winter"]
    (spoken,) = found["video_segments"]["hits"]
    assert (spoken["source"], spoken["start"], spoken["end"]) == (FILM, 61.0, 75.0)


def test_a_passage_says_where_it_stands_on_its_page_if_its_row_does(filled):
    (page,) = filled.get("/search", question="valve winter")["documents"]["hits"]
    assert page["place"] == PLACE
    (before,) = filled.get("/search", question="intake")["documents"]["hits"]
    assert before["place"] is None
    (row,) = filled.get("/object/rows", source=PDF, collection="documents", first=1)["rows"]
    assert row["metadata"]["place"] == PLACE
    (spoken,) = filled.get("/search", question="open")["video_segments"]["hits"]
    assert "place" not in spoken


def test_a_hit_has_a_few_of_the_values_that_its_owner_gave(filled):
    found = filled.get("/search", question="valve winter")
    (page,), (spoken,) = (found[name]["hits"] for name in ("documents", "video_segments"))
    assert page["owner"] == {"values": [["tenant", "acme"]], "more": 0}
    names = [name for name, _ in spoken["owner"]["values"]]
    assert (names, spoken["owner"]["more"]) == (["title", "draft", "a", "b", "c", "d"], 4)
    assert spoken["owner"]["values"][:3] == [["title", "t" * 59 + "…"], ["draft", "false"], ["a", "1"]]
    (without,) = filled.get("/search", question="红藻")["documents"]["hits"]
    assert "owner" not in without


@pytest.mark.parametrize(
    ("question", "word"), [("ｗｉｎｔｅｒ", "winter"), ("cafe\u0301", "café")], ids=["full width", "NFD"]
)
def test_words_are_looked_for_in_the_letters_of_the_texts(filled, question, word):
    (hit,) = filled.get("/search", question=question)["documents"]["hits"]
    assert [piece for piece, is_hit in hit["text"] if is_hit] == [word]


def test_chinese_words_are_found_and_marked(filled):
    (hit,) = filled.get("/search", question="海水淡化")["documents"]["hits"]
    assert hit["source"] == "s3://b/pdfs/zh.pdf"
    assert [piece for piece, is_hit in hit["text"] if is_hit] == ["海水淡化"]


def test_a_prefix_narrows_the_search_and_punctuation_finds_nothing(filled):
    assert filled.get("/search", question="pump", prefix="s3://b/none/")["documents"]["hits"] == []
    assert filled.get("/search", question="?!")["documents"]["hits"] == []


@pytest.mark.parametrize(
    ("conditions", "sources"),
    [
        (["tenant=acme"], [PDF]),
        (["tenant=acme", "tenant=globex"], [PDF, FILM]),
        (["year>=2026"], [FILM]),
        (["tenant!=acme"], [FILM]),
        (["kind=text"], [PDF]),
        (["pipeline=videos"], [FILM]),
        (['tenant=" or 1 == 1 or "'], []),
    ],
)
def test_conditions_narrow_the_search(filled, conditions, sources):
    found = filled.get("/search", question="valve winter", condition=conditions)
    assert [hit["source"] for of_kind in found.values() for hit in of_kind["hits"]] == sources


def test_a_bad_condition_is_refused_with_a_sentence(filled):
    answer = filled.client.get("/search", params={"question": "valve", "condition": ["tenant"]})
    assert answer.status_code == 400
    assert answer.json()["detail"].startswith("The filter: 'tenant' is no condition such as tenant=acme")


@pytest.mark.parametrize(
    ("text", "question", "hits"),
    [
        ("Valves and VALVE", "valve", ["Valves", "VALVE"]),
        ("an art of article", "art", ["art"]),
        ("a cat in a category", "cat a", ["a", "cat", "a"]),
        ("The algae at the plant", "What did the algae do to the plant?", ["algae", "plant"]),
        ("the GPU of the node", "The GPU: is a node free?", ["GPU", "node"]),
        ("海水淡化厂的水", "淡化", ["淡化"]),
        ("水", "水", ["水"]),
        ("nothing here", "valve", []),
        ("straße", "STRASSE", ["straße"]),
    ],
)
def test_words_and_their_forms_are_marked(text, question, hits):
    pieces = marked(text, question)
    assert "".join(piece for piece, _ in pieces) == text
    assert [piece for piece, is_hit in pieces if is_hit] == hits


def test_an_excerpt_holds_the_words_of_the_question():
    text = "filler words " * 400 + "the red valve of the pump " + "more filler " * 400
    part = excerpt(text, "red valve pump")
    assert "red valve of the pump" in part
    assert len(part) <= EXCERPT + 2
    assert part.startswith("…") and part.endswith("…")
