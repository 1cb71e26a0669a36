"""What a run needs to go on, reserved for it before it begins: a placement group with one of each of its stages.

Ray gives a group all of its bundles or none, so runs that wait for each other hold nothing meanwhile, and one that has
begun never waits for another one. The group goes with the process of the run.

A run that has had its turn for TURN_SECONDS gives way if others wait: it begins nothing more, ends what it has begun,
and waits behind them with the rest. So a run waits at most for that time of each run before it.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ingest.common.errors import UnreachableError
from ingest.common.text import printable
from ingest.common.waiting import bearing_errors, watching
from ingest.run.node_changes import GRACE_SECONDS, SECONDS_BETWEEN_LINES, NodeChanges, NodesLostError, sentence
from ingest.stages.cluster import CPU, GPU, MEMORY, Demand, cluster_of, unplaced
from ingest.stages.execution import Execution

if TYPE_CHECKING:
    from ray.util.placement_group import PlacementGroup

NAME = "airflow-ray-ingest "
"""The names of the groups begin with it. The id of the run follows."""

TURN_SECONDS = 300.0
"""Seconds after which a run gives way to those that wait."""

HEAD, NOTHING = "node:__internal_head__", 0.0001
"""A resource that the head of a cluster has for itself, and the least amount of it."""

POLL_SECONDS = 0.5
WATCH_SECONDS = 5.0
SILENT_SECONDS = 2.0
"""How long a wait is not worth a line."""

OTHERS_BEGIN_SECONDS = 30.0
"""How long a run that has given way lets the others begin."""


@dataclass(frozen=True, slots=True)
class RunGroup:
    """The group of a run on the cluster."""

    run_id: str
    waits: bool
    demands: Sequence[Demand]


@contextmanager
def reserved(
    demands: Sequence[Demand], run_id: str, patience: float, changes: NodeChanges, say: Callable[[str], None]
) -> Iterator[PlacementGroup]:
    """A placement group with a bundle for each demand. It waits until the cluster has room for all of them at once.

    Args:
        patience: seconds that it waits for nodes that are not there.
        changes: those of the cluster since `demands` were planned.

    Raises:
        UnreachableError: they have not come.
        NodesLostError: there was room for the demands before the cluster lost a node.
    """
    import ray

    with _group(demands, run_id) as group:
        began = time.monotonic()
        due, there = SILENT_SECONDS, 0.0  # `there` is when the nodes last were
        while not group.wait(POLL_SECONDS):
            waited = time.monotonic() - began
            nodes = cluster_of(ray.nodes()).nodes
            lacking = unplaced(demands, nodes)
            if not lacking:
                there = waited
            elif waited - there >= GRACE_SECONDS and (lost := changes.lost()):
                raise NodesLostError(sentence(lost))
            elif waited - there >= patience:
                raise UnreachableError(not_come(demands, lacking, patience))
            if waited >= due:
                due = waited + SECONDS_BETWEEN_LINES
                others = sorted(other.run_id for other in other_groups(run_id))
                reason = waiting_for_nodes(demands, lacking) if lacking else waiting(demands, _free(), others)
                say(f"{waited:5.0f} s  {reason}")
        yield group


@contextmanager
def _group(demands: Sequence[Demand], run_id: str) -> Iterator[PlacementGroup]:
    """A placement group, which may have to wait for its bundles."""
    from ray.util import placement_group, remove_placement_group

    group = placement_group(
        # A bundle may not be empty, as that of a stage that requests no CPUs would be.
        [{name: amount for name, amount in demand.resources.items() if amount} or {MEMORY: 1} for demand in demands],
        name=f"{NAME}{run_id} {uuid.uuid4().hex[:8]}",
        bundle_label_selector=[dict(demand.labels) for demand in demands],
    )
    try:
        yield group
    finally:
        remove_placement_group(group)


@contextmanager
def giving_way(run_id: str, say: Callable[[str], None]) -> Iterator[None]:
    """Let the execution in the block begin nothing more as soon as its turn is over and others wait."""
    began = time.monotonic()

    def look() -> bool:
        if time.monotonic() - began >= TURN_SECONDS and (others := waiting_groups(run_id)):
            say(f"giving way to {_runs([other.run_id for other in others])}: this run ends what it has begun")
            Execution.stopping = True
            return True
        return False

    with watching(bearing_errors(look, "this run gives way to no other", say), WATCH_SECONDS, "giving-way"):
        yield


def let_others_begin(run_id: str) -> None:
    """Wait until those that waited have begun, but not for long: there may be no room for them.

    Meanwhile the run has a group that takes nothing, so that they see it and leave it its share.
    """
    deadline = time.monotonic() + OTHERS_BEGIN_SECONDS
    with _group([Demand("nothing", {HEAD: NOTHING})], run_id):
        while waiting_groups(run_id) and time.monotonic() < deadline:
            time.sleep(POLL_SECONDS)


def waiting_groups(run_id: str) -> list[RunGroup]:
    """The groups of other runs that wait, and for which the nodes would have room."""
    import ray

    nodes = cluster_of(ray.nodes()).nodes
    return [group for group in other_groups(run_id) if group.waits and not unplaced(group.demands, nodes)]


def other_groups(run_id: str) -> list[RunGroup]:
    """The groups of the other runs on the cluster."""
    from ray.util import placement_group_table

    found = []
    for group in placement_group_table().values():
        name, state = group["name"], group["state"]
        own_id = name.removeprefix(NAME).rpartition(" ")[0]
        if name.startswith(NAME) and state != "REMOVED" and own_id != run_id:
            demands = [Demand(str(index), bundle) for index, bundle in group["bundles"].items()]
            found.append(RunGroup(own_id, state == "PENDING", demands))
    return found


def waiting(demands: Sequence[Demand], free: Mapping[str, float], others: Sequence[str]) -> str:
    """The sentence about a run that waits for room.

    Args:
        free: what nobody uses, by Ray's names of resources.
        others: the ids of the runs that are on the cluster.
    """
    needed = {name: sum(demand.resources.get(name, 0) for demand in demands) for name in (CPU, GPU, MEMORY)}
    needed = {name: amount for name, amount in needed.items() if amount}
    return (
        f"waiting behind {_runs(others) if others else 'other work'} on the Ray cluster: this run begins with "
        f"{_amounts(needed)}, and {_amounts({name: free.get(name, 0) for name in needed})} are free"
    )


def waiting_for_nodes(demands: Sequence[Demand], lacking: Collection[str]) -> str:
    """The sentence about a run that waits for nodes. `lacking` is what finds no place on those that are there."""
    return f"waiting for more nodes of the Ray cluster, which {_lacking(demands, lacking)}"


def not_come(demands: Sequence[Demand], lacking: Collection[str], seconds: float) -> str:
    """The sentence about nodes that have not come."""
    return (
        f"the Ray cluster got no nodes for {seconds:g} s, and {_lacking(demands, lacking)}; look at the log of its "
        "autoscaler, or raise --wait-for-resources"
    )


def _lacking(demands: Sequence[Demand], lacking: Collection[str]) -> str:
    parts = [
        f"{_amounts({name: amount for name, amount in demand.resources.items() if amount})} for {demand.name}"
        for demand in demands
        if demand.name in lacking
    ]
    return f"has no room for {', '.join(parts)}"


def _runs(ids: Sequence[str]) -> str:
    return ("the run " if len(ids) == 1 else "the runs ") + ", ".join(map(printable, ids))


def _amounts(amounts: Mapping[str, float]) -> str:
    """Amounts of resources, for people."""
    words = [
        f"{amount / 1e9:.1f} GB" if name == MEMORY else f"{amount:.4g} {name}s" for name, amount in amounts.items()
    ]
    return " and ".join(words)


def _free() -> dict[str, float]:
    import ray

    return dict(ray.available_resources())
