"""Run a parser where it can be killed: in a child process, with limits on time and memory for each object.

A file that crashes its parser, never ends or exhausts the memory costs its own limit and nothing else: the child dies,
the process that Ray knows survives, so that Ray has nothing to retry, and the next file gets a new child. The child is
kept from file to file, because starting one takes a second or two.

The child is a new Python and no fork, since the process around it has threads that hold locks (gRPC, Ray); nor does
multiprocessing spawn it, whose children import the main module of their parent, and Ray with it. On Linux it dies with
its parent. The two share a pipe and nothing else: the pools of concurrent.futures and pebble share locks with their
children, and wait for ever when the system kills a child that holds one.

`sandbox_child` is the code that runs in the child.
"""

from __future__ import annotations

import os
import pickle
import signal
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from multiprocessing import Pipe
from multiprocessing.connection import wait
from typing import Any, ParamSpec, TypeVar

from ingest.common.errors import JobError, ObjectError
from ingest.common.failures import Failure
from ingest.common.limits import Limits
from ingest.common.sandbox_child import PROGRESS, QUESTION
from ingest.common.text import one_line

P = ParamSpec("P")
R = TypeVar("R")

_FILES_PER_CHILD = 1000
"""Files after which a child is replaced, so that the leaks of C libraries do not add up."""

_CODE = "import sys; sys.path[:] = {path!r}; from ingest.common.sandbox_child import serve; serve({pipe})"
"""The child's program."""

_START_SECONDS = 120
_STARTS = 3
"""Children that may die before they are ready: the system may have been short of memory for a moment."""


class Sandbox:
    """One child process for the functions of one process. Not thread-safe.

    Args:
        prepare: called with `prepare_args` in every new child, to import and to keep whatever all files need. Its
            memory does not count.
        limits: of each call of `run`. `seconds` counts from the last `report_progress`; the parser itself enforces
            `pages`, `pixels` and `media_seconds`.

    Attributes:
        answer: answers the questions that a function asks by `ask_parent`. What it raises, `run` raises.

    Raises:
        JobError: no child can start, which is no object's fault.
    """

    answer: Callable[..., Any] | None = None

    def __init__(self, prepare: Callable[P, None], limits: Limits, *prepare_args: P.args, **_: P.kwargs) -> None:
        self._limits = limits
        self._preparation = (limits.memory_bytes, os.getpid(), prepare, prepare_args)
        # Linux ends a child together with the thread that started it, so that thread has to stay.
        self._starter = ThreadPoolExecutor(1, "sandbox")
        self._child: _Child | None = None
        try:
            self._living_child()
        except JobError:
            self.close()
            raise

    def run(self, function: Callable[P, R], *args: P.args, **_: P.kwargs) -> R:
        """Call a module-level function in the child.

        Raises:
            ObjectError: the function raised it; or TIME_LIMIT, MEMORY_LIMIT, CRASHED (the child died), TOO_MUCH_TEXT
                (the result is too large to send) or PARSER_ERROR (the function raised any other exception).
            JobError: the child is gone, and a new one cannot start.
        """
        try:
            answer = self._answer(function, args)
        except _DiedError as error:
            raise error.as_failure() from None
        if answer is None:
            # What has run out of memory may be broken: OpenVINO then gave the lines of an earlier page, or none.
            self._end()
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
        """As `_called`; if something else than the file may be to blame, a second child shows whether it is."""
        try:
            answer = self._called(function, args)
        except _KilledError:
            # The system was short of memory, or somebody killed it.
            return self._called(function, args)
        if answer is None and self._child is not None and self._child.files > 1:
            # Earlier files have left less than the limit: models of OCR, and what allocators keep.
            self._end()
            return self._called(function, args)
        return answer

    def _called(self, function: Callable[..., Any], args: tuple[Any, ...]) -> bytes | None:
        """The child's answer: see `sandbox_child.call`.

        Raises:
            _DiedError: the child died.
            ObjectError: the function exceeded its time limit.
        """
        child = self._living_child()
        try:
            answered, answer = child.ask(function, args, self._limits.seconds, self.answer)
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

    def _living_child(self) -> _Child:
        """The child, or a new one if it has died or is worn out."""
        if self._child is not None and self._child.files < _FILES_PER_CHILD and self._child.process.poll() is None:
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
        raise JobError(f"no process can be started for the parser ({reason}); check this node's memory and limits")

    def _end(self) -> None:
        if self._child is not None:
            self._child.end()
            self._child = None


class _DiedError(Exception):
    """The child died."""

    def as_failure(self) -> ObjectError:
        return ObjectError(Failure.CRASHED, f"the file crashed its parser ({self})")


class _KilledError(_DiedError):
    """SIGKILL ended the child."""


class _Child:
    """The process, and the parent's end of its pipe."""

    def __init__(self, preparation: tuple[Any, ...]) -> None:
        self._pipe, other = Pipe()
        self._preparation = preparation
        self.files = 0
        pipe = other.fileno()
        try:
            self.process = subprocess.Popen(
                [sys.executable, "-c", _CODE.format(path=sys.path, pipe=pipe)],
                pass_fds=[pipe],
                stdin=subprocess.DEVNULL,
            )
        except BaseException:
            self._pipe.close()
            raise
        finally:
            other.close()

    def ready(self) -> bool:
        """Wait until the child is prepared; False if that takes too long. Raises _DiedError."""
        self._send(self._preparation)
        return self._receive(_START_SECONDS)[0]

    def ask(
        self, function: Callable[..., Any], args: tuple[Any, ...], seconds: float, answer: Callable[..., Any] | None
    ) -> tuple[bool, Any]:
        """Whether the child answers within `seconds` of its last progress, and its answer. Raises _DiedError."""
        self.files += 1
        self._send((function, args, answer is not None))
        return self._receive(seconds, answer)

    def _send(self, data: Any) -> None:
        pickled = pickle.dumps(data, pickle.HIGHEST_PROTOCOL)
        try:
            self._pipe.send_bytes(pickled)
        except OSError:
            raise self._died() from None

    def _receive(self, seconds: float, answer_question: Callable[..., Any] | None = None) -> tuple[bool, Any]:
        while True:
            if not wait([self._pipe], seconds):
                return False, None
            try:
                answer = self._pipe.recv()
            except (EOFError, OSError):  # the child held the only other end
                raise self._died() from None
            if isinstance(answer, tuple) and answer[0] == QUESTION:
                assert answer_question is not None
                self._send(answer_question(*answer[1]))
            elif answer != PROGRESS:
                return True, answer

    def _died(self) -> _DiedError:
        with suppress(subprocess.TimeoutExpired):
            self.process.wait(_START_SECONDS)
        code = self.process.returncode
        return (_KilledError if code == -signal.SIGKILL else _DiedError)(_cause_of_death(code))

    def end(self) -> None:
        self.process.kill()
        self.process.wait()
        self._pipe.close()


def _cause_of_death(exitcode: int | None) -> str:
    if exitcode is not None and exitcode < 0:
        try:
            return signal.Signals(-exitcode).name
        except ValueError:
            return f"signal {-exitcode}"
    return f"exit code {exitcode}"
