"""The first operator of a run's dataset: it hands the work list to Ray Data block by block, while the list still grows.

Ray Data's own sources (`from_blocks`, read tasks) take all their inputs before the first is read, and keep them to the
end. This one puts a block into the object store when the stage behind it has nearly used up the ones before. It keeps
the block until all of its objects are written or have failed: a node that is lost takes results with it that Ray can
only make again from their block.

The operator and its plan are no public interface of Ray (2.60): tests run every method that they override.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache
from threading import Lock
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from ingest.ledger.outcomes import ObjectOutcomes
from ingest.ledger.work_list import WORK_SCHEMA, WorkList

if TYPE_CHECKING:
    from ray import ObjectRef
    from ray.data import Dataset
    from ray.data._internal.execution.interfaces import RefBundle
    from ray.data.context import DataContext

QUEUED_BLOCKS = 8
"""Blocks that wait for a task, beside one for each task."""

PARTS_PER_TASK = 2
"""A block is at most a task's share of what is left, divided by so many."""

POLL_SECONDS = 0.01
"""How long the scheduling of the stages waits for the next block of a list that grows, so that it does not spin."""

SIGN_OF_LIFE_SECONDS = 300.0
"""Seconds without a block after which an empty one is handed on: Ray Data gives up a run in which nothing moves for
half an hour, and a listing of millions of unchanged objects may take longer."""


class Blocks:
    """The blocks of a work list that Ray Data has got, until their objects are done.

    Args:
        work: the list.
        tasks: the most tasks that read blocks at once.
        sign_of_life: as SIGN_OF_LIFE_SECONDS.
    """

    def __init__(self, work: WorkList, tasks: int, sign_of_life: float = SIGN_OF_LIFE_SECONDS) -> None:
        self.work = work
        self._queued = tasks + QUEUED_BLOCKS
        self._parts = PARTS_PER_TASK * tasks
        self._sign_of_life = sign_of_life
        self._last = time.monotonic()
        self._block_of: dict[str, ObjectRef[Any]] = {}
        self._undone: dict[ObjectRef[Any], tuple[pa.Table, int]] = {}
        self._rows: dict[str, Counter[int]] = {}
        self._taking = Lock()
        self.stopped = False

    def is_due(self, waiting: int) -> bool:
        """Whether to hand on a block, if `waiting` blocks wait for a task. It waits briefly for one.

        Raises:
            BaseException: the failure that ended the list.
        """
        if waiting >= self._queued or self.exhausted:
            return False
        silent = time.monotonic() - self._last >= self._sign_of_life
        return self.work.wait_for_block(POLL_SECONDS) or (silent and not self.work.complete)

    @property
    def exhausted(self) -> bool:
        """Whether no further block is handed on."""
        return self.stopped or self.work.exhausted

    def stop(self) -> None:
        """Hand on no further block."""
        self.stopped = True

    def put_next(self) -> RefBundle:
        """Put the next block into the object store, or an empty one if there is none."""
        import ray
        from ray.data._internal.execution.interfaces import BlockEntry, RefBundle
        from ray.data.block import BlockMetadataWithSchema

        self._last = time.monotonic()
        block, reference = self.take(ray.put)
        metadata = BlockMetadataWithSchema.from_block(block)
        return RefBundle((BlockEntry(reference, metadata),), owns_blocks=False, schema=metadata.schema)

    def take(self, put: Callable[[pa.Table], Any]) -> tuple[pa.Table, Any]:
        """The next block, or an empty one if there is none, and the reference to it that `put` returns."""
        with self._taking:
            is_there = not self.stopped and self.work.wait_for_block(0)
            block = self.work.take(self._parts) if is_there else WORK_SCHEMA.empty_table()
            reference = put(block)
            sources = block["source"].to_pylist()
            self._block_of.update(dict.fromkeys(sources, reference))
            if sources:
                self._undone[reference] = block, len(sources)
        return block, reference

    def note(self, written: ObjectOutcomes) -> None:
        """Note the objects of a write, of which some are done now; one may be done again."""
        for source, rows in written.unfinished.items():
            if source in self._block_of:
                self._rows.setdefault(source, Counter()).update(rows)
        for source in written.done:
            reference = self._block_of.pop(source, None)
            self._rows.pop(source, None)
            if reference is not None:
                block, left = self._undone.pop(reference)
                if left > 1:
                    self._undone[reference] = block, left - 1

    def put_back(self) -> tuple[int, Counter[int]]:
        """Put the objects that are not done back into the work list, in blocks as they were.

        The thread of an execution that failed may still be about to take a block, as Ray Data waits only two seconds
        for its end: it gets none from now on.

        Returns:
            Their number, and how many of their rows were written to each collection, which will be written again.
        """
        self.stop()
        with self._taking:
            for block, _ in self._undone.values():
                undone = [source in self._block_of for source in block["source"].to_pylist()]
                self.work.put_back(block.filter(pa.array(undone)))
            count, rows = len(self._block_of), sum(self._rows.values(), Counter())
            self._block_of, self._undone, self._rows = {}, {}, {}
        return count, rows

    @property
    def undone(self) -> list[str]:
        """The sources of the objects that are not done."""
        return list(self._block_of)


@lru_cache(maxsize=1)
def _operator() -> Any:
    """The operator's class in the plan of a dataset. The classes are made here, as only a run imports Ray."""
    from ray.data._internal.execution.operators.input_data_buffer import InputDataBuffer
    from ray.data._internal.logical.interfaces import LogicalOperator, SourceOperator
    from ray.data._internal.planner.planner import Planner
    from ray.data.block import BlockMetadata

    @dataclass(frozen=True, repr=False, eq=False)
    class FromWork(LogicalOperator, SourceOperator):
        """The operator in a plan."""

        blocks: Blocks
        _input_dependencies: list[LogicalOperator] = field(init=False, repr=False, default_factory=list)

        def output_data(self) -> None:
            """Nothing is there before the execution."""

        @property
        def num_outputs(self) -> None:
            """Unknown."""

        def infer_metadata(self) -> BlockMetadata:
            return BlockMetadata(num_rows=None, size_bytes=None, input_files=None, exec_stats=None)

        def infer_schema(self) -> Any:
            return WORK_SCHEMA

        def is_lineage_serializable(self) -> bool:
            return False

    class WorkSource(InputDataBuffer):
        """The operator in an execution."""

        def __init__(self, blocks: Blocks, context: DataContext) -> None:
            super().__init__(context, input_data=[])
            self.blocks = blocks
            self._estimated_num_output_bundles = None

        def has_next(self) -> bool:
            return self.blocks.is_due(self._metrics.num_external_outqueue_blocks)

        def _get_next_inner(self) -> RefBundle:
            bundle = self.blocks.put_next()
            self._metrics.on_input_received(bundle)
            return bundle

        def has_execution_finished(self) -> bool:
            return self.blocks.exhausted

        def has_completed(self) -> bool:
            return self.blocks.exhausted

    def planned(operator: FromWork, _: Any, context: DataContext) -> WorkSource:
        return WorkSource(operator.blocks, context)

    Planner._DEFAULT_PLAN_FNS[FromWork] = planned
    return FromWork


def dataset_of(blocks: Blocks) -> Dataset:
    """A dataset of the differences of a work list, as tables of WORK_SCHEMA; it can be executed once."""
    from ray.data import Dataset
    from ray.data._internal.logical.interfaces import LogicalPlan
    from ray.data._internal.stats import DatasetStats
    from ray.data.context import DataContext

    context = DataContext.get_current().copy()
    return Dataset(LogicalPlan(_operator()(blocks), context), context, DatasetStats(metadata={}, parent=None))
