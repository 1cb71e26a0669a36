"""Runs a script on the cluster that RAY_ADDRESS names by a URL, with its output and its exit code as if it ran here.

- `http://` or `https://`: as a job through the Jobs API, which outlives this machine's connection;
- `ray://`: as a process of an actor through Ray Client, the only port that may be open. Ray Data does not work through
  it, so the driver runs on the cluster here too. It ends with the connection.

The Jobs API is spoken by `ray_jobs_api`, which is installed with this distribution and is no part of a job.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import signal
import uuid
from argparse import Namespace
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from ingest.common.errors import ConfigurationError, ExitCode, JobError, UnreachableError
from ingest.common.text import one_line
from ingest.common.waiting import announce_wait
from ingest.run.flags import Flag
from ingest.run.local_paths import with_absolute_paths
from ingest.run.ray_address import check_head, token, wants_token
from ingest.run.report import REPORT_PREFIX
from ingest.run.script import say_to_stderr
from ingest.run.script_process import ScriptProcess

if TYPE_CHECKING:
    from ray_jobs_api.client import RayJobsClient
    from ray_jobs_api.failures import RayApiError
    from ray_jobs_api.job_outcome import JobOutcome

FOLDER = Path(__file__).resolve().parents[2]
"""The folder of the scripts, which is the working_dir on the cluster."""

_POLL_SECONDS = 2.0
T = TypeVar("T")


class Output:
    """Prints the lines of the script where it would have printed them, and keeps its report.

    Args:
        say: prints a line to stdout.
    """

    def __init__(self, say: Callable[[str], None]) -> None:
        self.report = ""
        self._say = say

    def line(self, line: str) -> None:
        """A line of a log in which stdout and stderr are one."""
        if line.startswith("ERROR: "):
            say_to_stderr(line)
            return
        if line.startswith(REPORT_PREFIX):
            self.report = line.removeprefix(REPORT_PREFIX)
        self._say(line)

    def text(self, name: str, text: str) -> None:
        """A line of one stream, with its line break."""
        if name == "stdout":
            self.line(text.removesuffix("\n"))
        else:
            say_to_stderr(text.removesuffix("\n"))


def run_elsewhere(
    address: str,
    script: str,
    argv: Sequence[str],
    arguments: Namespace,
    flags: Sequence[Flag],
    say: Callable[[str], None],
) -> int:
    """Run a script of FOLDER on the cluster at `address`, a URL.

    Args:
        argv: the command line, which `arguments` are parsed from by `flags`. Its local paths are made absolute, and
            the report is written to a file here.

    Returns:
        The script's exit code; 128 plus the number of the signal that interrupted this process.

    Raises:
        JobError: the script could not be started there, or not be followed to its end.
    """
    words, local = with_absolute_paths(argv, arguments, flags)
    words.append("--report=")
    output = Output(say)
    run = _through_client if address.startswith("ray://") else _through_jobs_api
    code = run(address, script, words, output)
    if code == ExitCode.CONFIGURATION and local:
        paths = " and ".join(path.removeprefix("local-dir:") for path in local)
        say_to_stderr(f"({paths}: on this machine; every node of the cluster needs it under this path)")
    if arguments.report and output.report:
        try:
            Path(arguments.report).write_text(f"{output.report}\n", encoding="utf-8")
        except OSError as error:
            raise ConfigurationError(f"--report {arguments.report!r} cannot be written: {error.strerror}") from None
    return code


def _through_client(address: str, script: str, words: list[str], output: Output) -> int:
    import ray
    from tenacity import Retrying, retry_if_exception_type, stop_after_attempt

    check_head(address)
    # The head starts a process for each client, and aborts if that does not serve within 30 s: another one may.
    attempts = Retrying(stop=stop_after_attempt(2), retry=retry_if_exception_type(ConnectionAbortedError), reraise=True)
    try:
        with announce_wait(f"connecting to {address}", output.line):
            attempts(
                ray.init,
                address,
                runtime_env={"working_dir": str(FOLDER)},
                logging_level=logging.ERROR,
                log_to_driver=False,
            )
            gcs = ray.get(ray.remote(num_cpus=0)(_gcs_address).remote())
    except (Exception, SystemExit) as error:
        kind = ConfigurationError if "version" in str(error).lower() else UnreachableError
        # The message may hold a traceback of the server, whose last line says what was wrong.
        reason = str(error).strip().rpartition("\n")[2] if "Traceback" in str(error) else error
        raise kind(f"no connection to Ray at {address} ({one_line(reason)}); check RAY_ADDRESS") from None
    interrupted = 0
    try:
        process = ray.remote(num_cpus=0)(ScriptProcess).remote(script, words, gcs)
        while True:
            try:
                found, code = ray.get(process.read.remote())
                for name, text in found:
                    output.text(name, text)
                if code is not None:
                    break
            except KeyboardInterrupt as error:
                if interrupted:
                    raise
                interrupted = getattr(error, "signum", signal.SIGINT)
                process.stop.remote()
    except Exception as error:
        raise UnreachableError(
            f"the connection to Ray at {address} was lost ({one_line(error)}); the run ended with it, its writes are "
            "kept, and the next run resumes from there"
        ) from None
    finally:
        ray.shutdown()
    return 128 + interrupted if interrupted else _shell_code(code)


def _gcs_address() -> str:
    import ray

    return str(ray.get_runtime_context().gcs_address)


def _through_jobs_api(address: str, script: str, words: list[str], output: Output) -> int:
    try:
        from ray_jobs_api.failures import FailureReason, RayApiError
        from ray_jobs_api.settings import ClusterSettings
    except ImportError:
        raise ConfigurationError(
            f"RAY_ADDRESS {address} needs the package ray_jobs_api: install the distribution of this repository here"
        ) from None

    settings = ClusterSettings(address, "RAY_ADDRESS", token=token(), headers=_headers())
    try:
        return asyncio.run(_follow_job(settings, script, words, output))
    except RayApiError as error:
        sentence = _sentence(error)
        if error.reason is FailureReason.AUTHENTICATION:
            raise ConfigurationError(wants_token(address, settings.token is not None)) from None
        if error.reason in (FailureReason.UNREACHABLE, FailureReason.CLUSTER_LOST):
            raise UnreachableError(f"{sentence}; check RAY_ADDRESS and that it runs") from None
        raise (JobError if error.reason.retryable else ConfigurationError)(sentence) from None
    except ValueError as error:  # about the package or the command line
        raise ConfigurationError(str(error).rstrip(".")) from None


def _headers() -> dict[str, str]:
    """The headers that Ray's own command line sends too, for a proxy."""
    try:
        headers = json.loads(os.environ.get("RAY_JOB_HEADERS") or "{}")
        return {str(name): str(value) for name, value in headers.items()}
    except (ValueError, AttributeError):
        raise ConfigurationError("RAY_JOB_HEADERS is not a JSON object of names and values") from None


