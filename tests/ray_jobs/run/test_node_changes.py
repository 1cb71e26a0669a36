"""A run goes on when its cluster loses nodes, with others in their place or with those that are left, or gets more."""

import json
import subprocess
import sys
from dataclasses import replace

import pytest

import clusters
from clusters import notes
from embedded.http import request_json
from embedded.processes import base_environment, poll
from embedded.ray_head import RayHead
from embedded.ray_node import RayNode
from ingest.common.errors import ConfigurationError, UnreachableError
from ingest.run import node_changes
from ingest.run.node_changes import is_more, planned_anew, planning_anew, sentence
from ingest.stages.execution import Execution
from ingest.stages.requests import ActorPool, Resources
from sleeping_run import GRACE

ON_CPUS = Resources(1, 1, 0.25, 1, {"embed": ActorPool(1, 1, 1, 0, 1, 32)})
ON_GPUS = replace(ON_CPUS, pools={"embed": ActorPool(1, 1, 1, 1, 1, 32)})
REFUSAL = ConfigurationError("the pipeline needs a CPU")


def planned(results, before=ON_CPUS, patience=900.0):
    """What a run plans if it gets these results one after another, and what it says."""
    said = []

    def plan():
        result = results.pop(0)
        if isinstance(result, Exception):
            raise result
        return result

    return planned_anew(plan, before, patience, said.append), said


def test_nodes_that_are_left_are_planned_for_at_once():
    assert planned([ON_CPUS]) == (ON_CPUS, [])
    assert planned([ON_GPUS], ON_GPUS) == (ON_GPUS, [])


def test_a_run_on_gpus_waits_for_others_and_then_goes_on_without():
    found, said = planned([ON_CPUS, ON_GPUS], ON_GPUS)
    assert (found, len(said)) == (ON_GPUS, 1)
    assert said[0].endswith("in place of those that it lost: none of its nodes has a GPU")
    found, said = planned([ON_CPUS], ON_GPUS, patience=0)
    assert found == ON_CPUS
    assert said == ["the Ray cluster got no GPUs for 0 s in place of those that it lost: going on without"]


def test_a_cluster_that_is_too_small_is_waited_for_and_then_away():
    assert planned([REFUSAL, ON_CPUS])[0] == ON_CPUS
    with pytest.raises(UnreachableError, match=r"no nodes for 0 s .*: the pipeline needs a CPU"):
        planned([REFUSAL], patience=0)


def test_the_sentence_names_some_nodes():
    assert sentence(["10.0.0.1"]) == "the Ray cluster has lost a node (10.0.0.1)"
    assert sentence(list("abcde")) == "the Ray cluster has lost 5 nodes (a, b, c and 2 more)"


def test_a_few_more_actors_are_not_worth_another_plan():
    pools = {count: replace(ON_CPUS, pools={"embed": ActorPool(1, count, 1, 0, 1, 32)}) for count in (8, 9, 10)}
    assert [is_more(pools[count], pools[8]) for count in (8, 9, 10)] == [False, False, True]


def test_a_gpu_is_worth_another_plan_and_more_actors_without_are_not():
    """A run that went on without its GPUs uses the next one; one that waits for its GPU does not take CPUs for it."""
    many = replace(ON_CPUS, pools={"embed": ActorPool(60, 60, 1, 0, 1, 32)})
    assert is_more(ON_GPUS, many)
    assert not is_more(many, ON_GPUS)


class Changes:
    """Those of a cluster whose nodes a test names."""

    def __init__(self, lost=(), joined=()):
        self.nodes = {"lost": list(lost), "joined": set(joined)}

    def lost(self):
        return self.nodes["lost"]

    def joined(self):
        return self.nodes["joined"]


@pytest.fixture
def at_once(monkeypatch):
    """Nothing is waited for long, each part of a run lacks a place, and the execution is as before its start."""
    for name, value in {"WATCH_SECONDS": 0.001, "GRACE_SECONDS": 0.001, "JOIN_SECONDS": 0.001}.items():
        monkeypatch.setattr(node_changes, name, value)
    monkeypatch.setattr(node_changes, "_lacks_place", lambda group: "a place")
    monkeypatch.setattr(Execution, "stopping", False)
    monkeypatch.setattr(Execution, "failure", None)


def test_a_node_that_is_lost_while_the_run_ends_what_it_has_begun(at_once):
    """The run wants to go on with a node that has joined, and would wait for ever for an actor on the lost one."""
    changes, said = Changes(joined=["new"]), []
    with planning_anew(changes, None, lambda: True, said.append):
        poll(lambda: Execution.stopping, 60, "the run ends what it has begun")
        changes.nodes["lost"].append("10.0.0.1")
        poll(lambda: Execution.failure, 60, "the run is planned anew")
    assert str(Execution.failure) == sentence(["10.0.0.1"])
    assert len(said) == 1


