"""The execution of a run's dataset in this process, as Ray Data shows it to its callbacks."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from ray.data._internal.execution.execution_callback import ExecutionCallback
    from ray.data._internal.execution.interfaces import PhysicalOperator
    from ray.data._internal.execution.streaming_executor import StreamingExecutor
else:
    ExecutionCallback = object  # Ray Data calls its methods, and the flags of a script do without Ray


class Execution(ExecutionCallback):
    """The one execution of this process. Ray Data makes an instance for each, but only from the class.

    Attributes:
        stopping: whether the first stage is to begin no more blocks. Set it from any thread. Those that it has not
            begun go back to the work list.
    """

    executor: ClassVar[StreamingExecutor | None] = None
    stopping: ClassVar[bool] = False

    def before_execution_starts(self, executor: StreamingExecutor) -> None:
        Execution.executor, Execution.stopping = executor, False

    def on_execution_step(self, executor: StreamingExecutor) -> None:
        if not Execution.stopping:
            return
        first = _first_stage(executor)
        (source,) = first.input_dependencies
        source.blocks.stop()
        (queue,) = executor._topology[first].input_queues
        while (waiting := queue.pop()) is not None:
            source.blocks.work.put_back(1 if waiting.num_rows() else 0)

    def after_execution_succeeds(self, executor: StreamingExecutor) -> None:
        Execution.executor = None

    def after_execution_fails(self, executor: StreamingExecutor, error: Exception) -> None:
        Execution.executor = None


def running_tasks() -> set[int]:
    """The numbers of the tasks of the first stage that have not ended, in the order of their begin."""
    executor = Execution.executor
    if executor is None:
        return set()
    return {task.task_index() for task in _first_stage(executor).get_active_tasks()}


def _first_stage(executor: StreamingExecutor) -> PhysicalOperator:
    from ray.data._internal.execution.operators.input_data_buffer import InputDataBuffer

    return next(
        operator
        for operator in executor._topology
        if any(isinstance(source, InputDataBuffer) for source in operator.input_dependencies)
    )
