"""The part of a run that uses Ray: it sends a work list through the stages of a pipeline into Milvus."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from ingest.common.errors import JobError
from ingest.ledger.outcomes import ObjectOutcomes
from ingest.ledger.parts import Target
from ingest.ledger.work_list import WorkList
from ingest.run.folders_of_nodes import check_folders
from ingest.run.node_types import living_cluster
from ingest.run.options import RunOptions
from ingest.run.ray_session import connected_to_ray, original_job_error
from ingest.run.reservation import giving_way, let_others_begin, other_groups, reserved
from ingest.stages.cluster import cluster_of
from ingest.stages.gathering import StretchCollectorClient
from ingest.stages.growth import plan
from ingest.stages.pipeline import Pipeline, Shared
from ingest.stages.progress import ProgressPrinter, ProgressReporter
from ingest.stages.requests import ActorPool, Resources
from ingest.stages.shared import SharedState
from ingest.stages.vector_cache import VectorCacheClient


def process_objects(
    pipeline: Pipeline,
    options: RunOptions,
    target: Target,
    work: WorkList,
    single_writer: bool,
    say: Callable[[str], None],
) -> tuple[ObjectOutcomes, dict[str, Any]]:
    """Read, parse, embed and write the objects of a work list.

    Args:
        work: it may still grow. The objects in it by now are enough to know how many actors are worth loading.
        single_writer: whether the server allows only one writer per collection (Milvus Lite).
        say: prints a line for a person.

    Returns:
        The outcome of the objects, and for each stage its `seconds` and `items`, as in `Report.stages`.

    Raises:
        JobError: a dependency failed, or a stage could not start.
    """
    import ray

    started = time.monotonic()
    with connected_to_ray(say, pipeline.block_bytes):
        from ingest.stages.stored_vectors import StoredVectorLoader
        from ingest.stages.work_source import Blocks, dataset_of
        from ingest.stages.write import write_objects

        check_folders(options.sources)
        actor = ray.remote(SharedState).options(num_cpus=0, max_restarts=-1, max_task_retries=-1)
        state = actor.remote(pipeline.name, pipeline.collections[0].dimension)
        cache = VectorCacheClient(state)
        load_stored = StoredVectorLoader(options.milvus_uri, target.collections[0], target.clean_new, cache)
        # A full refresh recomputes vectors, as they may be the reason for it.
        shared = Shared(cache, None if options.full_refresh else load_stored, StretchCollectorClient(state))
        observe = ProgressReporter(state)
        outcome = ObjectOutcomes()
        waited = 0.0
        try:
            while not work.exhausted:
                asked = time.monotonic()
                planned = _planned(pipeline, options, work, single_writer)
                with (
                    reserved(planned.least(), options.run_id, options.wait_for_resources, say) as group,
                    ProgressPrinter(state, work, list(planned.pools), pipeline.unit, say),
                    giving_way(options.run_id, say),
                ):
                    waited += time.monotonic() - asked
                    others = len(other_groups(options.run_id))
                    resources = planned.shared_with(others, options.requested_pools).placed(group)
                    _say_plan(resources, say)
                    blocks = Blocks(work, resources.parse_tasks)
                    embedded = pipeline.build(dataset_of(blocks), resources, observe, shared)
                    outcome.add(
                        write_objects(
                            embedded, options.milvus_uri, target, resources, observe, blocks.done,
                            pipeline.parts_per_write,
                        )
                    )  # fmt: skip
                if not work.exhausted:
                    let_others_begin(options.run_id)
            stages, since_loaded, unfinished = ray.get(
                [state.get.remote(work.count), state.since_first.remote("load"), state.unfinished_recordings.remote()]
            )
        except Exception as error:
            raise original_job_error(error) from error
        # Wall time until the models are loaded, which dominates a daily run over few objects.
        until_loaded = time.monotonic() - started - since_loaded - waited
    if unfinished:  # the process that collects their stretches has died, and a task was repeated, too
        raise JobError(
            f"not all stretches of {len(unfinished)} recordings were found again, for example of {unfinished[0]}; run "
            "again: it processes them"
        )
    if waited >= 1:
        stages["wait"] = {"seconds": waited, "items": 0}
    stages["start"] = {"seconds": until_loaded, "items": stages.get("load", {}).get("items", 0)}
    return outcome, {
        name: {"seconds": round(stage["seconds"], 3), "items": int(stage["items"])} for name, stage in stages.items()
    }


def _planned(pipeline: Pipeline, options: RunOptions, work: WorkList, single_writer: bool) -> Resources:
    """What the run requests of the cluster if it is alone there."""
    # A small run ends before a second copy of the model would be loaded.
    enough = pipeline.worthwhile_actors(work.count, work.bytes)
    growing = {stage.name for stage in pipeline.models if stage.divides_objects}
    resources = plan(living_cluster(), pipeline.models, single_writer, options.resources)
    return resources.limited_to(enough, options.requested_pools, growing)


def _say_plan(resources: Resources, say: Callable[[str], None]) -> None:
    import ray

    cluster = cluster_of(ray.nodes())
    pools = ", ".join(
        f"{name} {_actors(pool)} x {pool.threads} {'thread' if pool.threads == 1 else 'threads'}"
        for name, pool in resources.pools.items()
    )
    say(f"Ray cluster with {cluster.cpus:g} CPUs and {cluster.gpus:g} GPUs: loading models ({pools})")


def _actors(pool: ActorPool) -> str:
    """How many actors a pool has, for people."""
    return f"{pool.max_actors}" if pool.first == pool.max_actors else f"{pool.first} to {pool.max_actors}"
