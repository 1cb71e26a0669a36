"""Nodes that leave and join the cluster while a run goes on.

Ray runs what was on a lost node again by itself wherever there is room: tasks, actors, and the tasks whose results were
kept there. But an actor that finds no room waits for ever, and so does the placement group of a run, although the nodes
that are left could do the work with fewer actors. So a run that waits for a place for GRACE_SECONDS after it lost a
node ends its execution, gives everything back, and plans what is not done anew for the nodes that are there.

A run on a cluster without an autoscaler was planned for the nodes that were there. Where others have joined that hold
more of its actors, or GPUs for them, it begins nothing more, ends what it has begun, and plans the rest anew with them.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from ingest.common.errors import ConfigurationError, JobError, UnreachableError
from ingest.common.waiting import bearing_errors, watching
from ingest.stages.cluster import TOLERANCE, cluster_of
from ingest.stages.execution import Execution, given_tables, requested
from ingest.stages.requests import Resources

if TYPE_CHECKING:
    from ray.util.placement_group import PlacementGroup

GRACE_SECONDS = 60.0
"""How long the run waits for a node in place of a lost one. A raylet starts in seconds, and a virtual machine in
minutes; planning anew costs the models another start, and the work that is under way."""

JOIN_SECONDS = 30.0
"""How long no further node has to join before the run is planned anew: nodes often come together."""

MORE = 1.25
"""How many times as many actors of a pool are worth planning anew."""

CONSEQUENCE = "it may wait for ever for a lost node, and uses no new one"
"""What it means for a run that its nodes cannot be watched."""

WATCH_SECONDS = 3.0
POLL_SECONDS = 1.0
SECONDS_BETWEEN_LINES = 10.0
"""Seconds between two lines about the same wait."""


class NodesLostError(JobError):
    """A part of the run has no place since the cluster has lost a node."""


class NodeChanges:
    """Tells which nodes have left and joined the cluster since this object was made."""

    def __init__(self) -> None:
        self._alive, self._dead = _addresses()

    def lost(self) -> list[str]:
        """The addresses of the lost nodes."""
        return [address for node, address in _addresses()[1].items() if node not in self._dead]

    def joined(self) -> set[str]:
        """The ids of the nodes that have joined."""
        return _addresses()[0].keys() - self._alive.keys()


def _addresses() -> tuple[dict[str, str], dict[str, str]]:
    """The addresses of the living and of the dead nodes, by their ids."""
    import ray

    found: tuple[dict[str, str], dict[str, str]] = {}, {}
    for node in ray.nodes():
        found[0 if node["Alive"] else 1][node["NodeID"]] = node["NodeManagerAddress"]
    return found


@contextmanager
def planning_anew(
    changes: NodeChanges, group: PlacementGroup, more: Callable[[], bool], say: Callable[[str], None]
) -> Iterator[None]:
    """End the execution in the block where another plan does more.

    With a NodesLostError as soon as it has waited long enough for lost nodes. As soon as nodes have joined, as a run
    that gives way does.

    Args:
        more: whether a plan for the nodes that are there now has enough more actors.
    """
    waits, joins = _Since(), _Since()

    def look() -> bool:
        lost = changes.lost()
        if waits.seconds(lost and _lacks_place(group)) >= GRACE_SECONDS:
            Execution.failure = NodesLostError(sentence(lost))
        elif not Execution.stopping and joins.seconds(frozenset(changes.joined())) >= JOIN_SECONDS and more():
            say("nodes have joined the Ray cluster: this run ends what it has begun, and goes on with them")
            Execution.stopping = True
        return False  # what it has begun may lose its node, too

    with watching(bearing_errors(look, CONSEQUENCE, say), WATCH_SECONDS, "node-changes"):
        yield


class _Since:
    """Tells for how long something has been as it is."""

    def __init__(self) -> None:
        self._state: object = None
        self._began = 0.0

    def seconds(self, state: object) -> float:
        """Seconds since `state` was another one; 0 for one that is empty."""
        if not state or state != self._state:
            self._state, self._began = state, time.monotonic()
        return time.monotonic() - self._began if state else 0.0


def sentence(lost: Sequence[str]) -> str:
    """What a person reads about lost nodes. `lost` are their addresses."""
    named = ", ".join(lost[:3]) + (f" and {len(lost) - 3} more" if len(lost) > 3 else "")
    return f"the Ray cluster has lost {'a node' if len(lost) == 1 else f'{len(lost)} nodes'} ({named})"


def is_loss(error: BaseException) -> bool:
    """Whether an execution may have ended with this error because a node was lost."""
    from ray.exceptions import RayError

    return isinstance(error, (NodesLostError, RayError))


def _lacks_place(group: PlacementGroup) -> str:
    """What the run's group, an actor that starts again, or tasks wait for; nothing if it is empty.

    Tasks wait their turn where a node for them is lost, and that is no harm as long as others go on: the answer is
    another one each time that one of them has given a table.
    """
    import ray
    from ray.util import placement_group_table

    if placement_group_table(group).get("state") != "CREATED":
        return "a place"
    job = ray.JobID.from_hex(ray.get_runtime_context().get_job_id())
    restarting = ray._private.state.actors(job_id=job, actor_state_name="RESTARTING").values()
    # Ray tells the port of an actor as soon as it has a process, before its model is loaded.
    if any(actor["Address"]["Port"] <= 0 for actor in restarting):
        return "a place"
    cluster = cluster_of(ray.nodes())
    there = {"CPU": cluster.cpus, "GPU": cluster.gpus, "memory": cluster.memory}
    lacks = any(amount > there[name] + TOLERANCE for name, amount in requested().items())
    return f"a turn, after {given_tables()} tables" if lacks else ""


def is_more(now: Resources, before: Resources) -> bool:
    """Whether a plan has enough more actors than another one, or GPUs that it lacks: one does the work of many CPUs."""
    if _has_gpus(now) != _has_gpus(before):
        return _has_gpus(now)
    return any(pool.max_actors >= MORE * before.pools[name].max_actors for name, pool in now.pools.items())


def planned_anew(
    plan: Callable[[], Resources], before: Resources, patience: float, say: Callable[[str], None]
) -> Resources:
    """The plan for the nodes that are left, after some were lost.

    It waits for others as long as there are no GPUs although the run had some, or too little for any run.

    Args:
        before: what was planned before.
        patience: seconds that it waits.

    Raises:
        UnreachableError: the nodes are still too few for a run.
    """
    began = time.monotonic()
    due = 0.0
    while True:
        waited = time.monotonic() - began
        lacking: Any
        try:
            planned = plan()
            if not _has_gpus(before) or _has_gpus(planned):
                return planned
            lacking = "none of its nodes has a GPU"
        except ConfigurationError as error:
            planned, lacking = None, error
        if waited >= patience:
            if planned is None:
                raise UnreachableError(
                    f"the Ray cluster got no nodes for {patience:g} s in place of those that it lost: {lacking}; add "
                    "nodes, or raise --wait-for-resources; the next run resumes from there"
                )
            say(f"the Ray cluster got no GPUs for {patience:g} s in place of those that it lost: going on without")
            return planned
        if waited >= due:
            due = waited + SECONDS_BETWEEN_LINES
            say(f"{waited:5.0f} s  waiting for nodes of the Ray cluster in place of those that it lost: {lacking}")
        time.sleep(POLL_SECONDS)


def _has_gpus(resources: Resources) -> bool:
    return any(pool.gpus for pool in resources.pools.values())
