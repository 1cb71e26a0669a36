"""A run ends with a sentence when its cluster is gone."""

import socket

import pytest

from ingest.common.errors import ExitCode
from ingest.run.cluster_watch import LOST_SECONDS, SILENT_SECONDS, ClusterWatch, listens

PATIENCE = 55.0


@pytest.fixture
def said():
    return []


@pytest.fixture
def ended():
    return []


@pytest.fixture
def busy():
    """Whether the head listens although it does not answer, in a list."""
    return []


@pytest.fixture
def watch(clock, busy, said, ended):
    return ClusterWatch("own", PATIENCE, lambda: bool(busy), said.append, ended.append, clock)


def nodes(**alive):
    return [{"NodeID": node, "Alive": is_alive} for node, is_alive in alive.items()]


def be_silent(watch, clock, seconds):
    """Look once a second while no answer comes."""
    for _ in range(int(seconds)):
        clock.now += 1
        watch.look()


def test_a_head_that_is_replaced_is_waited_for(watch, clock, said, ended):
    be_silent(watch, clock, 2 * SILENT_SECONDS)
    watch.hear(nodes(old=False, new=True, own=True))
    be_silent(watch, clock, SILENT_SECONDS - 1)
    assert ended == []
    assert [line.lstrip() for line in said] == [
        "10 s  the head of the Ray cluster does not answer; this run waits for it for 55 s",
        "20 s  the head of the Ray cluster does not answer; this run waits for it for 55 s",
        "the head of the Ray cluster answers again",
    ]


def test_a_head_that_stays_away_ends_the_run_before_ray_does(watch, clock, ended):
    be_silent(watch, clock, PATIENCE - 1)
    assert ended == []
    be_silent(watch, clock, 1)
    (error,) = ended
    assert error.exit_code == ExitCode.UNREACHABLE
    assert str(error).startswith("the head of the Ray cluster has not answered for 55 s; see that it runs")


def test_a_head_that_is_only_busy_is_waited_for(watch, clock, busy, ended):
    busy.append(True)
    be_silent(watch, clock, 10 * PATIENCE)
    assert ended == []
    busy.clear()
    be_silent(watch, clock, 1)
    assert len(ended) == 1


def test_a_head_listens_or_not():
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = "{}:{}".format(*server.getsockname())
        assert listens(address)
    assert not listens(address)


def test_a_run_that_was_paused_asks_again_first(watch, clock, said, ended):
    clock.now += 10 * PATIENCE
    watch.look()
    assert (said, ended) == ([], [])


@pytest.mark.parametrize("left", [{"own": False, "other": True}, {"other": True}], ids=["dead", "unknown"])
def test_a_run_ends_with_its_own_node(watch, clock, ended, left):
    """Ray lets its driver wait for ever, and its lease keeps the next run waiting."""
    watch.hear(nodes(own=True, other=True))
    clock.now = LOST_SECONDS - 1
    watch.hear(nodes(**left))
    assert ended == []
    clock.now = LOST_SECONDS
    watch.hear(nodes(**left))
    (error,) = ended
    assert error.exit_code == ExitCode.UNREACHABLE
    assert "has lost the node on which this run began" in str(error)
