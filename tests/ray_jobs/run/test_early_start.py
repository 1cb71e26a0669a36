"""A large prefix: its first objects are processed while it is still being listed, and nothing is removed before."""

from threading import Event

import pytest

from ingest.common.errors import UnreachableError
from ingest.ledger.diff import Change
from ingest.ledger.outcomes import ObjectOutcomes
from ingest.ledger.writer import ObjectWriter
from ingest.run import run as run_module
from run_world import part, small_world

NAMES = [f"{number:03}.pdf" for number in range(20)]
MORE = [f"{number:03}-new.pdf" for number in range(60)]
EARLY = 16


@pytest.fixture
def world(s3_stub, milvus, milvus_client, monkeypatch):
    monkeypatch.setattr(run_module, "EARLY_OBJECTS", EARLY)
    with small_world(s3_stub, milvus_client, milvus.uri, "day/", NAMES) as world:
        for name in MORE:
            s3_stub.put(world.folder + name, name.encode())
        s3_stub.page = 20
        yield world


def process(world, monkeypatch, at_first_block=lambda: None):
    """Let runs write a row for each object as soon as it can be taken; `complete` is whether the listing was over."""
    complete = []

    def process_objects(assignment):
        work, outcome = assignment.work, ObjectOutcomes()
        complete.append(work.complete)
        while not work.exhausted:
            if work.wait_for_block(60):
                for row in work.take().to_pylist():
                    world.written.append(row["source"].removeprefix(world.source))
                    made = part(row["source"], row["version"], Change(row["change"]))
                    outcome.add(ObjectWriter(world.client, assignment.target).write([made]))
                work.go_on()
                at_first_block()
        return outcome, {}

    monkeypatch.setattr(run_module, "process_objects", process_objects)
    return complete


def test_the_first_objects_are_written_while_the_listing_goes_on(world, monkeypatch):
    written = Event()
    world.stub.before_page = lambda start: None if start < 40 or written.wait(60) else (500, "Stuck", "stuck")
    world.delete(*NAMES[:3])
    complete = process(world, monkeypatch, written.set)
    report = world.run()
    assert complete == [False]
    assert any("while the listing goes on" in line for line in world.said)
    assert (report.listed, report.added, report.unchanged, report.deleted) == (77, 60, 17, 3)
    assert (report.failed, report.rows_written, report.rows_deleted) == (0, 60, 3)
    assert report.stages["list"]["items"] == 77
    assert sorted(world.written) == MORE
    assert world.rows() == sorted(NAMES[3:] + MORE)
    world.written.clear()
    assert world.run().unchanged == 77


def test_a_small_run_knows_all_of_its_work_at_the_start(world, monkeypatch):
    world.delete(*MORE[EARLY - 1 :])
    complete = process(world, monkeypatch)
    world.run()
    assert complete == [True]
    assert not any("goes on" in line for line in world.said)


def test_a_listing_that_breaks_off_removes_nothing_and_the_next_run_completes_the_work(world, monkeypatch):
    written = Event()
    world.stub.before_page = lambda start: (403, "AccessDenied", "no") if start >= 40 and written.wait(60) else None
    world.delete(*NAMES[:3])
    process(world, monkeypatch, written.set)
    with pytest.raises(Exception, match="refuses") as caught:
        world.run()
    assert not isinstance(caught.value, UnreachableError)
    begun = world.rows()
    assert begun[:3] != MORE[:3]
    assert set(NAMES) < set(begun)
    world.stub.before_page = lambda start: None
    report = world.run()
    assert (report.added, report.deleted) == (77 - len(begun) + 3, 3)
    assert world.rows() == sorted(NAMES[3:] + MORE)


def test_a_store_that_lists_in_another_order_gives_the_same_result(world, monkeypatch):
    world.stub.order = lambda key: key[::-1]
    world.delete(*NAMES[:3])
    process(world, monkeypatch)
    report = world.run()
    assert (report.listed, report.added, report.unchanged, report.deleted) == (77, 60, 17, 3)
    assert sorted(world.written) == MORE
    assert world.rows() == sorted(NAMES[3:] + MORE)


def test_a_listing_that_lacks_too_many_removes_nothing_after_an_early_start(world, monkeypatch):
    world.keep_listed(0)
    process(world, monkeypatch)
    sentence, report = world.stopped()
    assert "20 of the 20 objects that the ledger knows" in sentence
    assert (report.added, report.deleted, report.kept) == (60, 0, 20)
    assert world.rows() == sorted(NAMES + MORE)


def test_a_failure_of_the_processing_ends_the_run_while_the_listing_goes_on(world, monkeypatch):
    failed = Event()

    def fail(*_):
        raise ConnectionError("Milvus is away")

    monkeypatch.setattr(run_module, "process_objects", fail)
    world.stub.before_page = lambda start: None if start < 40 or failed.wait(60) else (500, "Stuck", "stuck")
    with pytest.raises(UnreachableError, match="Milvus is away"):
        world.run()
    failed.set()
    assert world.rows() == NAMES
