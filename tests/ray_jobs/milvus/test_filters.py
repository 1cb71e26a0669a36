"""Filters as people write them and as JSON: what they find in Milvus Lite, and the sentence about a bad one."""

import json
import random

import pytest
from milvus_lite.search.filter.parser import parse_expr

from filter_cases import CASES, OWNERS, FilteredRows
from ingest.milvus.filters import (
    MAX_ALTERNATIVES,
    MAX_CONDITIONS,
    Condition,
    as_json,
    expression,
    from_json,
    written,
)
from ingest.milvus.schema import COLLECTIONS, IMAGES


@pytest.fixture(scope="module")
def rows(milvus_client):
    made = FilteredRows(milvus_client)
    yield made
    made.drop()


@pytest.mark.parametrize(("conditions", "expected"), CASES, ids=lambda value: json.dumps(value)[:40])
def test_a_filter_finds_the_rows_that_fulfil_it(rows, conditions, expected):
    assert rows.found(conditions) == expected


def test_rows_without_a_kind_are_found_by_the_other_conditions_alone(rows):
    assert rows.found(["tenant=acme"], IMAGES) == "acme"
    assert rows.found(["pipeline=images", "year>=2026"], IMAGES) == "acme globex"
    assert rows.found(["kind!=ocr"], IMAGES) == rows.found(["pipeline=pdfs"], IMAGES) == ""


def test_every_value_of_an_owner_is_found_by_its_own_value(rows):
    for name, owner in OWNERS.items():
        for key, value in owner.items():
            for conditions in (from_json({key: value}), from_json({key: {"=": [value, "another"]}})):
                condition = expression(conditions, "documents")
                found = rows._client.query(rows.names["documents"], filter=condition, output_fields=["id"])
                assert name in [row["id"] for row in found], condition


@pytest.mark.parametrize(("conditions", "_"), CASES, ids=lambda value: json.dumps(value)[:40])
def test_a_filter_in_json_is_the_same_filter(conditions, _):
    filtered = written(conditions)
    assert from_json(json.loads(json.dumps(as_json(filtered)))) == filtered


def test_what_is_written_in_json_keeps_its_type():
    assert from_json({"year": "2026", "draft": True, "due": "2026-01-31T01:00:00+01:00"}) == (
        Condition("year", "=", ("2026",)),
        Condition("draft", "=", (True,)),
        Condition("due", "=", ("2026-01-31T00:00:00Z",)),
    )
    assert written(["a=1", "a=true"]) == (Condition("a", "=", (1, "1", True, "true")),)


def test_only_literals_of_known_types_get_into_an_expression():
    quoted = expression(written(['tenant=" or 1 == 1 or "']), "documents")
    assert quoted == '(metadata["owner"]["tenant"] == "\\" or 1 == 1 or \\"")'


@pytest.mark.parametrize("seed", range(100))
def test_whatever_is_typed_is_one_comparison_with_that_text(seed):
    chance = random.Random(seed)
    text = "x" + "".join(chance.choices("\"'\\\n\r\t\v\b =<>!()[]{}%_$#;,.-or and文🙂\u2028\x7f", k=30)).rstrip()
    parsed = parse_expr(expression(written([f"tenant={text}"]), "documents"))
    assert (parsed.op, parsed.right.value) == ("==", text)


@pytest.mark.parametrize(
    ("condition", "sentence"),
    [
        ("", "is no condition such as"),
        ("tenant", "is no condition such as"),
        ("tenant=", "is no condition such as"),
        ("=acme", "is no condition such as"),
        ("tenant<>acme", "is no condition such as"),
        ("year=>2026", "is no condition such as"),
        ('a"] == 1 or metadata["b=1', "is no name of a value"),
        ("a b=1", "is no name of a value"),
        ("-a=1", "is no name of a value"),
        (f"{'x' * 65}=1", "is no name of a value"),
        (f"a={'文' * 400}", "a value of a has more than 1024 bytes"),
        ("a=\udc80", "a value of a is not valid Unicode"),
        ("a>true", "> of a takes one number, date or text"),
        ("kind=chapter", "kind is any of text, ocr, caption"),
        ("kind>=text", "kind takes = and !=, and no >="),
        ("kind=7", "kind is any of"),
        ("pipeline=all", "pipeline is any of pdfs, images, videos"),
        ("language<en", "language takes = and !=, and no <"),
    ],
)
def test_a_bad_condition_gets_a_sentence(condition, sentence):
    with pytest.raises(ValueError, match=sentence):
        written([condition])


def test_a_number_that_milvus_cannot_store_is_a_text():
    assert written([f"a={10**400}"])[0].values == (str(10**400),)


def test_too_many_conditions_and_two_bounds_on_one_side_get_a_sentence():
    with pytest.raises(ValueError, match=f"there are more than {MAX_CONDITIONS} conditions"):
        written([f"a{n}=1" for n in range(MAX_CONDITIONS + 1)])
    with pytest.raises(ValueError, match="year>= is given twice"):
        written(["year>=2026", "year>=2027"])


@pytest.mark.parametrize(
    ("value", "sentence"),
    [
        ([], "it is no object such as"),
        ({"a": None}, "a value of a is neither"),
        ({"a": []}, "a has no value"),
        ({"a": list(range(101))}, "a has more than 100 values"),
        ({"a": {">=": [1, 2]}}, ">= of a takes one number"),
        ({"a": float("inf")}, "a value of a is no finite number of 64 bits"),
        ({"a": 10**400}, "a value of a is no finite number of 64 bits"),
        ({"a": 2**63}, "a value of a is no finite number of 64 bits"),
        ({"a": {"$where": 1}}, "is no operator"),
        ({"a": {}}, "'a' has no operator"),
        ({"date": 2026}, "date takes a date such as"),
        ({"date": {">": "2026-02-30"}}, "date takes a date such as"),
    ],
)
def test_bad_json_gets_a_sentence(value, sentence):
    with pytest.raises(ValueError, match=sentence):
        from_json(value)


def test_every_collection_has_a_pipeline():
    for pipeline, collections in COLLECTIONS.items():
        for collection in collections:
            assert expression(written([f"pipeline={pipeline}"]), collection) == ""


def test_as_many_alternatives_as_may_be_written_may_be_sent():
    filtered = written(f"year={number}" for number in range(MAX_ALTERNATIVES))
    assert len(filtered[0].values) == 2 * MAX_ALTERNATIVES  # numbers, and texts
    assert from_json(as_json(filtered)) == filtered
    for texts in ([f"year={number}" for number in range(101)], [f"year!=x{number}" for number in range(101)]):
        with pytest.raises(ValueError, match="year has more than 100 values"):
            written(texts)
