"""Several runs over the same day, as an hourly schedule has them: none repeats another one's work."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from embedded.processes import poll
from ingest.run import run as run_module
from run_world import small_world

DAYS = ["02/", "01/"]
NAMES = ["01/a.pdf", "02/a.pdf"]


@pytest.fixture
def world(s3_stub, milvus, milvus_client, monkeypatch):
    with small_world(s3_stub, milvus_client, milvus.uri, "pdfs/", NAMES) as world:
        world.process_without_ray(monkeypatch)
        yield world


def test_a_run_that_begins_during_another_one_does_only_what_came_meanwhile(world, monkeypatch):
    process, working, end = run_module.process_objects, threading.Event(), threading.Event()

    def process_until_told(*arguments):
        working.set()
        assert end.wait(60)
        return process(*arguments)

    monkeypatch.setattr(run_module, "process_objects", process_until_told)
    sources = [world.source + day for day in DAYS]
    for name in ("02/b.pdf", "02/bad.pdf", "01/late.pdf"):
        world.stub.put(f"pdfs/{name}")
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(world.run, "--max-failed-fraction", "1", sources=sources)
        assert working.wait(60)
        world.stub.put("pdfs/02/c.pdf")  # listed by nobody yet
        second = pool.submit(world.run, "--max-failed-fraction", "1", sources=sources)
        poll(lambda: [line for line in world.said if "waiting for a run" in line], 60, "the second run does not wait")
        end.set()
        reports = first.result(60), second.result(60)
    assert sorted(world.written) == ["01/late.pdf", "02/b.pdf", "02/bad.pdf", "02/c.pdf"]
    assert [(report.added, report.unchanged, report.failed) for report in reports] == [(3, 2, 1), (1, 5, 0)]
    assert world.run("--max-failed-fraction", "1", sources=sources).unchanged == 6
    assert len(world.written) == 4
