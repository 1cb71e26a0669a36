"""The child process of a sandbox: it confines itself, calls the functions that it is sent, and reports progress."""

from __future__ import annotations

import ctypes
import os
import pickle
import resource
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection
from pathlib import Path
from threading import Lock
from typing import Any

from ingest.common.errors import ObjectError
from ingest.common.failures import Failure
from ingest.common.text import one_line

PROGRESS = "progress"
"""The child sends this instead of an answer while a long function makes progress."""

QUESTION = "question"
"""The child sends this, and the question, while a function waits for something that only its parent has."""

_RESULT_BYTES = 500_000_000
"""Largest result of one object, pickled."""

PARSER_NICENESS = 5
"""Niceness of the child: a third of the share of a model that wants the same core."""

_PR_SET_PDEATHSIG = 1
"""prctl(2): the signal that this process gets when its parent dies."""

_to_parent: Connection | None = None
_is_answered = False
_sending = Lock()


def report_progress() -> None:
    """Restart the time limit of the function that calls this in the child. Outside a child it does nothing.

    It is for work whose length something else bounds, for example a number of pages; other work could run for ever.
    """
    if _to_parent is not None:
        with _sending:  # the threads of a parser share the pipe
            _to_parent.send(PROGRESS)


def parent_answers() -> bool:
    """Whether the parent answers questions of the function that calls this in the child."""
    return _is_answered


def ask_parent(*question: Any) -> Any:
    """The answer of the parent, for the function that calls this in the child. Its time limit begins anew after it."""
    assert _to_parent is not None
    with _sending:
        _to_parent.send((QUESTION, question))
        return _to_parent.recv()


@contextmanager
def memory_unlimited() -> Iterator[None]:
    """Lift the child's limit for work that needs a bounded amount of memory, and that a lack of it would break.

    What the work leaves behind does not count afterwards, either. It does nothing where no limit is.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    if soft == resource.RLIM_INFINITY or sys.platform != "linux":  # as in `_confine`
        yield
        return
    before = _address_bytes()
    resource.setrlimit(resource.RLIMIT_AS, (hard, hard))
    try:
        yield
    finally:
        limit = soft + _address_bytes() - before
        resource.setrlimit(resource.RLIMIT_AS, (limit if hard == resource.RLIM_INFINITY else min(limit, hard), hard))


def _address_bytes() -> int:
    """The address space of this process, which RLIMIT_AS limits on Linux."""
    return int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()


def serve(descriptor: int) -> None:
    """The main function of the child: it answers once when it is prepared and once for each call, until the pipe with
    this file descriptor is closed."""
    global _to_parent
    os.set_inheritable(descriptor, False)  # a process that outlives the child must not keep the pipe open
    pipe = _to_parent = Connection(descriptor)
    with suppress(EOFError, OSError):
        _confine(*pickle.loads(pipe.recv_bytes()))
        pipe.send(None)
        while True:
            pipe.send(call(pipe.recv_bytes()))


def _confine(memory_bytes: int, parent: int, prepare: Callable[..., None], prepare_args: tuple[Any, ...]) -> None:
    """Tie the child to its parent, let it give way to others, prepare it, and limit its memory."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:  # the parent died before the line above
            os._exit(1)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    os.nice(PARSER_NICENESS)
    prepare(*prepare_args)
    if sys.platform == "linux":  # macOS ignores RLIMIT_AS
        limit = _address_bytes() + memory_bytes
        most = resource.getrlimit(resource.RLIMIT_AS)[1]
        resource.setrlimit(resource.RLIMIT_AS, (limit if most == resource.RLIM_INFINITY else min(limit, most), most))


def call(data: bytes) -> bytes | None:
    """Call a pickled function with its pickled arguments, after which is pickled whether the parent answers questions.

    Returns:
        The pickled result or the pickled ObjectError; None if the memory ran out. It is pickled here and not by the
        pipe, so that a result that cannot be sent, or is too large, gets an error that says so.
    """
    global _is_answered
    try:
        function, args, _is_answered = pickle.loads(data)
    except MemoryError:
        return None
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
    except BaseException as error:  # SystemExit too: the file is to blame, and the child must survive
        try:
            text = one_line(error)
        except Exception:  # the text of an error comes from the parser's code too
            text = "no text"
        return ObjectError(Failure.PARSER_ERROR, f"the parser failed on this file ({type(error).__name__}: {text})")
