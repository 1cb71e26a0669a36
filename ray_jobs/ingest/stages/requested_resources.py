"""The resources that a user requests with `--resources`: checks, and what takes the place of the defaults."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ingest.common.errors import ConfigurationError
from ingest.stages.cluster import CPU, GPU, MEMORY, Demand, placeable, selected, unplaced

if TYPE_CHECKING:
    from ingest.stages.cluster import Cluster, Node
    from ingest.stages.requests import ActorPool, Resources


def check_resources(requested: Any, stages: Sequence[str]) -> None:
    """Check the value of `--resources`.

    Args:
        requested: by stage, an object with any of `actors` (a number, or [least, most]), `cpus` and `gpus` per actor,
            `threads` and `batch`, and of custom `resources` and `labels` of its node; for the stage `parse` only
            `cpus`, `resources` and `labels`.
        stages: the names of the pipeline's model stages.

    Raises:
        ConfigurationError: a stage, a key or a value is not among these.
    """
    if not isinstance(requested, dict):
        raise ConfigurationError("--resources is not a JSON object such as " + _EXAMPLE)
    for stage, settings in requested.items():
        keys = _PARSE_KEYS if stage == "parse" else _KEYS
        if stage != "parse" and stage not in stages:
            raise ConfigurationError(
                f"--resources: no stage is named {stage!r}; the stages are parse, {', '.join(stages)}"
            )
        for key, value in settings.items() if isinstance(settings, dict) else [("", settings)]:
            if key not in keys or not keys[key](value):
                raise ConfigurationError(
                    f"--resources: {stage} cannot have {key or 'the value'} {value!r}; write, for example, {_EXAMPLE}"
                )


_EXAMPLE = (
    '{"embed": {"actors": [1, 4], "cpus": 1, "gpus": 0.5, "batch": 64, "resources": {"a10": 1}, '
    '"labels": {"ray.io/accelerator-type": "A10G"}}, "parse": {"cpus": 1}}'
)


def _is_count(value: Any) -> bool:
    return type(value) is int and value >= 1


def is_amount(value: Any) -> bool:
    """Whether this may be an amount of a resource."""
    return type(value) in (int, float) and 0 <= value < math.inf


def _is_positive_amount(value: Any) -> bool:
    return is_amount(value) and value > 0


def _is_range(value: Any) -> bool:
    return _is_count(value) or (
        isinstance(value, list) and len(value) == 2 and all(map(_is_count, value)) and value[0] <= value[1]
    )


def _is_custom(value: Any) -> bool:
    return isinstance(value, dict) and all(
        name and name not in ("CPU", "GPU", "memory", "object_store_memory") and _is_positive_amount(amount)
        for name, amount in value.items()
    )


def is_labels(value: Any) -> bool:
    """Whether this may be a selector of a node's labels."""
    return isinstance(value, dict) and all(
        _LABEL.fullmatch(name) and isinstance(text, str) and _SELECTED.fullmatch(text) for name, text in value.items()
    )


_LABEL = re.compile(r"[\w.-]+(/[\w.-]+)?")
_SELECTED = re.compile(r"!?([\w.-]+|in\([\w.-]+(, ?[\w.-]+)*\))")
"""Ray's notation for the label of a node."""


_PARSE_KEYS = {"cpus": _is_positive_amount, "resources": _is_custom, "labels": is_labels}

_KEYS = {
    "actors": _is_range,
    "cpus": is_amount,
    "gpus": is_amount,
    "threads": _is_count,
    "batch": _is_count,
    "resources": _is_custom,
    "labels": is_labels,
}


def overridden(pool: ActorPool, requested: Mapping[str, Any], cluster: Cluster, name: str) -> ActorPool:
    """The pool of the stage `name` with the values that the user requests for it."""
    actors = requested.get("actors", [pool.min_actors, pool.max_actors])
    least, most = actors if isinstance(actors, list) else (actors, actors)
    found = replace(
        pool,
        min_actors=least,
        max_actors=most,
        cpus=float(requested.get("cpus", pool.cpus)),
        gpus=float(requested.get("gpus", pool.gpus)),
        threads=requested.get("threads", pool.threads),
        batch_size=requested.get("batch", pool.batch_size),
        custom=requested.get("resources", {}),
        labels=requested.get("labels", {}),
    )
    if "actors" in requested or not (found.custom or found.labels):
        return found
    # Those nodes may have room for fewer actors than the cluster.
    room = max(1, placeable(Demand(name, found.each, most, found.labels), cluster.nodes))
    return replace(found, min_actors=min(least, room), max_actors=room)


def check_placeable(cluster: Cluster, resources: Resources) -> None:
    """Raise ConfigurationError if a stage would wait for ever."""
    for demand in resources.demands():
        if demand.labels and not any(selected(demand.labels, node.labels) for node in cluster.nodes):
            raise ConfigurationError(
                f"the stage {demand.name!r} requests a node with the labels {json.dumps(dict(demand.labels))}, and the "
                "Ray cluster has none; correct --resources, or add such a node"
            )
        for name, amount in demand.resources.items():
            most = max((node.custom.get(name, 0) for node in cluster.nodes), default=0)
            if name not in (CPU, GPU, MEMORY) and amount > most:
                raise ConfigurationError(
                    f"the stage {demand.name!r} requests {amount:g} {name}, but the largest node of the Ray cluster "
                    f"has {most:g}; correct --resources, or add such a node"
                )
    for kind in ("cpus", "gpus"):
        largest = max((getattr(node, kind) for node in cluster.nodes), default=0)
        for name, pool in resources.pools.items():
            amount = getattr(pool, kind)
            if amount > largest or (kind == "gpus" and amount > 1 and amount != int(amount)):
                raise ConfigurationError(
                    f"an actor of the stage {name!r} requests {amount:g} {kind.upper()[:-1]}s, but the largest node of "
                    f"the Ray cluster has {largest:g}; request less in --resources, or add a larger node"
                )
        total = sum(pool.min_actors * getattr(pool, kind) for pool in resources.pools.values())
        tasks = resources.parse_cpus + resources.write_cpus if kind == "cpus" else 0
        available = getattr(cluster, kind)
        if total + tasks > available + 1e-6:
            raise ConfigurationError(
                f"the actors of all stages request {total:g} {kind.upper()[:-1]}s"
                + (f", and their tasks {tasks:g}" if tasks else "")
                + f", but the Ray cluster has {available:g}; lower actors, cpus or gpus in --resources, or add a node"
            )


def without_place(resources: Resources, nodes: Sequence[Node]) -> list[str]:
    """A sentence for each pool of which the nodes have no room for all first actors.

    The CPUs of a cluster may be enough for them, and yet be left over in parts on several nodes.
    """
    others = [replace(demand, count=demand.count - 1) for demand in resources.demands()]
    others = [demand for demand in others if demand.name in resources.pools]
    return [
        f"no node has room for {missing} of the {resources.pools[name].first} actors of {name}, "
        f"which request {resources.pools[name].cpus:g} CPUs and {resources.pools[name].gpus:g} GPUs each"
        for name, missing in unplaced(others, nodes, resources.least()).items()
    ]
