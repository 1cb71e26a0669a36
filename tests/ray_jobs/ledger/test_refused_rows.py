"""A row that Milvus refuses fails its object, wherever the object's other rows are, and no other object."""

import contextlib
from dataclasses import replace

import numpy as np
import pytest
from grpc import RpcError
from pymilvus.exceptions import MilvusException

from ingest.common.errors import UnreachableError
from ingest.ledger.diff import Change
from ingest.ledger.storable import refusal, upsert_by_object
from ingest.milvus.client import errors_as_sentences
from writer_tables import A, B, C, Calls, many, part

LONG = "文" * 22_000  # 66,000 bytes


def with_metadata(source, metadata):
    good = part(source, "v1", ["one"])
    return replace(good, rows=[{**good.rows[0], "metadata": metadata}])


def without_numbers(source):
    good = part(source, "v1", ["one", "two"])
    return replace(good, vectors=np.array([[1, 1, 1, 1], [1, np.nan, 1, 1]], np.float32))


@pytest.mark.parametrize(
    ("refused", "problem"),
    [
        (part(A, "v1", ["one", LONG]), "text number 1 has 66000 bytes, and Milvus stores 65535"),
        (with_metadata(A, {"title": LONG}), "the metadata of row 0 has 66012 bytes, and Milvus stores 65536"),
        (replace(part(A, "v1", ["one"]), metadata={"title": LONG}), "its metadata has 66012 bytes"),
        (part("s3://b/" + "文" * 1500, "v1", ["one"]), "its name has 4507 bytes, and Milvus stores 4352"),
        (part(A, "v1", ["half a character \ud83d"]), "not valid Unicode"),
        (with_metadata(A, {"title": "\udc00"}), "not valid Unicode"),
        (without_numbers(A), "the vector of row 1"),
    ],
    ids=["text", "row metadata", "metadata", "name", "unicode", "unicode metadata", "vector"],
)
def test_a_value_that_milvus_would_refuse_is_found_before_it_is_sent(refused, problem):
    found = refusal(refused)
    assert found is not None
    assert problem in found.message
    assert found.failure.stage == "write"


def test_values_of_the_greatest_length_are_not_refused():
    text = "x" * 65_535
    assert refusal(part(A, "v1", [text])) is None
    assert refusal(with_metadata(A, {"title": "x" * (65_536 - len('{"title":""}'))})) is None


@pytest.mark.parametrize("bad", [["one", LONG], ["\ud83d"]], ids=["long", "unicode"])
def test_the_object_fails_alone_and_permanently(tables, bad):
    contents = {A: ("v1", ["one"]), B: ("v1", bad), C: ("v1", ["three"])}
    tables.run(contents)
    assert {row["source"] for row in tables.rows()} == {A, C}
    entry = next(row for row in tables.ledger() if row["source"] == B)
    assert (entry["status"], entry["stage"], entry["error_type"]) == ("failed", "write", "NotStorable")
    assert entry["rows"] == 0
    assert "unfinished" not in entry["metadata"]
    assert [change for _, change in tables.run(contents)] == ["unchanged"] * 3


def test_rows_of_the_former_version_go_at_once_and_stay_while_a_retry_is_due(tables):
    tables.run({A: ("v0", ["old"]), B: ("v0", ["old"])})
    bad = replace(without_numbers(B), version="v1", change=Change.CHANGED)
    tables.writer().write([part(A, "v1", [LONG], Change.CHANGED), bad])
    assert [(row["source"], row["text"]) for row in tables.rows()] == [(B, "old")]


def test_a_name_that_the_ledger_cannot_hold_is_only_reported(tables):
    long = "s3://b/" + "文" * 1500
    outcome = tables.writer().write([part(long, "v1", ["one"]), part(A, "v1", ["one"])])
    assert (outcome.failed, outcome.ok) == (1, 1)
    assert [row["source"] for row in tables.ledger()] == [A]


def split(source, texts):
    """An object in parts of one row each."""
    return [
        replace(part(source, "v1", [text], first=number, total=len(texts)), metadata={})
        for number, text in enumerate(texts)
    ]


@pytest.mark.parametrize("order", [(0, 1, 2), (1, 0, 2), (0, 2, 1)])
def test_no_row_of_an_object_in_parts_remains_and_it_fails_once(tables, order):
    parts = split(A, ["one", LONG, "three"])
    outcomes = [tables.writer().write([parts[number]]) for number in order]
    assert tables.rows() == []
    assert [(row["source"], row["error_type"]) for row in tables.ledger()] == [(A, "NotStorable")]
    assert sum(outcome.failed for outcome in outcomes) == 1


