"""Run a parser where it can be killed: in a child process, with limits on time and memory for each object.

A file that crashes its parser, never ends or eats memory costs its own limit and nothing else: the child dies, the
process that Ray knows lives, so Ray has nothing to retry, and the next file gets a new child. The child is kept from
file to file; starting one takes a second or two.

The child is spawned and not forked, since the process around it has threads that hold locks (gRPC, Ray). On Linux it
dies with its parent. A pipe joins the two and nothing else does: the pools of concurrent.futures and pebble share locks
with their children, and wait for ever when the system kills one that holds them.
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
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

from ingest.common.errors import JobError, ObjectError
from ingest.common.failures import Failure
from ingest.common.limits import Limits
from ingest.common.text import one_line

P = ParamSpec("P")
R = TypeVar("R")

_FILES_PER_CHILD = 1000
"""Files after which a child is replaced: what C libraries leak does not add up."""

_RESULT_BYTES = 500_000_000
"""What one object may hand back, pickled."""

_START_SECONDS = 120
_STARTS = 3
"""Children that may die before they are ready: the system may have been short of memory for a moment."""

_PROGRESS = "progress"
"""What the child says instead of an answer while a function of long work goes on."""

_PR_SET_PDEATHSIG = 1
"""prctl(2): the signal that this process gets when its parent dies."""


class Sandbox:
    """One child process for the functions of one process. Not thread-safe.

    Args:
        prepare: called with `prepare_args` in every new child, to import and to keep what all files need. Its memory
            does not count.
        limits: of each call of `run`; `seconds` counts from its last sign of `progress`, and `pages` is the parser's
            own business.

    Raises:
        JobError: a child cannot even start; no object is to blame.
    """

    def __init__(self, prepare: Callable[P, None], limits: Limits, *prepare_args: P.args, **_: P.kwargs) -> None:
        self._limits = limits
        self._preparation = (limits.memory_bytes, os.getpid(), prepare, prepare_args)
        # Linux ends a child with the thread that started it, so one is kept for that.
        self._starter = ThreadPoolExecutor(1, "sandbox")
        self._child: _Child | None = None
        try:
            self._living()
        except JobError:
            self.close()
            raise

    def run(self, function: Callable[P, R], *args: P.args, **_: P.kwargs) -> R:
        """Call a module-level function in the child.

        Raises:
            ObjectError: the function's own; or TIME_LIMIT, MEMORY_LIMIT, CRASHED (the child died), TOO_MUCH_TEXT (the
                result is too large to hand on) or PARSER_ERROR (any other exception of the function).
            JobError: there is no child any more, and a new one cannot be started.
        """
        try:
            answer = self._answer(function, args)
        except _KilledError:
            # By the system, which was short of memory, or by somebody; a file that is to blame shows it again.
            try:
                answer = self._answer(function, args)
            except _DiedError as error:
                raise error.as_failure() from None
        except _DiedError as error:
            raise error.as_failure() from None
        if answer is None:
            raise ObjectError(
                Failure.MEMORY_LIMIT,
                f"parsing needs more than {self._limits.memory_bytes / 1e6:.0f} MB of memory",
                limit=self._limits.memory_bytes,
            )
        result = pickle.loads(answer)
        if isinstance(result, ObjectError):
            raise result
        return result

    def close(self) -> None:
        """End the child."""
        self._end()
        self._starter.shutdown()

    def __enter__(self) -> Sandbox:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _answer(self, function: Callable[..., Any], args: tuple[Any, ...]) -> bytes | None:
        """What `_call` gives in the child; raises _DiedError, or ObjectError at the time limit."""
        child = self._living()
        try:
            answered, answer = child.ask((function, args), self._limits.seconds)
        except BaseException:
            self._end()
            raise
        if not answered:
            self._end()
            raise ObjectError(
                Failure.TIME_LIMIT,
                f"parsing was ended after {self._limits.seconds:g} s without progress",
                limit=self._limits.seconds,
            )
        return answer

    def _living(self) -> _Child:
        """The child, or a new one where it has died or is worn out."""
        if self._child is not None and self._child.files < _FILES_PER_CHILD and self._child.process.is_alive():
            return self._child
        reason = ""
        for _ in range(_STARTS):
            self._end()
            try:
                self._child = self._starter.submit(_Child, self._preparation).result()
                if self._child.ready():
                    return self._child
                reason = f"it was not ready within {_START_SECONDS} s"
            except (OSError, _DiedError) as error:
                reason = one_line(error)
        self._end()
        raise JobError(f"no process can be started to parse files in ({reason}); check this node's memory and limits")

    def _end(self) -> None:
        if self._child is not None:
            self._child.end()
            self._child = None


class _DiedError(Exception):
    """The child died."""

    def as_failure(self) -> ObjectError:
        return ObjectError(Failure.CRASHED, f"the file crashed its parser ({self})")


class _KilledError(_DiedError):
    """By SIGKILL."""


class _Child:
    """The process and this end of its pipe."""

    def __init__(self, preparation: tuple[Any, ...]) -> None:
        context = multiprocessing.get_context("spawn")
        self._pipe, other = context.Pipe()
        self._preparation = preparation
        self.files = 0
        # Not with the preparation, which may be large: while a process starts, Python writes its arguments into a pipe
        # whose other end it holds open itself, and waits for ever where the process dies before it has read them.
        self.process: SpawnProcess = context.Process(target=_serve, args=(other,), daemon=True)
        try:
            self.process.start()
        finally:
            other.close()

    def ready(self) -> bool:
        """Wait until it is prepared; False when that takes too long. Raises _DiedError."""
        self._send(self._preparation)
        return self._receive(_START_SECONDS)[0]

    def ask(self, work: tuple[Any, ...], seconds: float) -> tuple[bool, Any]:
        """Whether there is an answer within `seconds` of the last sign of progress, and it. Raises _DiedError."""
        self.files += 1
        self._send(work)
        return self._receive(seconds)

    def _send(self, data: Any) -> None:
        pickled = pickle.dumps(data, pickle.HIGHEST_PROTOCOL)
        try:
            self._pipe.send_bytes(pickled)
        except OSError:
            raise self._died() from None

    def _receive(self, seconds: float) -> tuple[bool, Any]:
        while True:
            ready = wait([self._pipe, self.process.sentinel], seconds)
            if not ready:
                return False, None
            if self._pipe not in ready:  # a child that answered and then died has answered
                raise self._died()
            try:
                answer = self._pipe.recv()
            except (EOFError, OSError):
                raise self._died() from None
            if answer != _PROGRESS:
                return True, answer

    def _died(self) -> _DiedError:
        self.process.join(_START_SECONDS)
        code = self.process.exitcode
        return (_KilledError if code == -signal.SIGKILL else _DiedError)(_death(code))

    def end(self) -> None:
        self.process.kill()
        self.process.join()
        self.process.close()
        self._pipe.close()


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


_to_parent: Connection | None = None


def progress() -> None:
    """Called in the child by a function that has got further: its time limit starts anew.

    For work whose length is bounded in another way, by a number of pages for example; anything else could go on for
    ever. Outside a child it does nothing.
    """
    if _to_parent is not None:
        _to_parent.send(_PROGRESS)


def _serve(pipe: Connection) -> None:
    """The child: one answer when it is prepared, and one for each piece of work, until the pipe is closed."""
    global _to_parent
    _to_parent = pipe
    with suppress(EOFError, OSError):
        _confine(*pickle.loads(pipe.recv_bytes()))
        pipe.send(None)
        while True:
            pipe.send(_work(pipe.recv_bytes()))


def _work(data: bytes) -> bytes | None:
    try:
        function, args = pickle.loads(data)
    except MemoryError:
        return None
    return _call(function, args)


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
            ObjectError(Failure.PARSER_ERROR, f"the parser's result cannot be sent ({type(error).__name__})")
        )
    if len(answer) > _RESULT_BYTES:
        answer = pickle.dumps(
            ObjectError(
                Failure.TOO_MUCH_TEXT,
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
        return ObjectError(Failure.PARSER_ERROR, f"the parser failed on this file ({type(error).__name__}: {text})")
