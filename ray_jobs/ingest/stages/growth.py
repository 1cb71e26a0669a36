"""Plan a run for a cluster that may grow: its autoscaler adds nodes of some types when a run asks for them.

The run begins with what the living nodes have. Only where they lack what it needs to go on, it counts on further nodes:
with a GPU, if the cluster can have GPUs and has none. Its pools may grow to what the cluster has with all of its nodes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from ingest.common.errors import ConfigurationError
from ingest.stages.cluster import UNKNOWN_MEMORY, Cluster, Demand, Node, placeable, unplaced
from ingest.stages.requests import ModelStage, Resources
from ingest.stages.resources import allocate


def plan(
    cluster: Cluster, stages: Sequence[ModelStage], single_writer: bool, requested: Mapping[str, Mapping[str, Any]]
) -> Resources:
    """As `allocate`, for a cluster that may grow.

    Raises:
        ConfigurationError: the cluster can never have what the run needs to go on.
    """
    if not cluster.types:
        return allocate(cluster, stages, single_writer, requested)
    refusal = ConfigurationError("the Ray cluster has no node and can have none; add nodes, or types of nodes")
    for nodes in _bases(cluster):
        try:
            found = allocate(Cluster(nodes), stages, single_writer, requested)
        except ConfigurationError as error:
            refusal = error
            continue
        if not unplaced(found.least(), nodes):
            # An autoscaler adds no node for a resource that its type does not name.
            if any(kind.node.memory == UNKNOWN_MEMORY for kind in cluster.types):
                found = found.without_memory()
            return _growing(found, cluster, requested)
    raise refusal


def _bases(cluster: Cluster) -> Iterator[tuple[Node, ...]]:
    """The nodes for which a run may be planned, few before many: the living ones, with one more, with all."""
    may_have_gpus = any(kind.node.gpus >= 1 for kind in cluster.types)
    candidates = [cluster.nodes, *((*cluster.nodes, kind.node) for kind in cluster.types), cluster.largest.nodes]
    for nodes in candidates:
        enough = sum(node.cpus for node in nodes) >= 1
        if enough and (not may_have_gpus or any(node.gpus >= 1 for node in nodes)):
            yield nodes


def _growing(resources: Resources, cluster: Cluster, requested: Mapping[str, Mapping[str, Any]]) -> Resources:
    """The same resources, with pools and parse tasks that may grow to the largest cluster."""
    largest = cluster.largest
    pools = {
        name: pool
        if "actors" in requested.get(name, {})
        else replace(
            pool,
            min_actors=1,
            max_actors=max(pool.max_actors, placeable(Demand(name, pool.each, LIMIT, pool.labels), largest.nodes)),
            first_actors=pool.first,
        )
        for name, pool in resources.pools.items()
    }
    return replace(resources, parse_tasks=max(resources.parse_tasks, int(largest.cpus)), pools=pools)


LIMIT = 10_000
"""The most actors of a pool."""
