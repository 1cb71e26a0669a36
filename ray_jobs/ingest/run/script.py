"""The frame of every job script: signals, errors as sentences, the report and the exit code."""

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
from ingest.run.report import REPORT_PREFIX, Report


def say(line: str) -> None:
    """Print a line for people at once, since they follow the output of a running job."""
    print(redact(line), flush=True)


class Terminated(KeyboardInterrupt):
    """SIGTERM arrived. A run treats it like Ctrl-C."""


def run_job_script(work: Callable[[], Report], report_path: str) -> int:
    """Do the work, then print its summary and the REPORT line, or one sentence after `ERROR: `.

    Args:
        work: does the run and returns its report.
        report_path: file that also receives the report; empty for none.

    Returns:
        The exit code: an ExitCode, or like in a shell, 128 plus the number of the signal that ended the work.
    """
    # The C++ cores of gRPC and Ray also print errors that Python raises. Both read these variables on import.
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")
    os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")
    # pymilvus loads gRPC, whose fork handlers abort 1 in 45 forked children, and so 1 in 12 starts of a local Ray.
    os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "0")
    # Under `uv run`, Ray would replace the workers' working_dir by the current folder, or refuse to start.
    os.environ.setdefault("RAY_ENABLE_UV_RUN_RUNTIME_ENV", "0")
    # At a SIGTERM, Ray would print stack frames of no use to an operator, and then abort.
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
        _error(f"the run was interrupted ({signum.name}); its writes are kept, and the next run resumes from there")
    except Exception as error:
        # An unexpected error: a developer needs the traceback, an operator the sentence after it.
        print(redact(traceback.format_exc()), file=sys.stderr)
        code = ExitCode.OTHER
        _error(f"the run failed unexpectedly ({type(error).__name__}): {one_line(error)}")
    finally:
        signal.signal(signal.SIGTERM, before)
    if report is not None:
        say(report.summary())
        if report_path:
            try:
                Path(report_path).write_text(report.line().removeprefix(REPORT_PREFIX) + "\n", encoding="utf-8")
            except OSError as error:
                code = code or ExitCode.CONFIGURATION
                _error(f"--report {report_path!r} cannot be written: {error.strerror}; the report is in the next line")
        say(report.line())
    return code


def _terminate(signum: int, frame: object) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # the run is already ending
    raise Terminated


def _error(sentence: str) -> None:
    sys.stdout.flush()
    print(f"ERROR: {redact(sentence)}", file=sys.stderr, flush=True)
