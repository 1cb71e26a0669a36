"""The part of a run that uses Ray: it sends a work list through the stages of a pipeline into Milvus."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from ingest.common.errors import ConfigurationError, JobError
from ingest.ledger.outcomes import ObjectOutcomes
from ingest.ledger.parts import Target
from ingest.ledger.work_list import WorkList
from ingest.run.cluster_watch import ended_with_cluster
from ingest.run.folders_of_nodes import check_folders
from ingest.run.node_changes import NodeChanges, is_loss, is_more, planned_anew, planning_anew, sentence
from ingest.run.node_types import living_cluster
from ingest.run.options import RunOptions
from ingest.run.ray_session import connected_to_ray, original_job_error
from ingest.run.reservation import giving_way, let_others_begin, other_groups, reserved
from ingest.stages.cluster import cluster_of
from ingest.stages.gathering import StretchCollectorClient
from ingest.stages.growth import plan
from ingest.stages.ocr import OCR, ocr_actors
from ingest.stages.pipeline import Pipeline, Shared
from ingest.stages.progress import ProgressPrinter, ProgressReporter
from ingest.stages.requested_resources import without_place
from ingest.stages.requests import PARSE, WRITE, ActorPool, Resources
from ingest.stages.shared import shared_state, vector_cache

if TYPE_CHECKING:
    from ingest.stages.work_source import Blocks

MAX_REPEATS = 3
"""Executions of a run that may lose objects. Where a task's process dies, Ray repeats the task, and leaves out as many
tables as it has got before: where an object vanished or was changed meanwhile, others are in these tables."""


@dataclass(frozen=True, slots=True)
class Assignment:
    """What a run processes, and how.

    Attributes:
        work: it may still grow. The objects in it by now are enough to know how many actors are worth loading.
        single_writer: whether the server allows only one writer per collection (Milvus Lite).
        say: prints a line for a person.
    """

    pipeline: Pipeline
    options: RunOptions
    target: Target
    work: WorkList
    single_writer: bool
    say: Callable[[str], None]


def process_objects(assignment: Assignment) -> tuple[ObjectOutcomes, dict[str, Any]]:
    """Read, parse, embed and write the objects of a work list.

    Returns:
        The outcome of the objects, and for each stage its `seconds` and `items`, as in `Report.stages`.

    Raises:
        JobError: a dependency failed, or a stage could not start.
    """
    import ray

    started = time.monotonic()
    with (
        connected_to_ray(assignment.say, assignment.pipeline.block_bytes),
        ended_with_cluster(assignment.say),
    ):
        check_folders(assignment.options.sources)
        executions = _Executions(assignment)
        try:
            executions.until_all_is_done()
            state = executions.state
            counts = state.get.remote(assignment.work.count)
            stages, since_loaded, unfinished = ray.get(
                [counts, state.since_first.remote("load"), state.unfinished_recordings.remote()]
            )
        except Exception as error:
            raise original_job_error(error) from error
        # Wall time until the models are loaded, which dominates a daily run over few objects.
        until_loaded = time.monotonic() - started - since_loaded - executions.waited
    if unfinished:  # the process that collects their stretches has died, and a task was repeated, too
        raise JobError(
            f"not all stretches of {len(unfinished)} recordings were found again, for example of {unfinished[0]}; run "
            "again: it processes them"
        )
    if executions.waited >= 1:
        stages["wait"] = {"seconds": executions.waited, "items": 0}
    stages["start"] = {"seconds": until_loaded, "items": stages.get("load", {}).get("items", 0)}
    return executions.outcome, {
        name: {"seconds": round(stage["seconds"], 3), "items": int(stage["items"])} for name, stage in stages.items()
    }


class _Executions:
    """The executions of a run: one, and another one each time that it has given way, or lost a node or objects.

    Attributes:
        state: the actor that the processes of the run share.
        outcome: that of the objects that are done.
        waited: seconds that the run has waited for the cluster.
    """

    def __init__(self, assignment: Assignment) -> None:
        pipeline, options, target = assignment.pipeline, assignment.options, assignment.target
        self._pipeline, self._options, self._target = pipeline, options, target
        self._work, self._single_writer, self._say = assignment.work, assignment.single_writer, assignment.say
        self._models = pipeline.models_for(options.resources)
        models = [stage.name for stage in self._models]
        self.state = shared_state(pipeline.name, ["read", PARSE, *models, WRITE], pipeline.collections[0].dimension)
        self._printer = ProgressPrinter(self.state, self._work, models, pipeline.unit, self._say)
        self._shared: Shared | None = None
        self._repeats = 0
        self.outcome = ObjectOutcomes()
        self.waited = 0.0

    def until_all_is_done(self) -> None:
        """Execute until the work list is exhausted."""
        from ingest.stages.work_source import Blocks

        planned: Resources | None = None
        while not self._work.exhausted:
            asked = time.monotonic()
            changes = NodeChanges()
            if planned is None:
                planned = self._plan()
            else:
                planned = planned_anew(self._plan, planned, self._options.wait_for_resources, self._say)
            blocks = Blocks(self._work, planned.parse_tasks)
            try:
                self._execute(planned, blocks, changes, asked)
            except Exception as error:
                if not (lost := changes.lost()) or not is_loss(original_job_error(error)):
                    raise
                self._share(planned).cache.release_claims()
                self._say(f"{sentence(lost)}: planning anew{_for_objects(self._put_back(blocks))}")
            else:
                stopped, undone = blocks.stopped, blocks.undone
                self._put_back(blocks)
                if stopped:
                    let_others_begin(self._options.run_id)
                elif undone:
                    self._repeat(undone)

    def _repeat(self, lost: Sequence[str]) -> None:
        """Note that objects are done again of which the stages have told nothing.

        Raises:
            JobError: that has happened too often.
        """
        self._repeats += 1
        if self._repeats > MAX_REPEATS:
            raise JobError(
                f"{_objects(len(lost))} got lost between the stages {self._repeats} times, for example {lost[0]}; look "
                "for processes that died in the logs of Ray, and run again: it processes them"
            )
        self._say(f"{_objects(len(lost))} got lost where a process died, for example {lost[0]}: processing them again")

    def _share(self, planned: Resources) -> Shared:
        """What the stages share. The first plan decides how many processes keep vectors."""
        from ingest.stages.stored_vectors import StoredVectorLoader

        if self._shared is None:
            options, target = self._options, self._target
            cache = vector_cache(self.state, planned, self._pipeline.collections[0].dimension)
            load_stored = StoredVectorLoader(options.milvus_uri, target.collections[0], target.clean_new, cache)
            # A full refresh recomputes vectors, as they may be the reason for it.
            trusted = None if options.full_refresh else load_stored
            self._shared = Shared(cache, trusted, StretchCollectorClient(self.state))
        return self._shared

    def _put_back(self, blocks: Blocks) -> int:
        """Do the objects that are not done again; returns their number."""
        count, rows = blocks.put_back()
        self.outcome.rows_in.subtract(rows)
        return count

    def _execute(self, planned: Resources, blocks: Blocks, changes: NodeChanges, asked: float) -> None:
        """Process the blocks. The run has asked for its share of the cluster at the time `asked`."""
        from ingest.stages.work_source import dataset_of
        from ingest.stages.write import write_objects

        pipeline, options = self._pipeline, self._options
        observe = ProgressReporter(self.state)

        def note(written: ObjectOutcomes) -> None:
            self._work.go_on()
            blocks.note(written)
            self.outcome.add(written)

        with (
            reserved(planned.least(), options.run_id, options.wait_for_resources, changes, self._say) as group,
            self._printer,
            giving_way(options.run_id, self._say),
            planning_anew(changes, group, lambda: self._has_more(planned), self._say),
        ):
            self.waited += time.monotonic() - asked
            others = len(other_groups(options.run_id))
            resources = planned.shared_with(others, options.requested_pools).placed(group)
            _say_plan(resources, self._say)
            with ocr_actors(resources.pools.get(OCR), observe) as ocr:
                shared = replace(self._share(planned), ocr=ocr)
                embedded = pipeline.build(dataset_of(blocks), resources, observe, shared)
                write_objects(
                    embedded, options.milvus_uri, self._target, resources, observe, note, pipeline.parts_per_write
                )

    def _has_more(self, planned: Resources) -> bool:
        """Whether a plan for the nodes that are there now would have enough more actors, and work for all of them."""
        try:
            now = self._plan()
        except ConfigurationError:
            return False
        return is_more(now, planned) and self._work.left > max(pool.max_actors for pool in now.pools.values())

    def _plan(self) -> Resources:
        """What the run requests of the cluster if it is alone there."""
        # A small run ends before a second copy of the model would be loaded.
        enough = self._pipeline.worthwhile_actors(self._work.count, self._work.bytes)
        growing = {stage.name for stage in self._models if stage.divides_objects}
        resources = plan(living_cluster(), self._models, self._single_writer, self._options.resources)
        return resources.limited_to(enough, self._options.requested_pools, growing)


def _for_objects(count: int) -> str:
    """What is planned for again, beside what has not begun."""
    return f", for {count} {'object that was' if count == 1 else 'objects that were'} under way, too" if count else ""


def _objects(count: int) -> str:
    return f"{count} {'object' if count == 1 else 'objects'}"


def _say_plan(resources: Resources, say: Callable[[str], None]) -> None:
    import ray

    cluster = cluster_of(ray.nodes())
    pools = ", ".join(
        f"{name} {_actors(pool)} x {pool.threads} {'thread' if pool.threads == 1 else 'threads'}"
        for name, pool in resources.pools.items()
    )
    say(f"Ray cluster with {cluster.cpus:g} CPUs and {cluster.gpus:g} GPUs: loading models ({pools})")
    for sentence_of_pool in without_place(resources, cluster.nodes):
        say(f"{sentence_of_pool}: the run goes on without them")


def _actors(pool: ActorPool) -> str:
    """How many actors a pool has, for people."""
    return f"{pool.max_actors}" if pool.first == pool.max_actors else f"{pool.first} to {pool.max_actors}"
