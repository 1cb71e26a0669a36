"""An object's entry in the ledger keeps the tries before the last one: bounded, and in the writes that there are."""

import contextlib

import pytest

from ingest.common.errors import ObjectError
from ingest.common.failures import Failure
from ingest.common.owner_values import STORED
from ingest.ledger.batches import json_bytes
from ingest.ledger.diff import Change
from ingest.ledger.relabelling import Relabeller
from ingest.ledger.tries import MARK_BYTES, MAX_TRIES, MESSAGE_BYTES, RELABELLED, TRIES, tries_of, with_tries
from ingest.milvus.schema import JSON_LENGTH
from writer_tables import BROKEN, CRASHED, A, B, Calls, many, part


def told(tables, source=A):
    """What the entry of an object tells of its tries: the earlier ones, and the keys of its other metadata."""
    (entry,) = [row for row in tables.ledger_with_tries() if row["source"] == source]
    earlier = entry["metadata"].pop(TRIES, [])
    return [(each["run_id"], each["version"], each.get("error_type", "ok")) for each in earlier], entry["metadata"]


def test_a_retry_keeps_the_failures_before_it_until_the_object_succeeds_and_after(tables):
    for number, content in enumerate((CRASHED, CRASHED, ["one"]), 1):
        tables.run({A: ("v1", content)}, run_id=f"run {number}")
    assert told(tables) == ([("run 1", "v1", "Crashed"), ("run 2", "v1", "Crashed")], {"pages": 3})
    tables.run({A: ("v2", BROKEN)}, run_id="run 4")
    assert told(tables)[0][-1] == ("run 3", "v1", "ok")


def test_a_try_has_its_time_its_attempt_and_its_sentence(tables):
    tables.run({A: ("v1", CRASHED)}, run_id="first")
    (before,) = tables.client.query(
        tables.ledger_name, filter='source != ""', output_fields=["updated_at"], consistency_level="Strong"
    )
    tables.run({A: ("v1", ["one"])}, run_id="second")
    (kept,) = tables.ledger_with_tries()[0]["metadata"][TRIES]
    assert kept == {
        "run_id": "first", "updated_at": before["updated_at"], "version": "v1", "attempts": 1, "stage": "parse",
        "error_type": "Crashed", "error_message": CRASHED.message,
    }  # fmt: skip


def test_a_first_try_tells_of_none_and_costs_no_request(tables):
    calls = Calls(tables.client)
    tables.writer(calls).write([part(A, "v1", ["one"])])
    assert calls.made == ["upsert ledger", "upsert rows", "upsert ledger"]
    assert told(tables) == ([], {"pages": 3})


def test_a_try_costs_no_write_more_and_the_objects_of_a_write_one_query(tables):
    contents = dict.fromkeys((A, B), ("v1", CRASHED))
    tables.run(contents, run_id="first")
    calls = Calls(tables.client)
    again = [part(source, "v1", ["one"], Change.RETRY, attempts=1) for source in contents]
    tables.writer(calls, run_id="second").write(again)
    assert [call for call in calls.made if not call.startswith("query_iterator")] == [
        "upsert rows", "query ledger", "upsert ledger",
    ]  # fmt: skip
    assert told(tables, A) == told(tables, B) == ([("first", "v1", "Crashed")], {"pages": 3})


def test_a_run_that_died_is_a_try_and_its_successor_keeps_it_wherever_it_dies(make_tables):
    whole = make_tables()
    for last in range(12):
        tables = make_tables()
        tables.run({A: ("v1", ["one", "two"])}, run_id="first")
        with contextlib.suppress(ConnectionError):
            tables.run({A: ("v2", ["new"])}, Calls(tables.client, last), run_id="dies")
        tables.run({A: ("v2", ["new"])}, run_id="last")
        earlier = told(tables)[0]
        assert earlier in ([("first", "v1", "ok")], [("first", "v1", "ok"), ("dies", "v2", "ok")]), last
        tables.run({A: ("v2", ["new"])}, run_id="unchanged")
        assert told(tables)[0] == earlier
    with contextlib.suppress(ConnectionError):
        whole.writer(Calls(whole.client, 1), run_id="dies").write([part(A, "v1", ["one"])])
    whole.run({A: ("v1", ["one"])}, run_id="last")
    assert told(whole)[0] == [("dies", "v1", "Interrupted")]


