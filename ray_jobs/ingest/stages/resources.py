"""Divide the CPUs and GPUs of a cluster among the stages of a pipeline.

One rule keeps small clusters from hanging: all actor pools, one upstream task and the writers must fit on the CPUs
at the same time. Actors hold their CPUs for the whole run. If they took all CPUs, no task could feed them, and Ray
would wait for ever.

Without GPUs, each core has a model and a parse task, which gives way to it (`PARSER_NICENESS`): the system and not Ray
shares the cores out, so that all of them parse while the models wait, as at the start or with scans, and nearly none
does while they are busy.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from ingest.stages.cluster import Cluster, unplaced
from ingest.stages.requested_resources import check_placeable, overridden
from ingest.stages.requests import ActorPool, ModelStage, Resources, rounded_down

PARSE_CPUS = 0.75
WRITE_CPUS = 0.25
"""The writers mostly wait for Milvus. Together with PARSE_CPUS, they have one CPU, which the models leave free."""

MODEL_SHARE, PARSE_SHARE, WRITE_SHARE = 0.95, 0.04, 0.01
"""The shares of a core of a model, a parse task and the writers, without GPUs. A node takes a twentieth more models
than it has cores at most, and has room for parse tasks wherever the models are."""

PARSE_BYTES = 1_500_000_000
"""Memory of a parse task and its child (1.1 to 1.8 GB while it reads a page by OCR, 0.9 GB afterwards; measured)."""

ACTORS_PER_PARSE_TASK = 4
"""Models on CPUs that leave memory for a parse task between them: one parses for four to six (measured, no scans)."""

SMALL_NODE_CPUS = 4
"""CPUs up to which a single node counts as small: every core then gets a model, and parsing shares the cores."""

MAX_THREADS = 4
"""Maximum number of threads of one model on CPUs, if the memory does not allow a model for every core."""

ACTOR_BYTES = 1_500_000_000
"""Memory of a process with torch, sentence-transformers and its buffers, without the model (1.5 GB, measured)."""

GPUS_PER_WRITER = 4
CPUS_PER_WRITER = 32
"""A writer takes 1,500 rows a second in tables of 1,000, and 470 in tables of 250, as they are without GPUs (measured).
A GPU of the size of an A10 gives about 300 chunks a second, and a core at most 15."""

GPU_THREADS = 2
"""CPU threads of a model on a GPU."""

MEMORY_SHARES = (1.0, 0.75, 0.5, 0.25)
"""The shares of the estimated memory that a run requests: the largest one with which everything finds a place."""


def allocate(
    cluster: Cluster, stages: Sequence[ModelStage], single_writer: bool, requested: Mapping[str, Mapping[str, Any]]
) -> Resources:
    """Divide a cluster among the stages.

    With GPUs, every GPU holds an actor of every stage; if there are enough GPUs, every actor has one to itself. Without
    GPUs, the models take most of the time, so they get nearly all CPUs, in actors of one thread as far as the memory
    allows. Two threads of one process wait for each other at every layer, so that any other work on one core delays
    both: on two busy cores, two actors of one thread embedded 17.0 chunks/s, and one actor of two threads 7.7.

    Args:
        single_writer: the server takes one writer per collection (Milvus Lite).
        requested: settings that `check_resources` has checked; they override the defaults for this cluster.

    Raises:
        ConfigurationError: the requested resources do not fit this cluster.
    """
    cpus = cluster.cpus
    writers = 1 if single_writer else _writers(cluster)
    if cluster.gpus < 1 and "cpus" not in requested.get("parse", {}):
        scale = min(1.0, cpus)
        parse, write, spare, cores = PARSE_SHARE * scale, WRITE_SHARE * scale, MODEL_SHARE * cpus, int(cpus)
    else:
        scale = min(1.0, cpus / 2)
        parse, write = float(requested.get("parse", {}).get("cpus", PARSE_CPUS * scale)), WRITE_CPUS * scale
        # Whole CPUs on larger clusters: the rest is then a whole CPU of one node, not fractions on many.
        spare = max(math.floor(cpus - parse - WRITE_CPUS), 0) if cpus >= 2 else cpus * 0.5
        cores = int(spare)
    pools = _on_gpus(cluster, stages, spare) if cluster.gpus >= 1 else _on_cpus(cluster, stages, spare, cores)
    pools = {name: overridden(pool, requested.get(name, {}), cluster, name) for name, pool in pools.items()}
    parsing = requested.get("parse", {})
    resources = Resources(
        parse, _parse_tasks(cluster, stages, pools), write, writers, pools,
        parse_custom=parsing.get("resources", {}), parse_labels=parsing.get("labels", {}),
    )  # fmt: skip
    check_placeable(cluster, resources)
    return _with_memory(cluster, stages, resources)


def _with_memory(cluster: Cluster, stages: Sequence[ModelStage], resources: Resources) -> Resources:
    """The resources with a request for memory, which keeps other runs from nodes whose memory is taken.

    It is an estimate: where it is too large for the cluster, and without it all would find a place, it is smaller.
    """
    weights = {stage.name: stage.weight_bytes for stage in stages}
    room = unplaced(resources.demands(), cluster.nodes)

    def requesting(share: float) -> Resources:
        pools = {
            name: replace(pool, memory=int(share * (weights[name] + ACTOR_BYTES)))
            for name, pool in resources.pools.items()
        }
        return replace(resources, pools=pools, parse_memory=int(share * PARSE_BYTES))

    candidates = (requesting(share) for share in MEMORY_SHARES)
    return next((found for found in candidates if unplaced(found.demands(), cluster.nodes) == room), resources)


def _writers(cluster: Cluster) -> int:
    """The most writers: up to four where there is a CPU for each, and more on large clusters."""
    few = max(1, min(4, int(cluster.cpus // 4)))
    if cluster.gpus >= 1:
        return max(few, math.ceil(cluster.gpus / GPUS_PER_WRITER))
    return max(few, int(cluster.cpus // CPUS_PER_WRITER))


def _parse_tasks(cluster: Cluster, stages: Sequence[ModelStage], pools: Mapping[str, ActorPool]) -> int:
    """One on each core, as far as the models leave memory for them."""
    models = sum(pools[stage.name].max_actors * (stage.weight_bytes + ACTOR_BYTES) for stage in stages)
    return max(1, min(int(cluster.cpus), int((cluster.memory - models) // PARSE_BYTES)))


def _on_gpus(cluster: Cluster, stages: Sequence[ModelStage], spare: float) -> dict[str, ActorPool]:
    gpus = int(cluster.gpus)
    if gpus >= len(stages):
        actors, fraction = _apportioned(gpus, stages), 1.0
    else:
        actors, fraction = dict.fromkeys((stage.name for stage in stages), gpus), rounded_down(1 / len(stages))
    # An actor on a GPU needs a CPU to feed it, or a fraction of one if there are few.
    while (total := sum(actors.values())) > max(spare, len(stages)):
        largest = max(actors, key=lambda name: actors[name])
        actors[largest] -= 1
    cpus = min(1.0, rounded_down(spare / total))
    return {
        stage.name: ActorPool(actors[stage.name], actors[stage.name], cpus, fraction, GPU_THREADS, stage.batch_size)
        for stage in stages
    }


def _on_cpus(cluster: Cluster, stages: Sequence[ModelStage], spare: float, cores: int) -> dict[str, ActorPool]:
    """The pools of a cluster without GPUs, in which models have `spare` CPUs, the shares of `cores` cores."""
    each = max(stage.weight_bytes for stage in stages) + ACTOR_BYTES
    fitting = max(len(stages), int(cluster.memory // each))
    if len(cluster.nodes) == 1 and cluster.cpus <= SMALL_NODE_CPUS:
        cores = int(cluster.cpus)
        # The models take turns: all cores are for the one at work.
        actors = dict.fromkeys((stage.name for stage in stages), 1)
        actors[max(stages, key=lambda stage: stage.work).name] = max(1, min(cores, fitting - len(stages) + 1))
        threads = {name: max(1, cores // count) for name, count in actors.items()}
        cpus = rounded_down(spare / sum(actors.values()))
    else:
        fitting = int(cluster.memory // (each + PARSE_BYTES / ACTORS_PER_PARSE_TASK))
        total = max(min(cores, fitting), len(stages))
        actors = _apportioned(total, stages)
        share = spare / max(cores, 1)
        each_threads = max(1, min(MAX_THREADS, cores // total))
        while each_threads > 1 and sum(int(node.cpus / (each_threads * share)) for node in cluster.nodes) < total:
            each_threads -= 1
        threads = dict.fromkeys(actors, each_threads)
        cpus = rounded_down(min(each_threads * share, spare / total))
    return {
        stage.name: ActorPool(actors[stage.name], actors[stage.name], cpus, 0, threads[stage.name], stage.batch_size)
        for stage in stages
    }


def _apportioned(count: int, stages: Sequence[ModelStage]) -> dict[str, int]:
    """Apportion `count` actors to the stages by their work, at least one each (D'Hondt's method)."""
    actors = dict.fromkeys((stage.name for stage in stages), 1)
    for _ in range(count - len(stages)):
        most = max(stages, key=lambda stage: stage.work / (actors[stage.name] + 1))
        actors[most.name] += 1
    return actors
