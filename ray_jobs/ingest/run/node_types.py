"""The types of nodes that the autoscaler of a Ray cluster may add.

The autoscalers of Ray 2.60, KubeRay's included, do not publish them; some services that run Ray do. For the others,
whoever runs the cluster puts them into the environment of its head.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from ingest.common.errors import ConfigurationError
from ingest.stages.cluster import UNKNOWN_MEMORY, Cluster, Node, NodeType, cluster_of
from ingest.stages.requested_resources import is_amount, is_labels

VARIABLE = "INGEST_NODE_TYPES"
EXAMPLE = '{"gpu-workers": {"most": 4, "CPU": 8, "GPU": 1, "memory": 32e9}}'

NODE_GROUP = "ray.io/node-group"
"""Ray's label of a node with the name of its type."""

MOST = 100
"""Nodes of a type without a limit."""


def living_cluster() -> Cluster:
    """The cluster to which this process is connected, with the types of nodes that it may have more of."""
    import ray

    nodes = ray.nodes()
    return cluster_of(nodes, types_of(_published() or named_types(os.environ.get(VARIABLE, "")), nodes))


def types_of(known: Mapping[str, Mapping[str, Any]], nodes: Iterable[Mapping[str, Any]]) -> list[NodeType]:
    """The types of which there may be more nodes, in their order.

    Args:
        known: by the name of a type, the resources and the `labels` of a node, and how many there may be at `most`.
        nodes: as `ray.nodes()` returns them.
    """
    there = Counter(node["Labels"].get(NODE_GROUP) for node in nodes if node["Alive"])
    found = (
        NodeType(name, _node(name, resources), int(resources["most"]) - there[name])
        for name, resources in known.items()
    )
    return [kind for kind in found if kind.more > 0]


def named_types(text: str) -> dict[str, Mapping[str, Any]]:
    """The types in the value of the variable.

    Raises:
        ConfigurationError: it names none.
    """
    if not text.strip():
        return {}
    try:
        found = json.loads(text)
        if all(_is_type(resources) for resources in found.values()):
            return dict(found)
    except (ValueError, AttributeError):
        pass
    raise ConfigurationError(f"{VARIABLE} in the environment of the Ray head is not like {EXAMPLE}")


def _is_type(kind: Any) -> bool:
    return (
        isinstance(kind, dict)
        and "most" in kind
        and is_labels(kind.get("labels", {}))
        and all(is_amount(amount) for name, amount in kind.items() if name != "labels")
    )


def _published() -> dict[str, Mapping[str, Any]]:
    """The types that the autoscaler has published."""
    import ray

    config = ray._private.state.state.get_cluster_config()
    return {
        group.name: {**group.resources, "most": MOST if group.max_count < 0 else group.max_count}
        for group in (config.node_group_configs if config else ())
    }


def _node(name: str, kind: Mapping[str, Any]) -> Node:
    resources = {key: amount for key, amount in kind.items() if key not in ("most", "labels")}
    return Node.of(resources, {NODE_GROUP: name, **kind.get("labels", {})}, UNKNOWN_MEMORY)
