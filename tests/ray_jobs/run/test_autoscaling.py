"""A run on a cluster whose nodes come when it asks for them, and go when it has ended."""

import json
import subprocess
import sys

import pytest

import clusters
from clusters import notes
from embedded.autoscaling_head import AutoscalingHead
from embedded.processes import base_environment, poll

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(900)]

TYPES = {"gpus": {"resources": {"CPU": 2, "GPU": 1, "object_store_memory": 1 << 28}, "most": 2}}


@pytest.fixture
def head(tmp_path):
    with AutoscalingHead(
        tmp_path / "ray", TYPES, environment=clusters.environment(tmp_path / "notes"), num_cpus=0
    ) as found:
        yield found


@pytest.fixture
def run(head, milvus, tmp_path):
    """Begins a run, to which the types of nodes are known as `types`."""
    with clusters.begun_runs(milvus, tmp_path) as begin:

        def begin_here(count, *flags, types=TYPES):
            known = json.dumps({name: {**kind["resources"], "most": kind["most"]} for name, kind in types.items()})
            return begin(head, count, flags, parse=0.02, model=0.5, environment={"INGEST_NODE_TYPES": known})

        yield begin_here


FREE = """
import ray
ray.init(logging_level="ERROR")
print(ray.cluster_resources().get("GPU", 0), ray.available_resources().get("GPU", 0))
"""


def gpus(head):
    """All GPUs of the cluster, and those that nobody uses."""
    environment = {**base_environment(), **head.client_environment()}
    done = subprocess.run([sys.executable, "-c", FREE], env=environment, capture_output=True, text=True, check=True)
    return done.stdout.split()[:2]  # messages of the autoscaler follow


def test_a_run_asks_for_nodes_with_gpus_grows_and_gives_them_back(head, run, tmp_path):
    found = run(240)
    assert found.report(600)["rows_written"] == 240
    assert found.says("waiting for more nodes of the Ray cluster, which has no room for"), found.output
    assert len({node for what, node, *_ in notes(tmp_path / "notes") if what == "load embed"}) == 2, found.output
    # The nodes of this provider have the address of the head, so that the autoscaler does not see when they are idle.
    poll(lambda: gpus(head) == ["2.0", "2.0"], 60, "all GPUs are free", interval=3)


def test_what_no_type_of_node_has_is_an_error_at_once(run):
    found = run(1, "--resources", '{"embed": {"gpus": 2}}')
    assert found.process.wait(120) == 2
    assert found.says("requests 2 GPUs, but the largest node of the Ray cluster has 1"), found.output


def test_nodes_that_do_not_come_are_an_error_with_their_name(run):
    lacking = {"large": {"resources": {"CPU": 16, "GPU": 4}, "most": 1}}
    found = run(1, "--resources", '{"embed": {"gpus": 3, "actors": 1}}', "--wait-for-resources", "5", types=lacking)
    assert found.process.wait(120) == 4
    assert found.says("the Ray cluster got no nodes for 5 s, and has no room for"), found.output
