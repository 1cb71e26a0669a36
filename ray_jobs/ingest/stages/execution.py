"""The execution of a run's dataset in this process, as Ray Data shows it to its callbacks."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from ingest.stages.cluster import CPU, GPU, MEMORY

if TYPE_CHECKING:
    from ray.data._internal.execution.execution_callback import ExecutionCallback
    from ray.data._internal.execution.interfaces import PhysicalOperator
    from ray.data._internal.execution.streaming_executor import StreamingExecutor
else:
    ExecutionCallback = object  # Ray Data calls its methods, and the flags of a script do without Ray


class Execution(ExecutionCallback):
    """The one execution of this process. Ray Data makes an instance for each, but only from the class.

    Attributes:
        stopping: whether the first stage is to begin no more blocks.
        failure: if it is not None, the execution ends with it at once.

    Any thread may set `stopping` and `failure`.
    """

    executor: ClassVar[StreamingExecutor | None] = None
    stopping: ClassVar[bool] = False
    failure: ClassVar[Exception | None] = None

    def before_execution_starts(self, executor: StreamingExecutor) -> None:
        Execution.executor, Execution.stopping, Execution.failure = executor, False, None

    def on_execution_step(self, executor: StreamingExecutor) -> None:
        if Execution.failure is not None:
            _kill_actors(executor)
            raise Execution.failure
        if not Execution.stopping:
            return
        first = _first_stage(executor)
        (source,) = first.input_dependencies
        source.blocks.stop()
        (queue,) = executor._topology[first].input_queues
        while queue.pop() is not None:
            pass

    def after_execution_succeeds(self, executor: StreamingExecutor) -> None:
        Execution.executor = None

    def after_execution_fails(self, executor: StreamingExecutor, error: Exception) -> None:
        Execution.executor = Execution.failure = None


def first_tasks() -> tuple[int, set[int]]:
    """How many tasks the first stage has begun, and the numbers of those that have not ended, counted from 0."""
    executor = Execution.executor
    if executor is None:
        return 0, set()
    stage = _first_stage(executor)
    return stage.metrics.num_tasks_submitted, {task.task_index() for task in stage.get_active_tasks()}


def requested() -> dict[str, float]:
    """What the tasks and actors of the execution hold or wait for, by Ray's names of resources.

    Without the actors that are not there yet, or that start again.
    """
    executor = Execution.executor
    usages = [operator.running_logical_usage() for operator in (executor._topology if executor else ())]
    return {
        CPU: sum(usage.cpu for usage in usages),
        GPU: sum(usage.gpu for usage in usages),
        MEMORY: sum(usage.memory for usage in usages),
    }


def given_tables() -> int:
    """How many tables the tasks of the first stage have given so far."""
    executor = Execution.executor
    return _first_stage(executor).metrics.num_task_outputs_generated if executor else 0


def _kill_actors(executor: StreamingExecutor) -> None:
    """Let go what the actors hold. Ray Data itself only drops its references, of which tasks under way keep some."""
    import ray
    from ray.data._internal.execution.operators.actor_pool_map_operator import ActorPoolMapOperator

    for operator in executor._topology:
        if isinstance(operator, ActorPoolMapOperator):
            pool = operator._actor_pool
            for actor in (*pool._running_actors, *pool._pending_actors.values()):
                ray.kill(actor)


def _first_stage(executor: StreamingExecutor) -> PhysicalOperator:
    from ray.data._internal.execution.operators.input_data_buffer import InputDataBuffer

    return next(
        operator
        for operator in executor._topology
        if any(isinstance(source, InputDataBuffer) for source in operator.input_dependencies)
    )
