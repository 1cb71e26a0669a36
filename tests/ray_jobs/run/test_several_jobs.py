"""Several runs on one cluster all make progress and end."""

import pytest

import clusters
from embedded.processes import poll
from embedded.ray_head import RayHead
from sleeping_run import TURN

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(600)]

MEMORY = 1 << 38
"""Memory that the nodes say they have, so that CPUs alone bound the runs."""


@pytest.fixture
def head_with(tmp_path):
    """Starts a head with so many logical CPUs and GPUs."""
    heads = []

    def start(cpus, gpus=0):
        head = RayHead(tmp_path / "ray", clusters.environment(tmp_path / "notes"), cpus, memory=MEMORY, num_gpus=gpus)
        heads.append(head)
        return head.start()

    yield start
    for head in heads:
        head.stop()


@pytest.fixture
def run(milvus, tmp_path):
    with clusters.begun_runs(milvus, tmp_path) as begin:
        yield begin


@pytest.mark.parametrize(("cpus", "gpus", "stages"), [(2, 0, 1), (2, 0, 3), (4, 0, 1), (8, 1, 3), (64, 0, 1)])
def test_runs_that_begin_together_all_end(head_with, run, cpus, gpus, stages):
    """The machine bears only few of the actors that 64 CPUs invite, so their largest number is requested."""
    flags = ["--resources", '{"embed": {"actors": [1, 3]}}'] if cpus == 64 else []
    head = head_with(cpus, gpus)
    runs = [run(head, 12, stages=stages, flags=flags) for _ in range(3)]
    assert [found.report(400)["rows_written"] for found in runs] == [12] * 3


def test_a_long_run_gives_way_to_short_ones_and_goes_on(head_with, run):
    head = head_with(2)
    turn = {TURN: "5"}
    long = run(head, 1000, parse=0.01, environment=turn)
    poll(lambda: long.says("embedded 1"), 120, "the long run embeds")
    short = [run(head, 12, environment=turn) for _ in range(2)]
    assert [found.report(400)["rows_written"] for found in short] == [12] * 2
    assert all(found.says("waiting behind the run") for found in short), short[0].output
    assert long.process.poll() is None
    report = long.report(400)
    assert (report["rows_written"], report["failed"], report["added"]) == (1000, 0, 1000)
    assert report["stages"]["wait"]["seconds"] > 0
    assert long.says("giving way to"), long.output
