"""Parse tasks: there is one at work for each CPU, and an object of which they tell nothing is processed again."""

import pytest

import clusters
from embedded.ray_head import RayHead
from ingest.run.processing import MAX_REPEATS
from sleeping_run import LOST, MEET

pytestmark = [pytest.mark.tier("parts"), pytest.mark.timeout(300)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("parse-tasks")


@pytest.fixture(scope="module")
def head(folder):
    with RayHead(folder / "ray", clusters.environment(folder / "notes"), 2) as head:
        yield head


@pytest.fixture
def run(head, milvus, tmp_path):
    with clusters.begun_runs(milvus, tmp_path) as begin:
        yield lambda count, **settings: begin(head, count, **settings)


@pytest.fixture
def losing(run, folder):
    """Begin a run over three objects, one of which gets lost so many times."""

    def begin(times):
        (folder / "lose").write_text(str(times))
        return run(3, parse=0, model=0)

    yield begin
    (folder / "lose").unlink()


def test_two_objects_on_two_cpus_are_parsed_at_the_same_time(run, folder):
    """Each waits for the other: in a run that parses one after the other, both fail."""
    known = sum(what == "parse" for what, *_ in clusters.notes(folder / "notes"))
    (folder / MEET).write_text(str(known + 2))
    assert run(2).report(200)["rows_written"] == 2


def test_lost_objects_are_processed_again(losing):
    run = losing(1)
    report = run.report()
    assert (report["rows_written"], report["rows_by_collection"]["documents"]) == (3, 3), run.output
    assert run.says("1 object got lost where a process died"), run.output


@pytest.mark.nightly
def test_a_run_whose_objects_get_lost_again_and_again_fails(losing):
    run = losing(99)
    assert run.process.wait(200) == 1, run.output
    run.stop()
    words = f"1 object got lost between the stages {MAX_REPEATS + 1} times, for example "
    assert words in run.lines[-1][1] and f"{LOST}; look for" in run.lines[-1][1], run.output