def test_rows_that_arrive_while_another_writer_refuses_the_object_are_deleted(tables):
    parts = split(A, ["one", LONG])
    calls = Calls(tables.client)
    written = calls.upsert

    def upsert(collection, *args, **kwargs):
        result = written(collection, *args, **kwargs)
        if "rows" in collection:
            tables.writer().write([parts[1]])  # its deletion comes before these rows can be seen
            tables.client.upsert(collection, *args)
        return result

    calls.upsert = upsert
    tables.writer(calls).write([parts[0]])
    assert tables.rows() == []
    assert [row["error_type"] for row in tables.ledger()] == ["NotStorable"]


class Refusing(Calls):
    """A real client whose server refuses requests with a certain text, as a whole."""

    def __init__(self, client, error, text="poison"):
        super().__init__(client)
        self._error, self._text = error, text

    def upsert(self, collection, rows, **kwargs):
        if any("text" in row and self._text in row["text"] for row in rows):
            raise self._error
        return self.__getattr__("upsert")(collection, rows, **kwargs)


INVALID = MilvusException(code=1100, message="the length (70000) of text exceeds max length: invalid parameter")


def test_an_object_that_only_the_server_refuses_is_found_among_the_others(tables):
    sources = [f"{A}{number}" for number in range(9)]
    parts = [part(source, "v1", ["one", "poison" if source == sources[4] else "two"]) for source in sources]
    outcome = tables.writer(Refusing(tables.client, INVALID)).write(parts)
    assert (outcome.ok, outcome.failed, outcome.rows_written) == (8, 1, 16)
    assert [failure["source"] for failure in outcome.failures] == [sources[4]]
    assert "Milvus refuses its rows" in outcome.failures[0]["message"]
    assert {row["source"] for row in tables.rows()} == set(sources) - {sources[4]}


def test_rows_of_an_object_in_earlier_requests_are_deleted(tables):
    texts = [*many(1000), "poison"]
    outcome = tables.writer(Refusing(tables.client, INVALID)).write([part(A, "v1", texts), part(B, "v1", ["two"])])
    assert (outcome.ok, outcome.failed) == (1, 1)
    assert [row["source"] for row in tables.rows()] == [B]


def test_if_every_object_is_refused_none_is_to_blame(tables):
    with pytest.raises(MilvusException):
        tables.writer(Refusing(tables.client, INVALID, "")).write([part(A, "v1", ["one"]), part(B, "v1", ["two"])])
    assert {row["error_type"] for row in tables.ledger()} == {"Interrupted"}


def test_a_quota_that_is_used_up_fails_no_object(tables):
    full = MilvusException(code=9, message="quota exceeded[reason=disk quota exceeded, please allocate more resources]")
    with pytest.raises(UnreachableError, match="disk quota exceeded"), errors_as_sentences("http://h:1"):
        tables.writer(Refusing(tables.client, full)).write([part(A, "v1", ["poison"]), part(B, "v1", ["two"])])
    assert {row["error_type"] for row in tables.ledger()} == {"Interrupted"}


@pytest.mark.parametrize("last", range(8))
def test_wherever_a_refusal_is_interrupted_the_next_run_gives_the_result_of_a_clean_one(tables, make_tables, last):
    contents = {A: ("v1", ["one"]), B: ("v1", ["two", LONG]), C: ("v2", [LONG])}
    for one in (tables, clean := make_tables()):
        one.run({C: ("v1", ["old"])})
    with contextlib.suppress(ConnectionError):
        tables.run(contents, Calls(tables.client, last))
    tables.run(contents)
    clean.run(contents)
    assert tables.settled() == clean.settled()


def test_a_request_that_is_too_large_is_sent_in_parts_and_only_a_row_that_is_too_large_fails():
    stored = []

    class TooLargeError(RpcError):
        def __str__(self):
            return "StatusCode.RESOURCE_EXHAUSTED: grpc: received message larger than max (99 vs. 64)"

    def upsert(rows):
        if sum(row["bytes"] for row in rows) > 64:
            raise TooLargeError
        stored.extend(row["bytes"] for row in rows)

    rows = [{"source": A, "bytes": size} for size in (40, 41, 42)] + [{"source": B, "bytes": 65}]
    failures = upsert_by_object(upsert, rows)
    assert stored == [40, 41, 42]
    assert list(failures) == [B]
    assert failures[B].failure == "NotStorable"
