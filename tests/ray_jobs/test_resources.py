"""The rule that keeps a cluster from hanging: the smallest pool of actors, a parse and a write task fit at once."""

import pytest

from ingest.resources import MAX_THREADS, share

SIZES = [0.5, 1, 1.5, 1.75, *range(2, 257)]
CLUSTERS = [(cpus, gpus) for cpus in SIZES for gpus in (0, 1, 2, 8, 300)]


@pytest.mark.parametrize("single_writer", [True, False])
def test_one_actor_one_parse_task_and_one_write_task_fit_every_cluster(single_writer):
    for cpus, gpus in CLUSTERS:
        got = share(cpus, gpus, single_writer)
        assert got.model_cpus + got.parse_cpus + got.write_cpus <= cpus + 1e-9, (cpus, gpus, got)
        assert got.model_gpus <= gpus, (cpus, gpus, got)


def test_all_actors_leave_room_for_what_feeds_them():
    for cpus, gpus in CLUSTERS:
        got = share(cpus, gpus, True)
        assert got.model_actors * got.model_cpus + got.parse_cpus + got.write_cpus <= cpus + 1e-9, (cpus, gpus, got)


def test_every_stage_gets_something():
    for cpus, gpus in CLUSTERS:
        got = share(cpus, gpus, False)
        assert min(got.model_actors, got.threads, got.write_tasks) >= 1, (cpus, gpus, got)
        assert min(got.parse_cpus, got.write_cpus) > 0, (cpus, gpus, got)
        assert got.model_cpus > 0 or got.model_gpus > 0, (cpus, gpus, got)


def test_lite_gets_one_writer_and_a_server_several():
    assert {share(cpus, gpus, True).write_tasks for cpus, gpus in CLUSTERS} == {1}
    assert [share(cpus, 0, False).write_tasks for cpus in (1, 2, 4, 8, 16, 64, 256)] == [1, 1, 1, 2, 4, 4, 4]


def test_no_more_actors_than_gpus():
    for cpus, gpus in CLUSTERS:
        if gpus >= 1:
            got = share(cpus, gpus, True)
            assert got.model_actors * got.model_gpus <= gpus, (cpus, gpus, got)


def test_on_cpus_the_model_gets_most_of_them():
    for cpus in range(2, 257):
        got = share(cpus, 0, True)
        assert got.model_actors * got.model_cpus >= cpus / 2 - 0.5, (cpus, got)
        assert got.threads <= MAX_THREADS
