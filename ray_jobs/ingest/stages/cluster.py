"""The nodes of a Ray cluster, and whether what a run requests has a place on them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from math import inf
from typing import Any

CPU, GPU, MEMORY = "CPU", "GPU", "memory"
"""Ray's names of resources."""

TOLERANCE = 1e-6
"""Ray counts in units of 1/10,000."""


UNKNOWN_MEMORY = 1e15
"""The memory of a node that is not known: it bounds nothing."""


@dataclass(frozen=True, slots=True)
class Node:
    """The logical CPUs and GPUs of a node, the memory in bytes that Ray may allocate there, and what else it has."""

    cpus: float
    gpus: float
    memory: float = UNKNOWN_MEMORY
    custom: Mapping[str, float] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)

    @property
    def resources(self) -> dict[str, float]:
        """By Ray's names."""
        return {**self.custom, CPU: self.cpus, GPU: self.gpus, MEMORY: self.memory}

    @classmethod
    def of(cls, resources: Mapping[str, float], labels: Mapping[str, str], memory: float = 0) -> Node:
        """A node with these resources by Ray's names, and this memory if they name none."""
        custom = {name: amount for name, amount in resources.items() if name not in (CPU, GPU, MEMORY)}
        return cls(resources.get(CPU, 0), resources.get(GPU, 0), resources.get(MEMORY, memory), custom, labels)


@dataclass(frozen=True, slots=True)
class NodeType:
    """A type of nodes of which the cluster's autoscaler may add `more`."""

    name: str
    node: Node
    more: int


@dataclass(frozen=True, slots=True)
class Cluster:
    """The living nodes of a Ray cluster, and the types of which it may have more."""

    nodes: tuple[Node, ...]
    types: tuple[NodeType, ...] = ()

    @property
    def largest(self) -> Cluster:
        """The cluster with all nodes that it may have."""
        return Cluster((*self.nodes, *(kind.node for kind in self.types for _ in range(kind.more))))

    @property
    def cpus(self) -> float:
        return sum(node.cpus for node in self.nodes)

    @property
    def gpus(self) -> float:
        return sum(node.gpus for node in self.nodes)

    @property
    def memory(self) -> float:
        return sum(node.memory for node in self.nodes)


@dataclass(frozen=True, slots=True)
class Demand:
    """What an actor or a task requests of one node, and how many of them there are.

    Attributes:
        resources: by Ray's names.
        labels: Ray's selector of the node's labels.
    """

    name: str
    resources: Mapping[str, float] = field(default_factory=dict)
    count: int = 1
    labels: Mapping[str, str] = field(default_factory=dict)


def cluster_of(nodes: Iterable[Mapping[str, Any]], types: Iterable[NodeType] = ()) -> Cluster:
    """The living nodes that `ray.nodes()` describes, and the types of which there may be more."""
    living = (Node.of(node["Resources"], node.get("Labels") or {}) for node in nodes if node["Alive"])
    return Cluster(tuple(living), tuple(types))


def unplaced(demands: Sequence[Demand], nodes: Sequence[Node], before: Sequence[Demand] = ()) -> dict[str, int]:
    """How many of each demand find no place on the nodes, if the largest are placed first; without those of which all
    do. What is `before` is there already."""
    free = [(node.resources, node.labels) for node in nodes]
    left = {}
    largest_first = [sorted(group, key=_size, reverse=True) for group in (before, demands)]
    for demand in chain.from_iterable(largest_first):
        missing = demand.count
        for node, labels in free:
            if not selected(demand.labels, labels):
                continue
            room = min((node.get(name, 0) / amount for name, amount in demand.resources.items() if amount), default=inf)
            placed = min(missing, int(min(room + TOLERANCE, missing)))
            for name, amount in demand.resources.items():
                node[name] = node.get(name, 0) - placed * amount
            missing -= placed
        if missing:
            left[demand.name] = missing
    return left


def placeable(demand: Demand, nodes: Sequence[Node]) -> int:
    """How many of a demand find a place on the nodes, if nothing else is there."""
    return demand.count - unplaced([demand], nodes).get(demand.name, 0)


def selected(selector: Mapping[str, str], labels: Mapping[str, str]) -> bool:
    """Whether Ray's selector takes a node with these labels: each value is `a`, `!a`, `in(a,b)` or `!in(a,b)`."""
    return all(_holds(wanted, labels.get(name)) for name, wanted in selector.items())


def _holds(wanted: str, label: str | None) -> bool:
    values = wanted.removeprefix("!")
    if values.startswith("in(") and values.endswith(")"):
        among = label in [value.strip() for value in values[3:-1].split(",")]
    else:
        among = label == values
    return among != wanted.startswith("!")


def _size(demand: Demand) -> tuple[float, ...]:
    return tuple(demand.resources.get(name, 0) for name in (GPU, CPU, MEMORY))
