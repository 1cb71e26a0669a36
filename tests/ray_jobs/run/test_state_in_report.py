"""The report tells the state after the run: the newest object, and how many objects have failed permanently."""

import pytest
from pymilvus.exceptions import MilvusException

from embedded.s3_stub import MODIFIED
from ingest.run import run as run_module
from run_world import small_world

NAMES = ["a.pdf", "b.pdf"]


@pytest.fixture
def world(s3_stub, milvus, milvus_client, monkeypatch):
    with small_world(s3_stub, milvus_client, milvus.uri, "day/", NAMES) as world:
        world.process_without_ray(monkeypatch)
        yield world


def put(world, name, later):
    """Upload an object that the store says is `later` seconds newer than those of the world."""
    world.stub.put(f"day/{name}", name.encode())
    world.stub.objects[f"day/{name}"].modified = MODIFIED + later


def test_the_models_of_the_vectors_are_named_as_people_know_them(world):
    assert world.run().models == world.run("--dry-run").models == {"documents": "m"}


def test_a_run_without_changes_has_written_no_rows_to_each_collection(world):
    assert world.run().rows_by_collection == {"documents": 0}


def test_the_newest_object_is_one_that_was_processed_or_is_unchanged(world):
    assert world.run().newest == MODIFIED
    put(world, "new.pdf", 60)
    put(world, "ignored.txt", 90)
    assert world.run().newest == MODIFIED + 60
    assert world.run().newest == MODIFIED + 60
    put(world, "b.pdf", 120)
    assert world.run("--dry-run").newest == MODIFIED + 120


def test_objects_that_are_left_for_another_run_do_not_count(world):
    put(world, "c.pdf", 60)
    put(world, "d.pdf", 120)
    assert world.run("--limit", "1").newest == MODIFIED + 60
    assert world.run("--only-failed").newest == MODIFIED + 60


def test_a_run_without_objects_knows_no_newest_one(world):
    assert world.run(sources=["s3://bucket/another/"]).newest is None


def test_permanent_failures_are_counted_in_the_whole_ledger(world):
    assert world.run().failed_in_ledger == 0
    put(world, "bad.pdf", 1)
    _, report = world.stopped()
    assert (report.failed, report.failed_in_ledger) == (1, 1)
    assert world.run(sources=["s3://bucket/another/"]).failed_in_ledger == 1
    assert world.run("--dry-run").failed_in_ledger is None
    world.delete("bad.pdf")
    assert world.run().failed_in_ledger == 0


def test_failures_that_the_next_run_tries_again_are_counted(world):
    put(world, "bad.pdf", 1)
    put(world, "changing.pdf", 2)
    for failed in (2, 1):  # the bad one is unchanged now
        report = world.run("--max-failed-fraction", "1")
        (of_source,) = report.by_source.values()
        assert (report.failed, report.to_retry, of_source.to_retry) == (failed, 1, 1)


def test_a_run_does_not_fail_because_its_failures_cannot_be_counted(world, monkeypatch):
    def away(*arguments):
        raise MilvusException(message="the server is away")

    monkeypatch.setattr(run_module, "count_failed", away)
    report = world.run()
    assert (report.listed, report.failed_in_ledger) == (2, None)
    assert any("were not counted: " in line for line in world.said)
