"""Run a parser where it can be killed: in a child process, with limits on time and memory for each object.

A file that crashes its parser, never ends or eats memory costs its own limit and nothing else: the child dies, the
process that Ray knows lives, so Ray has nothing to retry, and the next file gets a new child. The child is kept from
file to file; starting one takes a second or two.

The child is spawned and not forked, since the process around it has threads that hold locks (gRPC, Ray). On Linux it
dies with its parent.
"""

from __future__ import annotations

import ctypes
import multiprocessing
import os
import pickle
import resource
import signal
import sys
from collections.abc import Callable
from concurrent.futures import TimeoutError as Expired
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

from pebble import ProcessExpired, ProcessPool

from ingest.errors import JobError, ObjectError, one_line
from ingest.options import Limits

P = ParamSpec("P")
R = TypeVar("R")

_FILES_PER_CHILD = 1000
"""Files after which a child is replaced: what C libraries leak does not add up."""

_RESULT_BYTES = 500_000_000
"""What one object may hand back, pickled."""

_START_SECONDS = 120
_PR_SET_PDEATHSIG = 1
"""prctl(2): the signal that this process gets when its parent dies."""


class Sandbox:
    """One child process for the functions of one process.

    Make it in a thread that lives as long as it does: Linux ends the child with the thread that started it.

    Args:
        prepare: called with `prepare_args` in every new child, to import and to keep what all files need. Its memory
            does not count.
        limits: of each call of `run`; `pages` is the parser's own business.

    Raises:
        JobError: a child cannot even start; no object is to blame.
    """

    def __init__(self, prepare: Callable[P, None], limits: Limits, *prepare_args: P.args, **_: P.kwargs) -> None:
        self._limits = limits
        self._pool = ProcessPool(
            max_workers=1,
            max_tasks=_FILES_PER_CHILD,
            initializer=_confine,
            initargs=(limits.memory_bytes, os.getpid(), prepare, prepare_args),
            context=multiprocessing.get_context("spawn"),
        )
        try:
            self._pool.schedule(_ready, timeout=_START_SECONDS).result()
        except (Expired, ProcessExpired, RuntimeError, OSError) as error:
            self.close()
            raise _not_started(error) from None

    def run(self, function: Callable[P, R], *args: P.args, **_: P.kwargs) -> R:
        """Call a module-level function in the child.

        Raises:
            ObjectError: the function's own; or of stage `parse` and type `TimeLimit`, `MemoryLimit`, `Crashed` (the
                child died), `TooMuchText` (the result is too large to hand on) or `ParserError` (any other exception
                of the function).
            JobError: there is no child any more, and a new one cannot be started.
        """
        try:
            answer = self._pool.schedule(_call, args=(function, args), timeout=self._limits.seconds).result()
        except Expired:
            raise ObjectError(
                "parse",
                "TimeLimit",
                f"parsing took more than {self._limits.seconds:g} s and was ended; raise --max-object-seconds to take "
                "the file",
                limit=self._limits.seconds,
            ) from None
        except ProcessExpired as error:
            raise ObjectError(
                "parse", "Crashed", f"the file crashed its parser ({_death(error.exitcode)}); it may be damaged"
            ) from None
        except RuntimeError as error:
            raise _not_started(error) from None
        if answer is None:
            raise ObjectError(
                "parse",
                "MemoryLimit",
                f"parsing needs more than {self._limits.memory_bytes / 1e6:.0f} MB of memory; raise "
                "--max-object-memory-mb to take the file",
                limit=self._limits.memory_bytes,
            )
        result = pickle.loads(answer)
        if isinstance(result, ObjectError):
            raise result
        return result

    def close(self) -> None:
        """End the child."""
        self._pool.stop()
        self._pool.join()

    def __enter__(self) -> Sandbox:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _death(exitcode: int | None) -> str:
    if exitcode is not None and exitcode < 0:
        try:
            return signal.Signals(-exitcode).name
        except ValueError:
            return f"signal {-exitcode}"
    return f"exit code {exitcode}"


def _confine(memory_bytes: int, parent: int, prepare: Callable[..., None], prepare_args: tuple[Any, ...]) -> None:
    """Runs first in every child."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:  # it died before the line above
            os._exit(1)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    prepare(*prepare_args)
    if sys.platform == "linux":  # macOS does not keep RLIMIT_AS
        pages = int(Path("/proc/self/statm").read_text().split()[0])
        limit = pages * resource.getpagesize() + memory_bytes
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))


def _ready() -> None:
    """Answers once a child is prepared."""


def _call(function: Callable[..., Any], args: tuple[Any, ...]) -> bytes | None:
    """In the child: the pickled result, the pickled ObjectError, or None where memory ran out.

    Pickled here, and not by the pool, so that what cannot be sent and what is too large to send is known for that.
    """
    try:
        answer = pickle.dumps(_result(function, args), pickle.HIGHEST_PROTOCOL)
    except MemoryError:
        return None
    except Exception as error:
        answer = pickle.dumps(
            ObjectError("parse", "ParserError", f"the parser's result cannot be sent ({type(error).__name__})")
        )
    if len(answer) > _RESULT_BYTES:
        answer = pickle.dumps(
            ObjectError(
                "parse",
                "TooMuchText",
                f"the file holds {len(answer) / 1e6:.0f} MB of text, over the limit of {_RESULT_BYTES / 1e6:.0f} MB",
            )
        )
    return answer


def _result(function: Callable[..., Any], args: tuple[Any, ...]) -> Any:
    try:
        return function(*args)
    except ObjectError as error:
        return error
    except MemoryError:
        raise
    except BaseException as error:  # SystemExit too: the file is to blame, and the child is to live
        try:
            text = one_line(error)
        except Exception:  # its text is the parser's code as well
            text = "no text"
        return ObjectError("parse", "ParserError", f"the parser failed on this file ({type(error).__name__}: {text})")


def _not_started(error: Exception) -> JobError:
    return JobError(
        f"no process can be started to parse files in ({one_line(error)}); check this node's memory and limits"
    )
