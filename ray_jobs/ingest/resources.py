"""How a cluster's CPUs and GPUs are shared out among the stages of a pipeline.

The rule that keeps small clusters from hanging: the CPUs of the actor pool, one upstream task and one write task must
fit together. Actors hold their CPUs for the whole run, so were they to take them all, nothing could feed them, and Ray
would wait for ever.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

PARSE_CPUS = 0.75
WRITE_CPUS = 0.25
"""A write waits for Milvus most of the time. With PARSE_CPUS it makes one CPU, which is what the actors leave."""

SMALL = 4
"""CPUs up to which one node counts as small: every core then gets a model, and parsing takes its time from them."""

MAX_THREADS = 4
"""Threads of one CPU model, where memory does not allow a model for every core."""

ACTOR_BYTES = 1_500_000_000
"""Memory of a process with torch, sentence-transformers and its buffers, without the model (measured: 1.5 GB)."""


@dataclass(frozen=True, slots=True)
class Cluster:
    """What there is: logical CPUs and GPUs, living nodes, and memory in bytes that Ray hands out."""

    cpus: float
    gpus: float
    nodes: int
    memory: float


@dataclass(frozen=True, slots=True)
class Resources:
    """What each stage asks of Ray. CPUs are logical; `threads` are those the model really uses."""

    parse_cpus: float
    write_cpus: float
    write_tasks: int
    model_actors: int
    model_cpus: float
    model_gpus: float
    threads: int


def share(cluster: Cluster, model_bytes: int, single_writer: bool) -> Resources:
    """Share out a cluster.

    Args:
        model_bytes: size of the model's weights; each CPU actor holds a copy.
        single_writer: the server takes one writer per collection (Milvus Lite).

    With GPUs the model gets one actor a GPU. Without, it is what takes the time, so it gets nearly all CPUs, in actors
    of one thread as far as memory goes. Two threads of one process wait for each other at every layer, and whatever
    else runs on a core then holds up both: on two busy cores, two actors of one thread embedded 17.0 chunks/s where
    one of two threads embedded 7.7.
    """
    cpus = cluster.cpus
    write_tasks = 1 if single_writer else max(1, min(4, int(cpus // 4)))
    if cpus < 2:
        scale = cpus / 2
        model_cpus = scale if cluster.gpus < 1 else 0
        return Resources(PARSE_CPUS * scale, WRITE_CPUS * scale, 1, 1, model_cpus, min(cluster.gpus, 1), 1)
    # Whole CPUs on larger clusters: what is left is then a whole CPU of some node and not crumbs of many.
    spare = math.floor(cpus - PARSE_CPUS - WRITE_CPUS)
    if cluster.gpus >= 1:
        return Resources(PARSE_CPUS, WRITE_CPUS, write_tasks, max(int(min(cluster.gpus, spare)), 1), 1, 1, 2)
    fitting = max(1, int(cluster.memory // (ACTOR_BYTES + model_bytes)))
    if cluster.nodes == 1 and cpus <= SMALL:
        actors = min(int(cpus), fitting)
        # Ray counts CPUs in units of 1/10,000; rounded up, the last actor would not fit.
        model_cpus = math.floor(spare / actors * 10_000) / 10_000
        return Resources(PARSE_CPUS, WRITE_CPUS, write_tasks, actors, model_cpus, 0, max(1, int(cpus) // actors))
    actors = min(spare, fitting)
    threads = min(MAX_THREADS, spare // actors)
    return Resources(PARSE_CPUS, WRITE_CPUS, write_tasks, actors, threads, 0, threads)
