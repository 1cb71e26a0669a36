"""How every job script begins and ends: its last words, its report and its exit code."""

from __future__ import annotations

import os
import signal
import sys
import traceback
from collections.abc import Callable
from pathlib import Path

from ingest.common.errors import ConfigurationError, ExitCode, JobError, TooManyFailedError
from ingest.common.redaction import redact
from ingest.common.text import one_line
from ingest.run.report import PREFIX, Report


def say(line: str) -> None:
    """A line for a person, at once: a job's output is followed while it runs."""
    print(redact(line), flush=True)


class Terminated(KeyboardInterrupt):
    """SIGTERM arrived: to a run it is what Ctrl-C is."""


def finish(work: Callable[[], Report], report_path: str) -> int:
    """Do the work, then print its summary and the REPORT line, or one sentence behind `ERROR: `.

    Args:
        work: the run.
        report_path: the report is written there too; empty: nowhere.

    Returns:
        The exit code: an ExitCode, or 128 and the number of the signal that ended the work, as shells have it.
    """
    # The C++ cores of gRPC and Ray print what their Python sides raise anyway, and more; both read these when imported.
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")
    os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")
    # pymilvus loads gRPC, whose fork handlers abort 1 in 45 forked children, and so 1 in 12 starts of a local Ray.
    os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "0")
    # Below `uv run` Ray would replace the working_dir that the workers get by the current folder, or refuse to start.
    os.environ.setdefault("RAY_ENABLE_UV_RUN_RUNTIME_ENV", "0")
    # Its stack frames at a SIGTERM are no news for an operator, and after them it aborts.
    os.environ.setdefault("RAY_DISABLE_FAILURE_SIGNAL_HANDLER", "1")
    code: int = ExitCode.OK
    report: Report | None = None
    before = signal.signal(signal.SIGTERM, _terminate)
    try:
        if report_path and not Path(report_path).absolute().parent.is_dir():
            raise ConfigurationError(f"--report {report_path!r}: its folder does not exist")
        if report_path and Path(report_path).is_dir():
            raise ConfigurationError(f"--report {report_path!r} is a folder; name a file")
        report = work()
    except TooManyFailedError as error:
        message, report = error.args
        code = error.exit_code
        _error(message)
    except JobError as error:
        code = error.exit_code
        _error(str(error))
    except KeyboardInterrupt as error:
        signum = signal.SIGTERM if isinstance(error, Terminated) else signal.SIGINT
        code = 128 + signum
        _error(f"the run was interrupted ({signum.name}); what was written stays, and the next run goes on from there")
    except Exception as error:
        # Nobody foresaw this one: whoever mends it needs the traceback, whoever is on call the sentence after it.
        print(redact(traceback.format_exc()), file=sys.stderr)
        code = ExitCode.OTHER
        _error(f"the run failed unexpectedly ({type(error).__name__}): {one_line(error)}")
    finally:
        signal.signal(signal.SIGTERM, before)
    if report is not None:
        say(report.summary())
        if report_path:
            try:
                Path(report_path).write_text(report.line().removeprefix(PREFIX) + "\n", encoding="utf-8")
            except OSError as error:
                code = code or ExitCode.CONFIGURATION
                _error(f"--report {report_path!r} cannot be written: {error.strerror}; the report is in the next line")
        say(report.line())
    return code


def _terminate(signum: int, frame: object) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # the end is under way
    raise Terminated


def _error(sentence: str) -> None:
    sys.stdout.flush()
    print(f"ERROR: {redact(sentence)}", file=sys.stderr, flush=True)
