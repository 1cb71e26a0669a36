"""The rule that keeps a cluster from hanging: all actors, a parse task and the writers fit at the same time."""

from dataclasses import replace
from itertools import product

import pytest

from ingest.common.errors import ConfigurationError
from ingest.stages.cluster import Cluster, Node, cluster_of, unplaced
from ingest.stages.requested_resources import check_resources, without_place
from ingest.stages.requests import ActorPool, ModelStage, Resources
from ingest.stages.resources import ACTOR_BYTES, MAX_THREADS, PARSE_BYTES, allocate
from run_world import pipeline

SIZES = [0.5, 1, 1.5, 1.75, *range(2, 257)]
CLUSTERS = [(cpus, gpus) for cpus in SIZES for gpus in (0, 1, 2, 8, 300)]
MODEL_BYTES = 500_000_000
ONE = (ModelStage("embed", MODEL_BYTES),)
THREE = (ModelStage("frames", 1000, 1), ModelStage("transcribe", MODEL_BYTES, 6), ModelStage("embed", 1000, 1))


def allocated(cpus, gpus, single_writer=True, nodes=1, memory=1e15, stages=ONE, requested=None) -> Resources:
    cluster = Cluster((Node(cpus / nodes, gpus / nodes, memory / nodes),) * nodes)
    return allocate(cluster, stages, single_writer, requested or {})


@pytest.mark.parametrize("stages", [ONE, THREE])
@pytest.mark.parametrize("memory", [0, 8e9, 1e15])
def test_all_actors_leave_room_for_the_tasks_that_feed_them(stages, memory):
    for cpus, gpus in CLUSTERS:
        resources = allocated(cpus, gpus, memory=memory, stages=stages)
        pools = resources.pools.values()
        actors = sum(pool.max_actors * pool.cpus for pool in pools)
        assert actors + resources.parse_cpus + resources.write_cpus <= cpus + 1e-9, (cpus, gpus, resources)
        assert sum(pool.max_actors * pool.gpus for pool in pools) <= gpus, (cpus, gpus, resources)


@pytest.mark.parametrize("stages", [ONE, THREE])
def test_every_stage_gets_resources(stages):
    for cpus, gpus in CLUSTERS:
        resources = allocated(cpus, gpus, single_writer=False, stages=stages)
        assert set(resources.pools) == {stage.name for stage in stages}
        for pool in resources.pools.values():
            assert min(pool.min_actors, pool.threads, resources.writers) >= 1, (cpus, gpus, resources)
            assert pool.cpus > 0, (cpus, gpus, resources)
            assert (pool.gpus > 0) == (gpus > 0), (cpus, gpus, resources)
        assert min(resources.parse_cpus, resources.write_cpus) > 0, (cpus, gpus, resources)


