"""Connect to Ray, and recover the errors of stages from its exceptions."""

from __future__ import annotations

import logging
import os
import signal
import tempfile
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from ingest.common.errors import ConfigurationError, JobError, UnreachableError
from ingest.common.text import one_line
from ingest.common.waiting import announce_wait
from ingest.run.ray_address import check_head, in_ray_job
from ingest.stages.lazy_model import unloadable

if TYPE_CHECKING:
    from ray.data import DataContext


@contextmanager
def connected_to_ray(say: Callable[[str], None], block_bytes: int) -> Iterator[None]:
    """Connect to Ray during the block, as `connect_ray` does."""
    import ray

    before = ray.is_initialized()
    connect_ray(say, block_bytes)
    try:
        yield
    finally:
        if not before:
            ray.shutdown()  # at the end of the process, Ray would first wait for half a second


def connect_ray(say: Callable[[str], None], block_bytes: int) -> None:
    """Connect to the cluster that RAY_ADDRESS names (a Ray job has it), or start one of this run's own.

    Args:
        block_bytes: target size of the blocks of Ray Data.
    """
    import ray
    from ray.data import DataContext

    if not ray.is_initialized():
        join_ray(say)
    _configure(DataContext.get_current(), block_bytes)


def join_ray(say: Callable[[str], None]) -> None:
    """Connect to the cluster that RAY_ADDRESS names, or start one of this run's own, without Ray Data."""
    import ray

    # In a Ray job, workers have the working_dir of the job; otherwise this run uploads the folder of the scripts.
    folder = str(Path(__file__).resolve().parents[2])
    address = os.environ.get("RAY_ADDRESS", "").strip()
    at_sigterm = signal.getsignal(signal.SIGTERM)
    try:
        with announce_wait("connecting to Ray" if address else "starting Ray on this machine", say):
            if address and not in_ray_job():
                check_head(address)
            # Without an address, Ray would join whatever `ray_current_cluster` in its temporary folder names: the
            # cluster of someone else, or one that was killed, for which it waits for ever.
            ray.init(
                address=None if address else "local",
                runtime_env=None if in_ray_job() else {"working_dir": folder},
                logging_level=logging.ERROR,
                log_to_driver=False,
                include_dashboard=None if address else False,
            )
    except JobError:
        raise
    # Ray exits the process if a head does not answer, and raises a bare Exception if its own head starts slowly.
    except (Exception, SystemExit) as error:
        if not address:
            raise _not_started(error) from None
        raise UnreachableError(
            f"the Ray cluster at {address} cannot be reached ({one_line(error, 160)}); check RAY_ADDRESS and that "
            "it runs"
        ) from None
    signal.signal(signal.SIGTERM, at_sigterm)  # Ray replaces the handler


def _not_started(error: BaseException) -> JobError:
    """The error for a Ray that does not start on this machine."""
    if "AF_UNIX path length" in str(error):
        return ConfigurationError(
            f"the path of the temporary folder, {tempfile.gettempdir()[:80]!r}…, is too long for the sockets of Ray, "
            "which take 107 bytes; set TMPDIR to a shorter one"
        )
    return UnreachableError(
        f"Ray does not start on this machine ({one_line(error, 160)}); check the memory, /dev/shm, and the space in "
        f"{tempfile.gettempdir()}, or set RAY_ADDRESS to a cluster"
    )


def _configure(context: DataContext, block_bytes: int) -> None:
    from ray.data._internal.execution.backpressure_policy import DownstreamCapacityBackpressurePolicy
    from ray.util.annotations import RayDeprecationWarning

    from ingest.stages.execution import Execution

    warnings.simplefilter("ignore", RayDeprecationWarning)  # about an argument without an alternative
    # Few objects, of which an operator can be sure that they need few tasks.
    warnings.filterwarnings("ignore", "The (maximum|minimum) number of concurrent (tasks|actors)", UserWarning)
    # What waits before a stage is twice what the stage has at hand, and not as much as the object store takes, which
    # may be hours of work: a run that gives way ends it first.
    DownstreamCapacityBackpressurePolicy.OBJECT_STORE_BUDGET_UTIL_THRESHOLD = 0.0
    # Ray Data lets a stage give more tables while the next one waits for room to begin with those that it has: hours
    # of sound filled the object store, and two of ten models worked. Above this share of it, the next one begins.
    context.object_store_memory_pressure_fraction = 0.8
    context.object_store_reservation_overshoot_ratio = 1.0
    context.target_max_block_size = block_bytes
    context.custom_execution_callback_classes = [Execution]
    # Otherwise a stage that returns its tables, as actors do, ends with an error of Ray Data, without the stage's own.
    context.raise_original_map_exception = True
    context.enable_progress_bars = False
    # Errors arrive as exceptions; plans and warnings about block sizes are of no use to an operator.
    logging.getLogger("ray.data").setLevel(logging.CRITICAL)


def original_job_error(error: BaseException) -> BaseException:
    """The JobError that a stage raised, unwrapped from Ray's exceptions; without one, `error` itself."""
    seen: list[BaseException] = []
    pending: list[BaseException | None] = [error]
    while pending:
        current = pending.pop()
        if current is None or any(current is other for other in seen):
            continue
        seen.append(current)
        # Ray raises a subclass of its own error and the stage's; `cause` holds the original error with its plain text.
        cause = getattr(current, "cause", None)
        if isinstance(cause, JobError):
            return _as_raised(cause)
        if isinstance(current, JobError) and cause is None:
            return _as_raised(current)
        pending += [cause if isinstance(cause, BaseException) else None, current.__cause__, current.__context__]
    if ACTOR_CREATION_FAILURE in str(error):
        # The last line is the error of the model's library. The traceback before it is also in Ray's logs.
        reason = one_line([line for line in str(error).splitlines() if line.strip()][-1])
        return unloadable(reason)
    return error


ACTOR_CREATION_FAILURE = "raised in its creation task"
"""Ray's words for an actor whose constructor failed (`ActorDiedError`)."""


def _as_raised(error: JobError) -> JobError:
    """The error with only its own sentence: Ray Data appends lines of advice on retries to a stage's errors."""
    if error.args and isinstance(error.args[0], str):
        error.args = (error.args[0].partition("\n")[0], *error.args[1:])
    return error
