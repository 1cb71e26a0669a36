"""What the stages of a run request from Ray."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from ingest.stages.cluster import CPU, GPU, MEMORY, Demand
from ingest.stages.placement import Place

PARSE, WRITE = "parse", "write"
"""The names of the stages without a model."""


@dataclass(frozen=True, slots=True)
class ModelStage:
    """A stage with a model in an actor pool.

    Attributes:
        name: its name in reports and in `--resources`.
        weight_bytes: size of the model's weights; each actor on CPUs holds a copy.
        work: its share of the pipeline's work, in any unit; a larger share gets more actors if there is room.
        batch_size: inputs per forward pass.
        divides_objects: whether several actors work on one object.
        optional: whether it exists only in runs whose user requests something for it.
    """

    name: str
    weight_bytes: int
    work: float = 1.0
    batch_size: int = 32
    divides_objects: bool = False
    optional: bool = False


@dataclass(frozen=True, slots=True)
class ActorPool:
    """The actors that a model stage requests from Ray.

    It begins with `first_actors`, by default the most. Ray starts more while work waits, and ends some that are idle.
    `cpus`, `gpus`, `memory` in bytes, `custom` resources, `labels` of its node and `threads`, the model's own, are per
    actor. One actor has a `place` in the run's placement group, if it has one.
    """

    min_actors: int
    max_actors: int
    cpus: float
    gpus: float
    threads: int
    batch_size: int
    first_actors: int | None = None
    memory: int = 0
    custom: Mapping[str, float] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    place: Place | None = None

    @property
    def first(self) -> int:
        """The number of actors with which it begins."""
        return self.first_actors or self.max_actors

    @property
    def each(self) -> dict[str, float]:
        """What an actor requests, by Ray's names of resources."""
        return {**self.custom, CPU: self.cpus, GPU: self.gpus, MEMORY: self.memory}

    def arguments(self) -> dict[str, Any]:
        """What an actor requests, and of which nodes, as arguments of Ray."""
        return {
            "num_cpus": self.cpus,
            "num_gpus": self.gpus,
            "memory": self.memory or None,
            "resources": dict(self.custom) or None,
            "label_selector": dict(self.labels) or None,
        }

    @property
    def device(self) -> str:
        """The device of its models: an actor that asks for no GPU still sees all GPUs of its node."""
        return "cuda" if self.gpus else "cpu"


@dataclass(frozen=True, slots=True)
class Resources:
    """The resources that each stage requests from Ray. CPUs are logical, memory is in bytes.

    At most `parse_tasks` run at once, one of them in `parse_place` if the run has a placement group. There is one
    writer at first, in `write_place`, and there are at most `writers`, which share `write_cpus`.
    """

    parse_cpus: float
    parse_tasks: int
    write_cpus: float
    writers: int
    pools: Mapping[str, ActorPool]
    parse_memory: int = 0
    parse_custom: Mapping[str, float] = field(default_factory=dict)
    parse_labels: Mapping[str, str] = field(default_factory=dict)
    parse_place: Place | None = None
    write_place: Place | None = None

    @property
    def parse_each(self) -> dict[str, float]:
        """What a parse task requests, by Ray's names of resources."""
        return {**self.parse_custom, CPU: self.parse_cpus, MEMORY: self.parse_memory}

    @property
    def each_writer_cpus(self) -> float:
        """What a writer requests."""
        return rounded_down(self.write_cpus / self.writers)

    def demands(self) -> list[Demand]:
        """All that the stages request at first, and all writers."""
        return [
            Demand(PARSE, self.parse_each, self.parse_tasks, self.parse_labels),
            Demand(WRITE, {CPU: self.each_writer_cpus}, self.writers),
            *(Demand(name, pool.each, pool.first, pool.labels) for name, pool in self.pools.items()),
        ]

    def least(self) -> list[Demand]:
        """What the run needs to go on, whatever becomes of the rest: one of each."""
        return [replace(demand, count=1) for demand in self.demands()]

    def placed(self, group: Any) -> Resources:
        """The same resources, with one of each in the placement group whose bundles are `least`."""
        places = {demand.name: Place(group, bundle) for bundle, demand in enumerate(self.least())}
        pools = {name: replace(pool, place=places[name]) for name, pool in self.pools.items()}
        return replace(self, parse_place=places[PARSE], write_place=places[WRITE], pools=pools)

    def with_parsers_per_model(self, ratio: float) -> Resources:
        """The same resources, with at most so many parse tasks for each model on CPUs; with GPUs, as they are."""
        if any(pool.gpus for pool in self.pools.values()):
            return self
        models = sum(pool.max_actors for pool in self.pools.values())
        return replace(self, parse_tasks=max(1, min(self.parse_tasks, math.ceil(ratio * models))))

    def without_memory(self) -> Resources:
        """The same resources without a request for memory."""
        return replace(self, parse_memory=0, pools={name: replace(pool, memory=0) for name, pool in self.pools.items()})

    def shared_with(self, others: int, requested: Collection[str]) -> Resources:
        """The same resources beside `others` runs: each begins with a part of the actors and of the parse tasks."""

        def share(count: int) -> int:
            return max(1, count // (1 + others))

        pools = {
            name: pool
            if name in requested
            else replace(pool, min_actors=min(pool.min_actors, share(pool.first)), first_actors=share(pool.first))
            for name, pool in self.pools.items()
        }
        return replace(self, parse_tasks=share(self.parse_tasks), pools=pools)

    def limited_to(self, actors: int, requested: Collection[str], growing: Collection[str] = ()) -> Resources:
        """The same resources, with at most `actors` actors per pool, but for the pools that the user `requested`.

        Those that are `growing` only begin with so many, because the number of their inputs is not known before.
        """

        def limited(name: str, pool: ActorPool) -> ActorPool:
            least, most = min(pool.min_actors, actors), min(pool.max_actors, actors)
            if name in requested:
                return pool
            if name in growing:
                return replace(pool, min_actors=least, first_actors=most)
            return replace(pool, min_actors=least, max_actors=most)

        return replace(self, pools={name: limited(name, pool) for name, pool in self.pools.items()})


def rounded_down(value: float) -> float:
    """Round down to Ray's unit of resources, 1/10,000: if this rounded up, the last actor would not fit."""
    return math.floor(value * 10_000) / 10_000