def test_what_a_run_writes_of_an_object_several_times_is_one_try(tables):
    tables.run({A: ("v1", CRASHED)}, run_id="first")
    pieces = [part(A, "v1", many(20)[at : at + 10], Change.RETRY, 1, at, 20) for at in (0, 10)]
    for _ in range(2):  # as after the death of a writer's process
        for piece in pieces:
            tables.writer(run_id="second").write([piece])
    assert told(tables)[0] == [("first", "v1", "Crashed")]


def test_other_metadata_are_no_try_and_keep_the_one_that_processed_the_object(tables):
    tables.run({A: ("v1", CRASHED)}, run_id="first")
    tables.run({A: ("v1", ["one"])}, run_id="second")
    expected = [("first", "v1", "Crashed"), ("second", "v1", "ok")]
    for number in range(3):
        relabeller = Relabeller(tables.client, tables.target(run_id=f"labels {number}"), lambda _: {STORED: 7})
        relabeller.relabel([{"source": A, "version": "v1"}])
        assert told(tables) == (expected, {"pages": 3, STORED: 7, RELABELLED: True})
        (entry,) = tables.client.query(
            tables.target().ledger, filter='source != ""', output_fields=["run_id"], consistency_level="Strong"
        )
        assert entry["run_id"] == "labels 0", "an object of which nothing has changed was written"
    tables.run({A: ("v2", ["new"])}, run_id="third")
    assert told(tables) == (expected, {"pages": 3})


def test_a_run_that_relabels_under_the_id_of_the_last_try_keeps_that_try(tables):
    tables.run({A: ("v1", ["one"])}, run_id="by hand")
    relabeller = Relabeller(tables.client, tables.target(run_id="by hand"), lambda _: {STORED: 7})
    relabeller.relabel([{"source": A, "version": "v1"}])
    assert told(tables)[0] == [("by hand", "v1", "ok")]


def test_tries_are_bounded_and_their_sentences_too(tables):
    for number in range(MAX_TRIES + 3):
        failure = ObjectError(Failure.DAMAGED, "文" * 5000)
        tables.run({A: (f"v{number}", failure)}, run_id=f"run {number}")
    (entry,) = tables.ledger_with_tries()
    kept = entry["metadata"][TRIES]
    assert [each["run_id"] for each in kept] == [f"run {number}" for number in range(2, MAX_TRIES + 2)]
    assert all(0 < len(each["error_message"].encode()) <= MESSAGE_BYTES for each in kept)


def test_an_object_that_leaves_the_store_takes_its_tries_along(tables):
    tables.run({A: ("v1", CRASHED)}, run_id="first")
    tables.run({}, run_id="second")
    tables.run({A: ("v1", ["one"])}, run_id="third")
    assert told(tables)[0] == []


@pytest.mark.parametrize(("characters", "kept"), [(10, 3), (JSON_LENGTH - MARK_BYTES - 250, 1), (JSON_LENGTH, 0)])
def test_metadata_leave_room_for_as_many_tries_as_milvus_stores(characters, kept):
    metadata = {"title": "x" * characters}
    tries = [{"run_id": str(number), "error_message": "y" * 100} for number in range(3)]
    found = with_tries(metadata, tries)
    assert found.get(TRIES, []) == tries[3 - kept :]
    assert found.items() >= metadata.items()
    assert kept == 0 or json_bytes(found) + MARK_BYTES <= JSON_LENGTH


def test_an_entry_from_before_there_were_tries_is_the_first_one():
    entry = {"run_id": "old", "updated_at": 7, "version": "v", "attempts": 3, "stage": "", "error_type": "",
             "error_message": "", "metadata": {"pages": 3}}  # fmt: skip
    assert tries_of(entry, "new") == [{"run_id": "old", "updated_at": 7, "version": "v", "attempts": 3}]
