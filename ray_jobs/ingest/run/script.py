"""The frame of every job script: signals, errors as sentences, the report and the exit code."""

from __future__ import annotations

import atexit
import io
import os
import signal
import sys
import traceback
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import NoReturn, Protocol, TextIO

from ingest.common.errors import ConfigurationError, ExitCode, JobError, TooManyFailedError
from ingest.common.redaction import redact
from ingest.common.text import one_line
from ingest.run.report import REPORT_PREFIX


class Terminated(KeyboardInterrupt):
    """SIGTERM arrived. A run treats it like Ctrl-C."""

    signum = signal.SIGTERM


class OutputClosed(KeyboardInterrupt):
    """Nobody reads the output any longer, such as `head` in a pipe."""

    signum = signal.SIGPIPE


INTERRUPTED = "the run was interrupted ({signal}); its writes are kept, and the next run resumes from there"

_output_closed = False


def say(line: str) -> None:
    """Print a line for people at once, since they follow the output of a running job."""
    _print(line, sys.stdout)


def say_to_stderr(line: str) -> None:
    """Print a line that is not part of the output."""
    _print(line, sys.stderr)


def _print(line: str, stream: TextIO) -> None:
    """Print a line. Where nobody reads the stream any longer, the main thread ends with OutputClosed.

    (With the default action of SIGPIPE, which a shell's own programs have, a connection that breaks would end the
    process too.)
    """
    global _output_closed
    try:
        print(redact(line), file=stream, flush=True)
    except BrokenPipeError:
        _discard(stream)
        if not _output_closed:
            _output_closed = True
            os.kill(os.getpid(), signal.SIGTERM)  # also from another thread
    except OSError as error:
        _discard(stream)
        raise JobError(f"the output cannot be written ({error.strerror})") from None


def _discard(stream: TextIO) -> None:
    """Send what is still to be printed nowhere: Python would complain about it at its end."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def escape_unprintable() -> None:
    """Escape characters that the terminal's encoding does not have, which print would raise an error for."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


class Reported(Protocol):
    """What a script reports at its end."""

    def summary(self) -> str:
        """Lines for people."""

    def line(self) -> str:
        """The line for programs, which begins with REPORT_PREFIX."""


def run_job_script(work: Callable[[], Reported], report_path: str) -> int:
    """Do the work, then print its summary and the REPORT line, or one sentence after `ERROR: `.

    Args:
        work: does the run and returns its report.
        report_path: file that also receives the report; empty for none.

    Returns:
        The exit code, as for `guarded`.
    """

    def work_and_report() -> int:
        code = ExitCode.OK
        check_report_path(report_path)
        try:
            report = work()
        except TooManyFailedError as error:
            message, report = error.args
            code = error.exit_code
            _error(message)
        say(report.summary())
        if report_path:
            try:
                Path(report_path).write_text(report.line().removeprefix(REPORT_PREFIX) + "\n", encoding="utf-8")
            except OSError as error:
                code = code or ExitCode.CONFIGURATION
                _error(f"--report {report_path!r} cannot be written: {error.strerror}; the report is in the next line")
        say(report.line())
        return code

    return guarded(work_and_report)


def check_report_path(path: str) -> None:
    """Raises ConfigurationError if the report cannot be written to this file."""
    if path and not Path(path).absolute().parent.is_dir():
        raise ConfigurationError(f"--report {path!r}: its folder does not exist")
    if path and Path(path).is_dir():
        raise ConfigurationError(f"--report {path!r} is a folder; name a file")


def guarded(work: Callable[[], int], interrupted: str = INTERRUPTED) -> int:
    """Do the work of a script; whatever it raises becomes one sentence after `ERROR: `.

    Args:
        interrupted: the sentence after a signal; `{signal}` is its name.

    Returns:
        The exit code: that of `work`, an ExitCode, or like in a shell, 128 plus the number of the signal that ended it.
    """
    escape_unprintable()
    # The C++ cores of gRPC and Ray also print errors that Python raises. Both read these variables on import.
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")
    os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")
    # pymilvus loads gRPC, whose fork handlers abort 1 in 45 forked children, and so 1 in 12 starts of a local Ray.
    os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "0")
    # Under `uv run`, Ray would replace the workers' working_dir by the current folder, or refuse to start.
    os.environ.setdefault("RAY_ENABLE_UV_RUN_RUNTIME_ENV", "0")
    # At a SIGTERM, Ray would print stack frames of no use to an operator, and then abort.
    os.environ.setdefault("RAY_DISABLE_FAILURE_SIGNAL_HANDLER", "1")
    before = {signal.SIGTERM: signal.signal(signal.SIGTERM, _terminate)}
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        before[signal.SIGINT] = signal.signal(signal.SIGINT, _interrupt)
    try:
        code = work()
        return 128 + signal.SIGPIPE if _output_closed else code
    except JobError as error:
        _error(str(error))
        return error.exit_code
    except OutputClosed:
        return 128 + signal.SIGPIPE
    except KeyboardInterrupt as error:
        before = {}  # until the process has ended
        ended_by = signal.Signals(getattr(error, "signum", signal.SIGINT))
        _error(interrupted.format(signal=ended_by.name))
        return 128 + ended_by
    except Exception as error:
        # An unexpected error: a developer needs the traceback, an operator the sentence after it.
        say_to_stderr(traceback.format_exc())
        _error(f"the run failed unexpectedly ({type(error).__name__}): {one_line(error)}")
        return ExitCode.OTHER
    finally:
        for signum, handler in before.items():
            signal.signal(signum, handler)


def end(code: int) -> NoReturn:
    """End the process with this exit code.

    Python itself would then take all libraries apart, which lasts a second with those of Ray.
    """
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError):
            stream.flush()
    os._exit(code)


def end_at_once(error: JobError) -> NoReturn:
    """End the process because of this error, from any thread: the main thread may wait for what never comes."""
    _error(str(error))
    os._exit(error.exit_code)


def _terminate(signum: int, frame: object) -> None:
    _end_in_peace()
    raise OutputClosed if _output_closed else Terminated


def _interrupt(signum: int, frame: object) -> None:
    _end_in_peace()
    raise KeyboardInterrupt


def _end_in_peace() -> None:
    """Ignore further signals: the run is ending, and so is its Ray, which takes seconds and would crash."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _error(sentence: str) -> None:
    if not _output_closed:
        say_to_stderr(f"ERROR: {sentence}")
