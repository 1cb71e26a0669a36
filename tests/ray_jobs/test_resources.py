"""The rule that keeps a cluster from hanging: all actors, a parse task and a write task fit at once."""

import pytest

from ingest.resources import ACTOR_BYTES, MAX_THREADS, Cluster, Resources, share

SIZES = [0.5, 1, 1.5, 1.75, *range(2, 257)]
CLUSTERS = [(cpus, gpus) for cpus in SIZES for gpus in (0, 1, 2, 8, 300)]
MODEL_BYTES = 500_000_000


def shared(cpus: float, gpus: float, single_writer: bool = True, nodes: int = 1, memory: float = 1e15) -> Resources:
    return share(Cluster(cpus, gpus, nodes, memory), MODEL_BYTES, single_writer)


@pytest.mark.parametrize("nodes", [1, 3])
@pytest.mark.parametrize("memory", [0, 8e9, 1e15])
def test_all_actors_leave_room_for_what_feeds_them(nodes, memory):
    for cpus, gpus in CLUSTERS:
        got = shared(cpus, gpus, nodes=nodes, memory=memory)
        assert got.model_actors * got.model_cpus + got.parse_cpus + got.write_cpus <= cpus + 1e-9, (cpus, gpus, got)
        assert got.model_actors * got.model_gpus <= max(gpus, got.model_gpus), (cpus, gpus, got)
        assert got.model_gpus <= gpus, (cpus, gpus, got)


def test_every_stage_gets_something():
    for cpus, gpus in CLUSTERS:
        got = shared(cpus, gpus, single_writer=False)
        assert min(got.model_actors, got.threads, got.write_tasks) >= 1, (cpus, gpus, got)
        assert min(got.parse_cpus, got.write_cpus) > 0, (cpus, gpus, got)
        assert got.model_cpus > 0 or got.model_gpus > 0, (cpus, gpus, got)


def test_on_several_nodes_what_is_left_is_a_whole_cpu_of_one_of_them():
    for cpus in range(2, 257):
        got = shared(cpus, 0, nodes=2)
        assert got.model_cpus == int(got.model_cpus)
        assert cpus - got.model_actors * got.model_cpus >= 1


def test_lite_gets_one_writer_and_a_server_several():
    assert {shared(cpus, gpus).write_tasks for cpus, gpus in CLUSTERS} == {1}
    assert [shared(cpus, 0, single_writer=False).write_tasks for cpus in (1, 2, 4, 8, 16, 64, 256)] == [
        *(1, 1, 1, 2, 4, 4, 4)
    ]


def test_on_cpus_every_core_has_a_thread_of_a_model():
    for cpus in range(2, 5):
        got = shared(cpus, 0)
        assert got.model_actors * got.threads == cpus
    for cpus in range(5, 257):
        got = shared(cpus, 0)
        assert got.model_actors * got.threads == cpus - 1


def test_memory_bounds_the_copies_of_the_model():
    room_for_two = 2 * (ACTOR_BYTES + MODEL_BYTES) + 1
    got = shared(16, 0, memory=room_for_two)
    assert (got.model_actors, got.threads) == (2, MAX_THREADS)
    assert shared(16, 0, memory=0).model_actors == 1
    assert shared(2, 0, memory=0) == Resources(0.75, 0.25, 1, 1, 1, 0, 2)
