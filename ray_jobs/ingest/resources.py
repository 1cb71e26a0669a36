"""How a cluster's CPUs and GPUs are shared out among the stages of a pipeline.

The rule that keeps small clusters from hanging: the CPUs of the smallest actor pool, one upstream task and one write
task must fit together. Actors hold their CPUs for the whole run, so were they to take them all, nothing could feed
them, and Ray would wait for ever.
"""

from __future__ import annotations

from dataclasses import dataclass

PARSE_CPUS = 0.75
WRITE_CPUS = 0.25
"""A write waits for Milvus most of the time. With PARSE_CPUS it makes one CPU, which is what a small cluster spares."""

MAX_THREADS = 4
"""Threads of one CPU model: beyond about four a small encoder's forward pass gains little; more actors gain more."""


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


def share(cpus: float, gpus: float, single_writer: bool) -> Resources:
    """Share out a cluster of `cpus` and `gpus`.

    Args:
        single_writer: the server takes one writer per collection (Milvus Lite).

    With GPUs the model gets one actor a GPU. Without, it is what takes the time, so it gets nearly all CPUs, in
    actors of up to MAX_THREADS threads; on the smallest clusters one actor's threads also use what parsing leaves.
    """
    write_tasks = 1 if single_writer else max(1, min(4, int(cpus // 4)))
    spare = cpus - PARSE_CPUS - WRITE_CPUS
    if cpus < 2:
        scale = cpus / 2
        return Resources(PARSE_CPUS * scale, WRITE_CPUS * scale, 1, 1, scale if not gpus else 0, min(gpus, 1), 1)
    if gpus >= 1:
        actors = int(min(gpus, spare))
        return Resources(PARSE_CPUS, WRITE_CPUS, write_tasks, max(actors, 1), 1, 1, 2)
    if cpus <= MAX_THREADS:
        return Resources(PARSE_CPUS, WRITE_CPUS, write_tasks, 1, spare, 0, int(cpus))
    actors = max(1, int(spare // MAX_THREADS))
    return Resources(PARSE_CPUS, WRITE_CPUS, write_tasks, actors, MAX_THREADS, 0, MAX_THREADS)
