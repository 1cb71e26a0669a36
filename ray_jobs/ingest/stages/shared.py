"""The state that all processes of a run share, in one actor."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ingest.stages.gathering import StretchCollector
from ingest.stages.progress import ProgressCounts
from ingest.stages.requests import Resources
from ingest.stages.vector_cache import VectorCache, VectorCacheClient

GPUS_PER_CACHE = 8
"""Models on GPUs for which one process keeps the vectors: see tests/benchmarks/test_many_actors.py."""


class SharedState(ProgressCounts, VectorCache, StretchCollector):
    """The counts, the vectors and the stretches of recordings of a run. They share a process, since each takes 1.5 s of
    CPU to start.

    If the process dies, another one starts empty: texts are embedded again, the counts begin at zero, and recordings of
    which only some stretches had come fail.

    Args:
        pipeline, stages: as for `ProgressCounts`.
        dimension: as for `VectorCache`.
    """

    def __init__(self, pipeline: str, stages: Sequence[str], dimension: int) -> None:
        ProgressCounts.__init__(self, pipeline, stages)
        VectorCache.__init__(self, dimension)
        StretchCollector.__init__(self)

    def release_claims(self) -> None:
        """Let others do at once what actors have claimed that are no more."""
        VectorCache.release_claims(self)
        StretchCollector.release_claims(self)


def shared_state(pipeline: str, stages: Sequence[str], dimension: int) -> Any:
    """The actor, on the node of this process: losing any other node loses nothing that all processes need."""
    import ray
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
    actor = ray.remote(SharedState).options(num_cpus=0, max_restarts=-1, max_task_retries=-1, scheduling_strategy=here)
    return actor.remote(pipeline, stages, dimension)


def vector_cache(state: Any, planned: Resources, dimension: int) -> VectorCacheClient:
    """The cache of a run: `state`, and further actors where more GPUs embed texts than one process can serve.

    Losing one of them costs the embedding of some texts again, so that they may be on any node.
    """
    import ray

    actors = [pool.max_actors for pool in planned.pools.values() if pool.gpus]
    count = -(-max(actors, default=1) // GPUS_PER_CACHE)
    more = ray.remote(VectorCache).options(
        num_cpus=0, max_restarts=-1, max_task_retries=-1, scheduling_strategy="SPREAD"
    )
    return VectorCacheClient(state, *(more.remote(dimension) for _ in range(count - 1)))
