"""Which failures end a run with exit code 3."""

import pytest

from run_world import small_world


@pytest.fixture
def world(s3_stub, milvus, milvus_client, monkeypatch):
    with small_world(s3_stub, milvus_client, milvus.uri, "day/", ["0.pdf", "1.pdf"]) as world:
        world.process_without_ray(monkeypatch)
        yield world


def test_objects_that_are_replaced_while_a_run_reads_them_do_not_end_it(world):
    """Of a day to which files are just coming, each run may meet one; the next run takes it."""
    world.stub.put("day/changing.pdf")
    report = world.run()
    assert (report.listed, report.failed) == (3, 1)
    world.stub.put("day/bad.pdf")
    sentence, report = world.stopped()
    assert sentence.startswith("1 of 4 objects failed") and "bad.pdf" in sentence


def test_a_store_for_which_all_objects_are_replaced_ends_it(world):
    for number in range(12):
        world.stub.put(f"day/changing-{number}.pdf")
    sentence, _ = world.stopped()
    assert sentence.startswith("2 of 14 objects failed") and "it was replaced" in sentence
