"""What owners say about their objects is typed and bounded, wherever it comes from; the rest is named and left out."""

import json
from datetime import UTC, datetime

import pytest

from ingest.common.owner_values import (
    MAX_BYTES,
    MAX_VALUES,
    NOTE,
    OWNER,
    STORED,
    OwnerValues,
    from_headers,
    from_path,
    from_sidecar,
    from_tags,
    row_metadata,
)
from ingest.common.typed_values import normal_name, typed
from ingest.milvus.filters import written

A_TIME = int(datetime(2026, 3, 1, 12, 30, tzinfo=UTC).timestamp())


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("2026", 2026),
        ("-7", -7),
        ("1.5", 1.5),
        ("true", True),
        ("false", False),
        # Texts that would not come back as they were.
        *(
            (text, text)
            for text in ("007", "1.10", "+5", "1_000", "１２", "1e5", "nan", "inf", "True", "yes", "-0", "")
        ),
        (str(2**63 - 1), 2**63 - 1),
        (str(2**63), str(2**63)),
        ("9" * 5000, "9" * 5000),
        ("2026-01-31", "2026-01-31"),
        ("2026-01-31T12:00:00+02:00", "2026-01-31T10:00:00Z"),
        ("2026-01-31 12:00", "2026-01-31T12:00:00Z"),
        ("2026-01-31T12:00:00.75Z", "2026-01-31T12:00:00Z"),
        ("2026-02-31T12:00:00Z", "2026-02-31T12:00:00Z"),
        ("0001-01-01T00:00:00+14:00", "0001-01-01T00:00:00+14:00"),
        ("文件", "文件"),
    ],
)
def test_a_text_is_a_number_or_a_truth_value_if_it_would_be_written_like_that(text, value):
    assert (typed(text), type(typed(text))) == (value, type(value))


@pytest.mark.parametrize(
    ("name", "normal"),
    [
        ("Tenant", "tenant"),
        (" doc-type ", "doc-type"),
        ("e\u0301tat", "état"),
        ("部门", "部门"),
        ("a.b_c", "a.b_c"),
        *(
            (name, "")
            for name in ("", "a b", 'a"]', "a\\", "a[0]", "-a", "a/b", "a~", "x" * 65, "a\nb", 'a" or 1 == 1')
        ),
    ],
)
def test_a_name_is_in_lower_case_and_needs_no_escape(name, normal):
    assert normal_name(name) == normal


def test_the_parts_of_a_path_are_values_and_the_outermost_counts():
    source = "s3://bucket/tenant=acme/Year=2026/month=01/tenant=globex/city=New%20York/none=/x=y=z/name=7.pdf"
    values = {"tenant": "acme", "year": 2026, "month": "01", "city": "New York", "none": None, "x": "y=z"}
    assert from_path(source) == values
    assert from_path("s3://tenant=bucket/day=__HIVE_DEFAULT_PARTITION__/day=1/a.pdf") == {"day": None}
    assert from_path("file:///data/tenant=acme/a.pdf") == {"tenant": "acme"}


@pytest.mark.parametrize(
    "sent", ["=?UTF-8?B?5paH5Lu2?=", "文件".encode().decode("latin-1"), "=?utf-8?Q?=E6=96=87=E4=BB=B6?="]
)
def test_user_metadata_may_be_in_any_script(sent):
    assert from_headers({"name": sent, "pages": "12"}) == {"name": "文件", "pages": 12}


@pytest.mark.parametrize("sent", ["=?bad?B?x?=", "caf\xe9"])
def test_user_metadata_that_cannot_be_decoded_stay_as_they_came(sent):
    assert from_headers({"name": sent}) == {"name": sent}


def test_tags_are_values():
    assert from_tags([{"Key": "Project", "Value": "apollo"}, {"Key": "cost", "Value": "12"}]) == {
        "Project": "apollo",
        "cost": 12,
    }


def test_a_sidecar_keeps_the_types_of_json_and_null_says_nothing():
    content = (
        '\ufeff{"year": "2026", "pages": 12, "draft": false, "x": null, "due": "2026-01-31T00:00:00+01:00"}'.encode()
    )
    assert from_sidecar(content) == {"year": "2026", "pages": 12, "draft": False, "due": "2026-01-30T23:00:00Z"}


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "is not JSON"),
        (b"{'a': 1}", "is not JSON"),
        (b"[" * 60_000, "is not JSON"),
        (b'{"a": ' + b"9" * 5000 + b"}", "is not JSON"),
        (b"[1]", "is not a JSON object"),
        (b'{"a": "\xff"}', "is not UTF-8"),
        ('{"a": 1}'.encode("utf-16"), "is not UTF-8"),
    ],
)
def test_a_bad_sidecar_gets_a_sentence(content, sentence):
    with pytest.raises(ValueError, match=sentence):
        from_sidecar(content)


