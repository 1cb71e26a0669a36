"""Connect to Ray, and get the errors of jobs back out of it."""

from __future__ import annotations

import logging
import os
import signal
import socket
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from ingest.common.errors import JobError, UnreachableError
from ingest.common.text import one_line
from ingest.common.waiting import announce_wait

if TYPE_CHECKING:
    from ray.data import DataContext


def connect_ray(say: Callable[[str], None], block_bytes: int) -> None:
    """Connect to the cluster that RAY_ADDRESS names (a Ray job has it), or start one of this run's own.

    Args:
        block_bytes: target size of Ray Data's blocks.
    """
    import ray
    from ray.data import DataContext

    if not ray.is_initialized():
        # Within a Ray job the workers have the job's working_dir; by hand they get this folder.
        in_job = "RAY_JOB_CONFIG_JSON_ENV_VAR" in os.environ
        folder = str(Path(__file__).resolve().parents[2])
        address = os.environ.get("RAY_ADDRESS", "")
        at_sigterm = signal.getsignal(signal.SIGTERM)
        try:
            with announce_wait("connecting to Ray" if address else "starting Ray on this machine", say):
                _probe(address)
                # Without an address, Ray would join whatever `ray_current_cluster` in its temporary folder names: the
                # cluster of someone else, or one that was killed, for which it waits for ever.
                ray.init(
                    address=None if address else "local",
                    runtime_env=None if in_job else {"working_dir": folder},
                    logging_level=logging.ERROR,
                    log_to_driver=False,
                    include_dashboard=None if address else False,
                )
        # Ray ends the whole process where a head does not answer, and raises a bare Exception where its own is slow.
        except (Exception, SystemExit) as error:
            raise UnreachableError(
                f"the Ray cluster at {address or 'this machine'} cannot be reached ({one_line(error, 160)}); "
                "check RAY_ADDRESS and that it runs"
            ) from None
        signal.signal(signal.SIGTERM, at_sigterm)  # Ray has set its own
    _configure(DataContext.get_current(), block_bytes)


def _probe(address: str) -> None:
    """Raises OSError where nothing listens at `address`, `host:port`: ray.init takes two minutes to find that out."""
    host, _, port = address.rpartition(":")
    if port.isdigit() and "/" not in host:
        socket.create_connection((host.strip("[]"), int(port)), timeout=10).close()


def _configure(context: DataContext, block_bytes: int) -> None:
    from ray.util.annotations import RayDeprecationWarning

    warnings.simplefilter("ignore", RayDeprecationWarning)  # of an argument that Ray Data has no other for
    context.target_max_block_size = block_bytes
    context.enable_progress_bars = False
    # Its errors reach us as exceptions; its plans and its warnings about block sizes are no news for an operator.
    logging.getLogger("ray.data").setLevel(logging.CRITICAL)


def job_error(error: BaseException) -> BaseException:
    """The JobError that a stage raised, out of the exceptions that Ray wraps around it; else the error itself."""
    seen: list[BaseException] = []
    pending: list[BaseException | None] = [error]
    while pending:
        current = pending.pop()
        if current is None or any(current is other for other in seen):
            continue
        seen.append(current)
        # Ray raises its own error with the stage's class mixed in; the original, with its plain text, is its `cause`.
        cause = getattr(current, "cause", None)
        if isinstance(cause, JobError):
            return _as_raised(cause)
        if isinstance(current, JobError) and cause is None:
            return _as_raised(current)
        pending += [cause if isinstance(cause, BaseException) else None, current.__cause__, current.__context__]
    if CREATION in str(error):
        # Its last line is the error of the model's library; the traceback before it is in the logs of Ray.
        reason = one_line([line for line in str(error).splitlines() if line.strip()][-1])
        return JobError(f"a stage could not load its model ({reason}); check the model's name or folder, and the node")
    return error


CREATION = "raised in its creation task"
"""Words of Ray for an actor whose constructor failed (`ActorDiedError`)."""


def _as_raised(error: JobError) -> JobError:
    """The error with its own sentence alone: Ray Data appends lines of advice on its retries to what a stage raises."""
    if error.args and isinstance(error.args[0], str):
        error.args = (error.args[0].partition("\n")[0], *error.args[1:])
    return error
