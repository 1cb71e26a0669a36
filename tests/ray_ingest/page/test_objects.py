"""Objects: lists to page through by prefix, state or a part of the name, and one with its rows and those like it."""

import pytest

from ingest.common.failures import Failure
from ingest.milvus import expressions as of_the_jobs
from page_api import chunk, entry
from ray_ingest.page import expressions

SOURCES = [f"s3://b/pdfs/{number:03}.pdf" for number in range(25)]
ODD = 's3://b/odd/100%_"q"\\ 文.pdf'


@pytest.fixture(scope="module")
def filled(open_page_with_texts):
    page = open_page_with_texts()
    page.write(
        *(entry(source, vector=(1.0, number / 10, 0.0, 0.0)) for number, source in enumerate(SOURCES)),
        entry(ODD, vector=(0.0, 0.0, 0.0, 0.0), rows=0),
        entry("s3://b/pdfs/locked.pdf", failure=Failure.ENCRYPTED, message="locked", rows=0),
        entry("s3://b/pdfs/slow.pdf", failure=Failure.TIME_LIMIT, message="slow", rows=0),
        entry("s3://b/images/1.jpg", "images"),
        entry("s3://b/odd/100xx.pdf", vector=(0.0, 0.0, 0.0, 1.0)),
        entry("s3://b/odd/aqa.pdf", vector=(0.0, 0.0, 0.0, 1.0)),
    )
    return page


def sources(found):
    return [row["source"] for row in found["objects"]]


def test_pages_follow_each_other_in_the_order_of_the_addresses(filled):
    seen, after = [], ""
    while True:
        found = filled.get("/objects", prefix="s3://b/pdfs/0", limit=10, after=after)
        seen += sources(found)
        after = found["next"]
        if not after:
            break
    assert seen == SOURCES


def test_a_state_a_reason_and_a_pipeline_choose(filled):
    assert sources(filled.get("/objects", status="failed")) == ["s3://b/pdfs/locked.pdf", "s3://b/pdfs/slow.pdf"]
    assert sources(filled.get("/objects", stage="parse", error_type="Encrypted")) == ["s3://b/pdfs/locked.pdf"]
    assert sources(filled.get("/objects", stage="read", error_type="Encrypted")) == []
    assert sources(filled.get("/objects", pipeline="images")) == ["s3://b/images/1.jpg"]


def test_a_part_of_a_name_finds_exactly_the_names_with_it(filled):
    for name in ("100%_", '"q"', "\\ ", "文", "odd/100%"):
        assert sources(filled.get("/objects", name=name)) == [ODD]


def test_an_object_is_told_with_its_rows(filled):
    filled.milvus.upsert(f"{filled.prefix}documents", [chunk(SOURCES[0], at, f"text {at}") for at in range(25)])
    found = filled.get("/object", source=SOURCES[0])
    assert (found["status"], found["collections"], found["metadata"]) == ("ok", {"documents": 25}, {"pages": 1})
    first = filled.get("/object/rows", source=SOURCES[0], collection="documents")
    assert [row["text"] for row in first["rows"]] == [f"text {at}" for at in range(20)]
    second = filled.get("/object/rows", source=SOURCES[0], collection="documents", first=first["next"])
    assert [row["page"] for row in second["rows"]] == [21, 22, 23, 24, 25]
    assert second["next"] is None


def test_a_permanent_failure_is_told_from_one_that_runs_try_again(filled):
    assert filled.get("/object", source="s3://b/pdfs/locked.pdf")["is_permanent"]
    assert not filled.get("/object", source="s3://b/pdfs/slow.pdf")["is_permanent"]
    assert not filled.get("/object", source=SOURCES[0])["is_permanent"]


def test_an_unknown_object_is_not_found(filled):
    assert filled.status("/object", source='s3://b/none" or source != "') == 404


def test_objects_like_one_come_in_the_order_of_their_similarity(filled):
    found = filled.get("/object/similar", source=SOURCES[0])
    assert [hit["source"] for hit in found] == SOURCES[1:9]
    assert filled.get("/object/similar", source=ODD) == []
    assert filled.get("/object/similar", source="s3://b/images/1.jpg") == []


@pytest.fixture(scope="module")
def owned(open_page):
    page = open_page()
    page.write(
        entry("s3://b/1.pdf", owner={"tenant": "acme", "year": 2026, "draft": False}),
        entry(
            "s3://b/2.pdf", owner={"tenant": "globex", "year": 2027, "title": "t" * 500, **dict.fromkeys("abcdefgh", 1)}
        ),
        entry("s3://b/3.jpg", "images", owner={"tenant": "acme"}),
        entry("s3://b/4.pdf"),
        entry("s3://b/5.pdf", failure=Failure.ENCRYPTED, message="locked", rows=0),
    )
    return page


@pytest.mark.parametrize(
    ("conditions", "names"),
    [
        (["tenant=acme"], "13"),
        (["tenant=acme", "tenant=globex"], "123"),
        (["tenant!=acme"], "2"),
        (["year>=2026", "year<2027"], "1"),
        (["draft=false"], "1"),
        (["tenant=acme", "pipeline=images"], "3"),
        (["tenant=acme", "pipeline!=images"], "1"),
        (["pipeline=pdfs"], "1245"),
        (['tenant=" or source != "'], ""),
    ],
)
def test_conditions_on_what_owners_say_choose(owned, conditions, names):
    found = owned.get("/objects", condition=conditions)
    assert [source.split("/")[-1][0] for source in sources(found)] == list(names)
    assert sources(owned.get("/objects", condition=conditions, prefix="s3://c/")) == []


@pytest.mark.parametrize("condition", ["date=2026-01-31", "kind=text", "language=de", "tenant"])
def test_a_condition_that_objects_cannot_fulfil_is_refused_with_a_sentence(owned, condition):
    answer = owned.client.get("/objects", params={"condition": [condition]})
    assert answer.status_code == 400
    assert answer.json()["detail"].startswith(f"The filter: {condition.partition('=')[0]} is known of pages") or (
        condition == "tenant"
    )


@pytest.mark.parametrize("value", ["plain", 'a"b', "a\\b", "line\nbreak\r\t", "文🙂", "x\ud7ff", "x\U0010ffff", ""])
def test_expressions_are_those_of_the_jobs(value):
    assert expressions.literal(value) == of_the_jobs.literal(value)
    assert expressions.literals([value, "x"]) == of_the_jobs.literal_list([value, "x"])
    assert expressions.under(value) == of_the_jobs.beginning(value)