def left_out(found):
    values = OwnerValues()
    values.add(found)
    assert values.values == {}
    return values.as_metadata()[NOTE]


@pytest.mark.parametrize(
    ("found", "sentence"),
    [
        ({"tags": ["a"]}, "tags (it is a list or an object, and no single value)"),
        ({"a": {"b": 1}}, "a (it is a list or an object, and no single value)"),
        ({"a": "x" * 1025}, "a (it has more than 1024 bytes)"),
        ({"a": "文" * 342}, "a (it has more than 1024 bytes)"),
        ({"a": float("nan")}, "a (it is no finite number of 64 bits)"),
        ({"a": 2**63}, "a (it is no finite number of 64 bits)"),
        ({"a": "\ud800"}, "a (it is not valid Unicode)"),
        ({"a": "b\0"}, "a (it is not valid Unicode)"),
        ({'a"] or 1 == 1': 1}, "(its name has other characters than letters, digits"),
        ({f"a{n}": [] for n in range(5)}, " and 2 more"),
    ],
)
def test_what_cannot_be_stored_or_searched_is_left_out_with_a_note(found, sentence):
    assert sentence in left_out(found)


def test_the_first_of_several_with_one_name_counts_also_if_it_is_no_value():
    values = OwnerValues()
    values.add({"tenant": "acme", "year": None, "title": "a\0"})
    values.add({"Tenant": "globex", "YEAR": 2026, "title": "Report", "pages": 12})
    assert values.values == {"tenant": "acme", "pages": 12}
    assert "title (it is not valid Unicode)" in values.as_metadata()[NOTE]
    assert OwnerValues().as_metadata() == {}


def test_the_values_of_an_object_are_bounded_in_number_and_in_bytes():
    many, large = OwnerValues(), OwnerValues()
    many.add({f"a{n}": n for n in range(MAX_VALUES + 1)})
    assert len(many.values) == MAX_VALUES
    assert f"more than {MAX_VALUES} values" in many.as_metadata()[NOTE]
    large.add({f"a{n}": "文" * 300 for n in range(20)})
    assert MAX_BYTES - 1000 < len(json.dumps(large.values, ensure_ascii=False).encode()) < MAX_BYTES + 1000
    assert f"more than {MAX_BYTES} bytes" in large.as_metadata()[NOTE]


@pytest.mark.parametrize(
    ("source", "owner", "date"),
    [
        ("s3://b/pdfs/2026-01-31/a.pdf", {}, "2026-01-31"),
        ("s3://b/pdfs/2026-01-31/a.pdf", {"date": "2025-06-01"}, "2025-06-01"),
        ("s3://b/pdfs/2026-01-31/a.pdf", {"date": "last summer"}, "2026-01-31"),
        ("s3://b/pdfs/2026-02-31/a.pdf", {}, "2026-03-01T12:30:00Z"),
        ("s3://b/pdfs/2026-01-31.pdf", {}, "2026-03-01T12:30:00Z"),
        ("s3://b/a.pdf", {"date": 20260131}, "2026-03-01T12:30:00Z"),
    ],
)
def test_the_date_is_the_owners_or_the_days_of_the_path_or_that_of_the_upload(source, owner, date):
    found = row_metadata(source, {OWNER: owner, STORED: A_TIME, "pages": 3})
    assert found == ({OWNER: owner} if owner else {}) | {"date": date}


def test_the_language_is_the_owners_or_else_the_detected_one():
    assert row_metadata("s3://b/a.pdf", {"language": "en"}) == {"language": "en"}
    assert row_metadata("s3://b/a.pdf", {"language": "en", OWNER: {"language": "DE-ch"}})["language"] == "de"
    assert row_metadata("s3://b/a.pdf", {STORED: 0}) == {}


def test_a_date_that_does_not_exist_is_no_date():
    found = row_metadata("s3://b/2026-01-31/a.pdf", {"owner": {"date": "2026-02-30"}})
    assert found["date"] == "2026-01-31"


def test_texts_are_composed_as_conditions_are():
    values = OwnerValues()
    values.add({"title": "cafe\u0301"})
    assert values.values == {"title": "caf\u00e9"}
    assert written(["title=cafe\u0301"]) == written(["title=caf\u00e9"])
