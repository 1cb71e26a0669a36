"""Wherever a write to a real Milvus Lite server is interrupted, the next run gives the result of a clean run."""

import contextlib

import pytest

from ingest.ledger.diff import Change
from writer_tables import (
    BROKEN,
    A,
    B,
    C,
    Calls,
    D,
    E,
    many,
    part,
)


def test_rows_are_written_first_then_the_ledger_then_old_rows_are_deleted(tables):
    tables.run({A: ("v1", ["one", "two"])})
    calls = Calls(tables.client)
    tables.writer(calls).write([part(A, "v2", ["new"], Change.CHANGED)])
    changes = [call for call in calls.made if not call.startswith("query")]
    assert changes == ["upsert rows", "upsert ledger", "delete rows", "upsert ledger"]


def test_new_objects_cost_one_write_of_rows_and_one_of_the_ledger_before_and_after(tables):
    calls = Calls(tables.client)
    tables.writer(calls).write([part(A, "v1", ["one"]), part(B, "v1", ["two"])])
    assert calls.made == ["upsert ledger", "upsert rows", "upsert ledger"]


@pytest.mark.parametrize("last", range(4))
def test_an_interrupted_object_that_then_left_the_store_leaves_nothing(tables, last):
    with contextlib.suppress(ConnectionError):
        tables.writer(Calls(tables.client, last)).write([part(A, "v1", ["one", "two"])])
    tables.run({})
    assert tables.state() == ([], [])


def test_an_interrupted_object_is_marked_as_interrupted_and_no_attempt_is_counted(tables):
    with pytest.raises(ConnectionError):
        tables.writer(Calls(tables.client, 1)).write([part(A, "v1", ["one"])])
    (row,) = tables.ledger()
    assert (row["status"], row["stage"], row["error_type"], row["attempts"]) == ("failed", "write", "Interrupted", 0)
    assert tables.run({A: ("v1", ["one"])}) == [(A, "retry")]
    assert (tables.ledger()[0]["status"], tables.ledger()[0]["attempts"]) == ("ok", 1)


def test_removed_objects_lose_their_rows_before_their_ledger_rows(tables):
    tables.run({A: ("v1", ["one", "two"]), B: ("v1", ["other"])})
    calls = Calls(tables.client)
    assert tables.writer(calls).remove([A]) == (1, 2)
    assert [call for call in calls.made if not call.startswith("query")] == ["delete rows", "delete ledger"]
    assert {row["source"] for row in tables.rows() + tables.ledger()} == {B}


BEFORE = {
    A: ("v1", ["a one", "a two", "a three"]),
    B: ("v1", ["b one", "b two"]),
    C: ("v1", ["c one"]),
    D: ("v1", BROKEN),
}
AFTER = {
    A: ("v2", ["a new"]),
    B: ("v2", BROKEN),
    D: ("v2", ["d one", "d two"]),
    E: ("v1", ["e one", "e two"]),
}


def test_after_a_failure_at_any_call_the_next_run_gives_the_result_of_a_clean_run(make_tables):
    clean = make_tables()
    clean.run(AFTER)
    whole = make_tables()
    whole.run(BEFORE)
    calls = Calls(whole.client)
    whole.run(AFTER, calls)
    assert whole.settled() == clean.settled()
    assert len(calls.made) > 8

    for last in range(len(calls.made)):
        tables = make_tables()
        tables.run(BEFORE)
        with pytest.raises(ConnectionError):
            tables.run(AFTER, Calls(tables.client, last))
        tables.run(AFTER)
        assert tables.settled() == clean.settled(), f"call {last}: {calls.made[last]}"
        assert {change for _, change in tables.run(AFTER)} <= {"unchanged", "retry"}


def test_a_first_run_that_fails_at_any_call_duplicates_nothing(make_tables):
    clean = make_tables()
    clean.run(AFTER)
    for last in range(4):
        tables = make_tables()
        with contextlib.suppress(ConnectionError):
            tables.run(BEFORE, Calls(tables.client, last))
        tables.run({**AFTER, C: ("v2", ["c new"])})
        tables.run(AFTER)
        assert tables.settled() == clean.settled(), last


def test_readers_never_see_a_gap_while_an_object_changes(tables):
    tables.run({A: ("v1", ["one", "two"])})
    whole = [("v1", 2), ("v2", 1)]
    for last in range(5):
        with contextlib.suppress(ConnectionError):
            tables.writer(Calls(tables.client, last)).write([part(A, "v2", ["new"], Change.CHANGED)])
        versions = [row["version"] for row in tables.rows()]
        assert any(versions.count(version) == count for version, count in whole), last


def pieces(source, version, texts, size, **more):
    total = len(texts)
    return [part(source, version, texts[at : at + size], first=at, total=total, **more) for at in range(0, total, size)]


@pytest.mark.parametrize("order", [[0, 1, 2], [2, 1, 0], [1, 2, 0]])
def test_an_object_in_parts_of_several_writers_is_one_object(make_tables, order):
    texts = many(25)
    clean = make_tables()
    clean.run({A: ("v1", texts)})
    tables = make_tables()
    parts = pieces(A, "v1", texts, 10)
    for at in order[:-1]:
        assert tables.writer().write([parts[at]]).ok == 0
        assert [row["error_type"] for row in tables.ledger()] == ["Interrupted"]
    assert tables.writer().write([parts[order[-1]]]).ok == 1
    assert tables.state() == clean.state()


def test_an_object_in_parts_within_one_write_is_counted_once(make_tables):
    texts = many(25)
    clean, tables = make_tables(), make_tables()
    clean.run({A: ("v1", texts)})
    outcome = tables.writer().write(pieces(A, "v1", texts, 10))
    assert (outcome.ok, outcome.rows_written) == (1, 25)
    assert tables.state() == clean.state()


def test_old_rows_stay_until_the_last_part_is_written(tables):
    tables.run({A: ("v1", ["old"])})
    first, second = pieces(A, "v2", many(20), 10, change=Change.CHANGED)
    tables.writer().write([first])
    assert "old" in {row["text"] for row in tables.rows()}
    tables.writer().write([second])
    assert {row["version"] for row in tables.rows()} == {"v2"}


def test_a_part_left_by_an_interrupted_run_is_deleted_when_the_object_fails(tables):
    tables.writer().write([pieces(A, "v1", many(20), 10)[0]])
    tables.run({A: ("v1", BROKEN)})
    assert tables.rows() == []
    assert [row["status"] for row in tables.ledger()] == ["failed"]