def test_every_node_with_a_model_has_room_for_a_parse_task_beside_it():
    for cpus in range(4, 257, 2):
        resources = allocated(cpus, 0, nodes=2)
        pool = resources.pools["embed"]
        here = int(cpus / 2 // pool.cpus)
        assert here >= cpus // 2
        assert cpus / 2 - cpus // 2 * pool.cpus >= resources.parse_cpus + resources.write_cpus


def test_a_parse_task_of_whole_cpus_has_them_on_one_node():
    for cpus in range(4, 257, 2):
        resources = allocated(cpus, 0, nodes=2, requested={"parse": {"cpus": 0.75}})
        pool = resources.pools["embed"]
        assert pool.cpus == int(pool.cpus)
        assert cpus - pool.max_actors * pool.cpus >= 1


def test_every_core_parses_while_the_models_wait():
    for cpus in (1, 2, 4, 16, 64):
        resources = allocated(cpus, 0)
        models = sum(pool.max_actors * pool.cpus for pool in resources.pools.values())
        assert resources.parse_tasks == cpus
        assert models + cpus * resources.parse_cpus + resources.write_cpus <= cpus


def test_memory_bounds_the_parse_tasks():
    models = 16 * (ACTOR_BYTES + MODEL_BYTES)
    assert allocated(16, 0, memory=models + 5 * PARSE_BYTES + 1).parse_tasks == 5


def test_models_that_take_the_memory_leave_some_for_a_parse_task_for_each_four_of_them():
    """On 64 CPUs with 200 GB, 52 large models left room for one parse task, which all of them waited for."""
    large = (ModelStage("embed", 2_300_000_000),)
    for cpus, gigabytes in ((64, 200), (64, 100), (32, 64), (16, 32), (8, 16)):
        resources = allocated(cpus, 0, memory=gigabytes * 1e9, stages=large)
        assert resources.parse_tasks >= resources.pools["embed"].max_actors // 4, (cpus, gigabytes, resources)


def test_milvus_lite_gets_one_writer_and_a_server_several():
    assert {allocated(cpus, gpus).writers for cpus, gpus in CLUSTERS} == {1}
    assert [allocated(cpus, 0, single_writer=False).writers for cpus in (1, 2, 4, 8, 16, 64, 256)] == [
        *(1, 1, 1, 2, 4, 4, 8)
    ]


def test_a_hundred_gpus_get_writers_for_all_that_they_embed():
    writers = [allocated(16 * gpus, gpus, single_writer=False, nodes=gpus).writers for gpus in (1, 8, 16, 100)]
    assert writers == [4, 4, 4, 25]
    for cpus, gpus in CLUSTERS:
        resources = allocated(cpus, gpus, single_writer=False)
        assert resources.write_cpus / resources.writers >= 0.0001  # Ray's unit


def test_without_gpus_every_core_has_a_thread_of_a_model():
    for cpus in range(2, 257):
        pool = allocated(cpus, 0).pools["embed"]
        assert pool.max_actors * pool.threads == cpus


def test_memory_bounds_the_copies_of_the_model():
    room_for_two = 2 * (ACTOR_BYTES + MODEL_BYTES + PARSE_BYTES / 4) + 1
    pool = allocated(16, 0, memory=room_for_two).pools["embed"]
    assert (pool.max_actors, pool.threads) == (2, MAX_THREADS)
    assert allocated(16, 0, memory=0).pools["embed"].max_actors == 1
    assert allocated(2, 0, memory=0) == Resources(0.04, 1, 0.01, 1, {"embed": ActorPool(1, 1, 1.9, 0, 2, 32)})


def test_the_stage_with_the_most_work_gets_the_most_actors():
    for cpus, gpus in ((64, 0), (64, 16)):
        actors = {name: pool.max_actors for name, pool in allocated(cpus, gpus, stages=THREE).pools.items()}
        assert actors["transcribe"] > 4 * actors["embed"]


def test_few_gpus_hold_an_actor_of_every_stage():
    pools = allocated(16, 1, stages=THREE).pools
    assert {pool.gpus for pool in pools.values()} == {0.3333}
    assert {pool.max_actors for pool in pools.values()} == {1}


def test_nodes_that_died_do_not_count():
    alive, dead = (
        {"Alive": True, "Resources": {"CPU": 4.0, "GPU": 1.0, "memory": 7.0}},
        {"Alive": False, "Resources": {"CPU": 8.0}},
    )
    assert cluster_of([alive, dead]) == Cluster((Node(4.0, 1.0, 7.0),))


# --- what a run needs to go on


@pytest.mark.parametrize("stages", [ONE, THREE])
@pytest.mark.parametrize("memory", [0, 8e9, 1e15])
@pytest.mark.parametrize("nodes", [1, 2, 5])
def test_one_of_each_stage_finds_a_place_on_the_nodes(stages, memory, nodes):
    for cpus, gpus in product((*range(2, 9), 16, 64), (0, 1, 4)):
        cluster = Cluster((Node(cpus, gpus, memory / nodes),) * nodes)
        resources = allocate(cluster, stages, True, {})
        assert unplaced(resources.least(), cluster.nodes) == {}, (cpus, gpus, resources)


def test_actors_and_parse_tasks_request_the_memory_that_they_need():
    resources = allocated(16, 0, memory=1e12)
    assert resources.pools["embed"].memory == ACTOR_BYTES + MODEL_BYTES
    assert resources.parse_memory == PARSE_BYTES


def test_a_cluster_with_too_little_memory_for_the_estimate_is_asked_for_less():
    resources = allocated(2, 0, memory=2.8e9)
    pool = resources.pools["embed"]
    assert 0 < pool.memory < ACTOR_BYTES + MODEL_BYTES
    assert pool.memory * pool.max_actors + resources.parse_memory * resources.parse_tasks <= 2.8e9


def test_a_run_beside_others_begins_with_its_share_and_may_grow():
    alone = allocated(16, 0, stages=THREE)
    beside = alone.shared_with(1, {"frames"})
    assert beside.parse_tasks == alone.parse_tasks // 2
    assert beside.pools["transcribe"].first == alone.pools["transcribe"].first // 2
    assert beside.pools["transcribe"].max_actors == alone.pools["transcribe"].max_actors
    assert beside.pools["frames"] == alone.pools["frames"]
    assert alone.shared_with(0, ()).demands() == alone.demands()
    assert {demand.count for demand in alone.shared_with(1000, ()).demands()} == {1}


# --- resources that the user requests


def test_requested_resources_override_those_of_the_cluster():
    requested = {"embed": {"actors": [1, 3], "cpus": 2, "gpus": 0.25, "threads": 5, "batch": 7}, "parse": {"cpus": 4}}
    resources = allocated(16, 1, requested=requested)
    assert resources.pools["embed"] == ActorPool(1, 3, 2, 0.25, 5, 7, memory=ACTOR_BYTES + MODEL_BYTES)
    assert resources.parse_cpus == 4


def test_requested_custom_resources_and_labels_are_part_of_what_a_stage_requests():
    nodes = (Node(4, 1, custom={"a10": 1}, labels={"zone": "a"}), Node(16, 0, labels={"zone": "b"}))
    embed = {"resources": {"a10": 1}, "labels": {"zone": "in(a,c)"}}
    requested = {"embed": embed, "parse": {"labels": {"zone": "!a"}}}
    check_resources(requested, ["embed"])
    resources = allocate(Cluster(nodes), ONE, False, requested)
    by_name = {demand.name: demand for demand in resources.least()}
    assert by_name["embed"].resources["a10"] == 1
    assert resources.pools["embed"].max_actors == 1
    assert (by_name["embed"].labels, by_name["parse"].labels) == ({"zone": "in(a,c)"}, {"zone": "!a"})
    assert unplaced(resources.least(), nodes) == {}
    assert unplaced(resources.least(), nodes[1:]) == {"embed": 1}
    assert unplaced(resources.least(), nodes[:1]) == {"parse": 1}


def test_a_number_of_actors_requests_a_pool_of_fixed_size():
    pool = allocated(16, 0, requested={"embed": {"actors": 2}}).pools["embed"]
    assert (pool.min_actors, pool.max_actors) == (2, 2)


@pytest.mark.parametrize(
    ("objects", "size", "actors"), [(1, 10, 1), (16, 10, 1), (17, 10, 2), (3, 30 << 20, 30), (10_000, 1 << 20, 625)]
)
def test_the_work_and_not_only_the_number_of_files_says_how_many_models_are_worth_loading(objects, size, actors):
    assert replace(pipeline(), bytes_per_actor=1 << 20).worthwhile_actors(objects, size) == actors


@pytest.mark.parametrize(("memory", "transcribers"), [(1e15, 4), (8e9, 2), (1e9, 1)])
def test_on_a_small_node_the_model_with_most_work_has_the_cores_in_actors_of_one_thread(memory, transcribers):
    pools = allocated(4, 0, memory=memory, stages=THREE).pools
    found = {name: (pool.max_actors, pool.threads) for name, pool in pools.items()}
    assert found == {"frames": (1, 4), "transcribe": (transcribers, 4 // transcribers), "embed": (1, 4)}


def test_a_small_run_loads_few_models_but_for_those_that_the_user_requests():
    resources = allocated(8, 0)
    assert resources.pools["embed"].max_actors > 2
    assert resources.limited_to(2, ()).pools["embed"].max_actors == 2
    assert resources.limited_to(2, {"embed"}) == resources


def test_a_model_whose_stage_divides_objects_begins_with_few_actors_and_may_have_all():
    resources = allocated(8, 0)
    few = resources.limited_to(2, (), {"embed"}).pools["embed"]
    assert (few.min_actors, few.first_actors) == (2, 2)
    assert few.max_actors == resources.pools["embed"].max_actors
    assert resources.limited_to(2, {"embed"}, {"embed"}) == resources


@pytest.mark.parametrize(
    ("requested", "words"),
    [
        ({"embed": {"gpus": 2}}, "'embed' requests 2 GPUs, but the largest node of the Ray cluster has 1"),
        ({"embed": {"cpus": 32}}, "'embed' requests 32 CPUs, but the largest node of the Ray cluster has 16"),
        ({"embed": {"actors": 40}}, "all stages request 40 CPUs, and their tasks 1, but the Ray cluster has 16"),
        ({"embed": {"actors": 3, "gpus": 0.5}}, "all stages request 1.5 GPUs, but the Ray cluster has 1"),
        ({"embed": {"resources": {"a10": 2}}}, "'embed' requests 2 a10, but the largest node of the Ray cluster has 0"),
        ({"parse": {"labels": {"zone": "b"}}}, """'parse' requests a node with the labels {"zone": "b"}"""),
    ],
)
def test_resources_that_the_cluster_lacks_are_an_error_that_names_them(requested, words):
    with pytest.raises(ConfigurationError, match=words):
        allocated(16, 1, requested=requested)


@pytest.mark.parametrize(
    ("requested", "words"),
    [
        ([], "is not a JSON object"),
        ({"caption": {"cpus": 1}}, "no stage is named 'caption'; the stages are parse, embed"),
        ({"embed": 3}, "embed cannot have the value 3"),
        ({"embed": {"cpu": 1}}, "embed cannot have cpu 1"),
        ({"embed": {"actors": 0}}, "embed cannot have actors 0"),
        ({"embed": {"actors": [3, 2]}}, r"embed cannot have actors \[3, 2\]"),
        ({"embed": {"gpus": True}}, "embed cannot have gpus True"),
        ({"parse": {"gpus": 1}}, "parse cannot have gpus 1"),
        ({"embed": {"resources": {"CPU": 1}}}, "embed cannot have resources {'CPU': 1}"),
        ({"embed": {"resources": {"a10": 0}}}, "embed cannot have resources {'a10': 0}"),
        ({"parse": {"labels": {"zone": 1}}}, "parse cannot have labels {'zone': 1}"),
        ({"parse": {"labels": {"zone": "a b"}}}, "parse cannot have labels {'zone': 'a b'}"),
    ],
)
def test_a_malformed_request_is_an_error(requested, words):
    with pytest.raises(ConfigurationError, match=words):
        check_resources(requested, ["embed"])


def test_actors_for_which_no_single_node_has_room_are_named():
    nodes = (Node(2, 0), Node(2, 0))
    apart = {"transcribe": {"actors": 2, "cpus": 1.25}, "embed": {"actors": 1, "cpus": 0.25}}
    resources = allocate(Cluster(nodes), THREE, True, apart)
    assert without_place(resources, nodes) == [
        "no node has room for 1 of the 2 actors of transcribe, which request 1.25 CPUs and 0 GPUs each"
    ]
    assert without_place(allocate(Cluster(nodes), THREE, True, {}), nodes) == []


def test_models_on_cpus_that_take_long_need_few_parse_tasks():
    many = [Node(cpus=16, gpus=0, memory=128e9)]
    on_cpus = allocate(Cluster(tuple(many)), [ModelStage("transcribe", 0)], False, {})
    assert (on_cpus.parse_tasks, on_cpus.with_parsers_per_model(0.25).parse_tasks) == (16, 4)
    on_gpus = allocate(Cluster((Node(cpus=16, gpus=1, memory=128e9),)), [ModelStage("transcribe", 0)], False, {})
    assert on_gpus.with_parsers_per_model(0.25) == on_gpus
    small = allocate(Cluster((Node(cpus=2, gpus=0, memory=24e9),)), [ModelStage("transcribe", 0)], False, {})
    assert small.with_parsers_per_model(0.25).parse_tasks == 1