async def _follow_job(settings: Any, script: str, words: list[str], output: Output) -> int:
    from ray_jobs_api.client import RayJobsClient
    from ray_jobs_api.job_request import command_line, job_request
    from ray_jobs_api.placement import place
    from ray_jobs_api.runtime_env import carry_command, resolve_code
    from ray_jobs_api.watch import JobLimits, JobWatch

    command = command_line(["python", script, *words])
    entrypoint, packages, runtime_env = carry_command(command, *resolve_code(str(FOLDER), {}))
    request = job_request(entrypoint=entrypoint, runtime_env=runtime_env, metadata={})
    name = f"by-hand-{Path(script).stem}-{uuid.uuid4().hex[:12]}"
    signals = _Signals()
    async with RayJobsClient(settings) as client:
        try:
            await signals.or_end(place(client, name, request, packages=packages))
            output.line(f"Ray job {name} at {settings.base_url}")
            watch = JobWatch(client, name, limits=JobLimits(), emit=output.line, interval=_POLL_SECONDS)
            outcome = await signals.or_end(watch.run(), lambda: _stop(client, name))
        except _InterruptedError:  # before there was a job, or for the second time
            await _stop(client, name)
            return 128 + signals.number
    return 128 + signals.number if signals.number else _exit_code(outcome)


class _InterruptedError(Exception):
    """A signal ended the wait."""


class _Signals:
    """SIGINT and SIGTERM within an event loop. `number` is the first one that came, or 0."""

    def __init__(self) -> None:
        self.number = 0
        self._arrived = asyncio.Event()
        for signum in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(signum, self._arrive, signum)

    def _arrive(self, signum: int) -> None:
        self.number = self.number or signum
        self._arrived.set()

    async def or_end(self, work: Any, at_first: Callable[[], Any] | None = None) -> Any:
        """The result of `work`; at a signal `at_first` is awaited, and at the next one the work ends.

        Raises:
            _InterruptedError: a signal ended the work.
        """
        task = asyncio.ensure_future(work)
        try:
            while not await self._first(task):
                self._arrived.clear()
                if at_first is None:
                    raise _InterruptedError
                await at_first()
                at_first = None
            return task.result()
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def _first(self, task: asyncio.Future[Any]) -> bool:
        """Whether the task ended before a signal arrived."""
        arrived = asyncio.ensure_future(self._arrived.wait())
        await asyncio.wait({task, arrived}, return_when=asyncio.FIRST_COMPLETED)
        arrived.cancel()
        return task.done()


async def _stop(client: RayJobsClient, name: str) -> None:
    from ray_jobs_api.failures import JobNotFoundError, RayApiError

    try:
        await client.stop(name)
    except JobNotFoundError:
        return
    except RayApiError as error:
        say_to_stderr(f"the Ray job {name} could not be stopped ({_sentence(error)})")


def _exit_code(outcome: JobOutcome) -> int:
    """The exit code of an ended job.

    Raises:
        JobError: Ray could not run it, or could not say how it ended.
    """
    from ray_jobs_api.ray_messages import cause_of_setup

    if outcome.api_error is not None:
        raise UnreachableError(f"the Ray job {outcome.submission_id} cannot be followed: {one_line(outcome.api_error)}")
    if outcome.status == "SUCCEEDED":
        return ExitCode.OK
    if outcome.status == "STOPPED":
        return 128 + signal.SIGTERM
    if outcome.exit_code:
        return _shell_code(outcome.exit_code)
    reason = cause_of_setup(outcome.message) or outcome.message
    raise JobError(f"Ray could not run the job {outcome.submission_id}: {one_line(reason, 500)}")


def _shell_code(code: int) -> int:
    """An exit code as a shell gives it: a process that a signal ended has 128 plus the signal's number."""
    return 128 - code if code < 0 else code


def _sentence(error: RayApiError) -> str:
    return one_line(error).replace(" (connection 'RAY_ADDRESS')", "").rstrip(".")