OBJECTS = 240
LABELS = json.dumps({"parse": {"labels": {"role": "parse"}}, "embed": {"labels": {"role": "embed"}}})
SHORT = {GRACE: "5"}


@pytest.fixture
def head(tmp_path):
    """A head with one CPU. The driver of a run is on its node."""
    with RayHead(tmp_path / "ray", clusters.environment(tmp_path / "notes"), 1, memory=1 << 38) as found:
        yield found


@pytest.fixture
def node(head, tmp_path):
    """Starts another node of the cluster."""
    nodes = []

    def start(cpus=1, **settings):
        nodes.append(RayNode(tmp_path / f"node{len(nodes)}", head, cpus, **settings))
        return nodes[-1].start()

    yield start
    for found in nodes:
        found.kill()


@pytest.fixture
def run(head, milvus, tmp_path):
    """Begins a run, and returns it when it embeds on so many nodes."""
    with clusters.begun_runs(milvus, tmp_path) as begin:

        def begin_here(nodes, flags=(), environment=SHORT, objects=OBJECTS):
            found = begin(head, objects, flags, parse=0.05, model=0.1, environment=environment)
            poll(lambda: len(embedding(tmp_path)) == nodes or found.process.poll() is not None, 120, "the run embeds")
            assert found.process.poll() is None, found.output
            return found

        yield begin_here


def embedding(folder):
    """The nodes on which something was embedded."""
    return {node for what, node, *_ in notes(folder / "notes") if what == "embed"}


def ends_right(run, objects=OBJECTS):
    report = run.report(300)
    assert (report["added"], report["failed"], report["rows_written"]) == (objects, 0, objects), run.output


@pytest.mark.chaos
@pytest.mark.timeout(600)
class TestWithRay:
    def test_another_node_takes_the_place_of_a_lost_one(self, run, node):
        lost = node()
        going = run(2, environment={})
        lost.kill()
        node()
        ends_right(going)
        assert not going.says("planning anew"), going.output

    def test_the_nodes_that_are_left_do_the_work(self, run, node):
        lost = node()
        going = run(2)
        lost.kill()
        ends_right(going)
        assert going.says("the Ray cluster has lost a node (127.0.0.1): planning anew"), going.output

    @pytest.mark.parametrize("role", ["parse", "embed"])
    def test_every_role_moves_to_the_node_that_comes(self, run, node, role):
        nodes = {name: node(labels={"role": name}) for name in ("parse", "embed")}
        going = run(1, ["--resources", LABELS])
        nodes[role].kill()
        poll(lambda: going.says("planning anew"), 120, "the run waits for a node")
        node(labels={"role": role})
        ends_right(going)

    def test_a_node_that_is_drained_is_left(self, head, run, node, tmp_path):
        before = {found["node_id"] for found in alive(head)}
        lost = node()
        (drained,) = {found["node_id"] for found in alive(head)} - before
        going = run(2)
        drain(head, drained, seconds=5)
        lost.kill()
        ends_right(going)

    def test_a_lost_gpu_is_waited_for(self, run, node):
        lost = node(num_gpus=1)
        going = run(1)
        lost.kill()
        poll(lambda: going.says("none of its nodes has a GPU"), 120, "the run waits for a GPU")
        node(num_gpus=1)
        ends_right(going)

    def test_a_node_that_joins_is_used(self, run, node, tmp_path):
        going = run(1, objects=600)
        node(2)
        poll(lambda: len(embedding(tmp_path)) == 2 or going.process.poll() is not None, 120, "both nodes embed")
        ends_right(going, 600)
        assert going.says("nodes have joined the Ray cluster"), going.output

    def test_what_all_processes_share_is_on_the_node_of_the_driver(self, head, run, node):
        node(3)
        going = run(2)
        (shared,) = (actor for actor in listed(head, "actors") if actor["class_name"] == "SharedState")
        assert [found["is_head_node"] for found in alive(head) if found["node_id"] == shared["node_id"]] == [True]
        ends_right(going)


def listed(head, what):
    return request_json("GET", f"{head.dashboard_url}/api/v0/{what}")["data"]["result"]["result"]


def alive(head):
    return [found for found in listed(head, "nodes") if found["state"] == "ALIVE"]


def drain(head, node, seconds):
    command = ["drain-node", "--address", head.gcs_address, "--node-id", node, "--deadline-remaining-seconds"]
    command += [str(seconds), "--reason", "DRAIN_NODE_REASON_PREEMPTION", "--reason-message", "spot"]
    environment = {**base_environment(), **head.client_environment()}
    subprocess.run([sys.executable, "-m", "ray.scripts.scripts", *command], env=environment, check=True)
