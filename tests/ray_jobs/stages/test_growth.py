"""A run on a cluster whose autoscaler adds nodes counts on them, and grows with them."""

import json

import pytest

from ingest.common.errors import ConfigurationError
from ingest.run.node_types import MOST, named_types, types_of
from ingest.stages.cluster import Cluster, Node, NodeType, unplaced
from ingest.stages.growth import plan
from ingest.stages.requests import ModelStage
from ingest.stages.resources import allocate

ONE = (ModelStage("embed", 1000),)
THREE = (ModelStage("frames", 1000, 1), ModelStage("transcribe", 1000, 6), ModelStage("embed", 1000, 1))
HEAD = Node(0, 0)
CPU_TYPE = NodeType("cpus", Node(8, 0), 3)
GPU_TYPE = NodeType("gpus", Node(8, 1, 64e9), 4)


def test_a_cluster_that_cannot_grow_is_planned_as_it_is():
    cluster = Cluster((Node(8, 0, 64e9), Node(8, 0, 64e9)))
    assert plan(cluster, THREE, False, {}) == allocate(cluster, THREE, False, {})


@pytest.mark.parametrize("stages", [ONE, THREE])
@pytest.mark.parametrize("living", [(HEAD,), (HEAD, CPU_TYPE.node)])
def test_a_run_asks_for_the_gpus_that_the_cluster_can_have(stages, living):
    resources = plan(Cluster(living, (CPU_TYPE, GPU_TYPE)), stages, False, {})
    assert {pool.gpus for pool in resources.pools.values()} == {1.0 if stages is ONE else 0.3333}
    assert unplaced(resources.least(), living)
    assert unplaced(resources.least(), (*living, GPU_TYPE.node)) == {}


def test_a_run_begins_with_one_more_node_and_may_grow_to_all():
    pool = plan(Cluster((HEAD,), (GPU_TYPE,)), ONE, False, {}).pools["embed"]
    assert (pool.min_actors, pool.first, pool.max_actors) == (1, 1, 4)
    resources = plan(Cluster((HEAD,), (CPU_TYPE,)), ONE, False, {})
    pool = resources.pools["embed"]
    assert (pool.min_actors, pool.first, pool.max_actors, resources.parse_tasks) == (1, 8, 24, 24)


def test_a_run_asks_for_memory_where_the_types_of_nodes_name_it():
    """Ray's autoscaler finds no type for a request of a resource that the type does not name."""
    named = NodeType("cpus", Node(8, 0, 64e9), 3)
    assert plan(Cluster((HEAD,), (named,)), ONE, False, {}).pools["embed"].memory > 0
    resources = plan(Cluster((HEAD,), (named, NodeType("gpus", Node(8, 1), 4))), ONE, False, {})
    assert (resources.parse_memory, resources.pools["embed"].memory) == (0, 0)


def test_a_run_begins_with_the_living_nodes_where_they_have_what_it_needs():
    pool = plan(Cluster((HEAD, Node(4, 1, 64e9)), (CPU_TYPE, GPU_TYPE)), ONE, False, {}).pools["embed"]
    assert (pool.gpus, pool.first, pool.max_actors) == (1, 1, 5)


def test_requested_actors_are_as_many_as_requested():
    pool = plan(Cluster((HEAD,), (GPU_TYPE,)), ONE, False, {"embed": {"actors": [1, 2]}}).pools["embed"]
    assert (pool.min_actors, pool.max_actors) == (1, 2)


@pytest.mark.parametrize(
    ("requested", "words"),
    [
        ({"embed": {"gpus": 2}}, "'embed' requests 2 GPUs, but the largest node .* has 1"),
        ({"embed": {"cpus": 9}}, "'embed' requests 9 CPUs, but the largest node .* has 8"),
        ({"embed": {"actors": 5, "gpus": 1}}, "request 5 GPUs, but the Ray cluster has 4"),
    ],
)
def test_what_the_cluster_can_never_have_is_an_error_that_names_it(requested, words):
    with pytest.raises(ConfigurationError, match=words):
        plan(Cluster((HEAD,), (CPU_TYPE, GPU_TYPE)), ONE, False, requested)


def test_of_a_type_there_are_as_many_nodes_more_as_do_not_live():
    living = [
        {"Alive": alive, "Labels": {"ray.io/node-group": name}}
        for alive, name in ((True, "gpus"), (True, "gpus"), (False, "cpus"), (True, "head"))
    ]
    known = {"gpus": {"CPU": 8, "GPU": 1, "most": 3}, "cpus": {"CPU": 4, "most": MOST}, "full": {"most": 0}}
    found = [(kind.name, kind.node.cpus, kind.node.gpus, kind.more) for kind in types_of(known, living)]
    assert found == [("gpus", 8, 1, 1), ("cpus", 4, 0, MOST)]


def test_the_variable_names_the_types_of_nodes():
    assert named_types(" ") == {}
    assert named_types('{"a": {"CPU": 8, "most": 2}}') == {"a": {"CPU": 8, "most": 2}}
    kind = {"CPU": 8, "a10": 1, "most": 2, "labels": {"zone": "a"}}
    (found,) = types_of(named_types(json.dumps({"large": kind})), [])
    assert (found.node.custom, dict(found.node.labels)) == ({"a10": 1}, {"ray.io/node-group": "large", "zone": "a"})


@pytest.mark.parametrize("text", ["8", "[]", '{"a": 8}', '{"a": {"CPU": 8}}', '{"a": {"CPU": "8", "most": 1}}', "{"])
def test_a_variable_that_names_no_types_is_an_error(text):
    with pytest.raises(ConfigurationError, match="INGEST_NODE_TYPES in the environment of the Ray head is not like"):
        named_types(text)
