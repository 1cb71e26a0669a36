"""Objects of which the stages tell nothing are processed again, or the run fails: it never succeeds without them."""

import pytest

import clusters
from embedded.ray_head import RayHead
from ingest.run.processing import MAX_REPEATS

pytestmark = [pytest.mark.tier("parts"), pytest.mark.timeout(300)]


@pytest.fixture
def losing(milvus, tmp_path):
    """Begin a run over three objects, one of which gets lost so many times."""
    environment = clusters.environment(tmp_path / "notes")
    with RayHead(tmp_path / "ray", environment, 2) as head, clusters.begun_runs(milvus, tmp_path) as run:

        def begin(times):
            (tmp_path / "lose").write_text(str(times))
            return run(head, 3, parse=0, model=0)

        yield begin


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
    assert words in run.lines[-1][1] and "00000.txt; look for" in run.lines[-1][1], run.output
