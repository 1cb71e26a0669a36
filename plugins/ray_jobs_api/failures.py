"""Why a Ray job or a request to Ray failed, as one small enum that decides between a retry and an end.

Rule: a failure that the same work may survive on a second attempt is retried (lost nodes, lost clusters, a store that
was down, a crash nobody foresaw). A failure that will only repeat itself ends the task at once (bad arguments, a wrong
token, too many bad objects).
"""

from __future__ import annotations

import signal
from collections.abc import Mapping
from enum import StrEnum


class FailureReason(StrEnum):
    """The class of a failure. ``retry`` says whether Airflow should try again, ``advice`` what a person can do."""

    CONFIGURATION = "configuration"
    TOO_MANY_FAILED = "too_many_failed"
    DEPENDENCY = "dependency_unreachable"
    JOB_ERROR = "job_error"
    KILLED = "killed"
    STOPPED = "stopped"
    RUNTIME_ENV = "runtime_env"
    NOT_PLACED = "not_placed"
    INFRASTRUCTURE = "infrastructure"
    CLUSTER_LOST = "cluster_lost"
    UNREACHABLE = "ray_unreachable"
    AUTHENTICATION = "ray_authentication"
    REJECTED = "request_rejected"
    TIMEOUT = "timeout"

    @property
    def retry(self) -> bool:
        """True when a second attempt may succeed without anybody changing anything."""
        return self not in _FINAL

    @property
    def advice(self) -> str:
        """One sentence that tells the on-call engineer what to do."""
        return _ADVICE[self]


_FINAL = frozenset(
    {
        FailureReason.CONFIGURATION,
        FailureReason.TOO_MANY_FAILED,
        FailureReason.AUTHENTICATION,
        FailureReason.REJECTED,
    }
)

_ADVICE = {
    FailureReason.CONFIGURATION: "Correct the arguments or the configuration and run the task again.",
    FailureReason.TOO_MANY_FAILED: "Look at the failures in the job's report, then run the task again.",
    FailureReason.DEPENDENCY: "Check that the service it names is up and reachable from the Ray nodes.",
    FailureReason.JOB_ERROR: "Read the last lines of the job's log above.",
    FailureReason.KILLED: "A signal ended it; SIGKILL mostly for memory: give the job more, or let it hold less.",
    FailureReason.STOPPED: "Somebody or something stopped it in Ray; clear the task to run it again.",
    FailureReason.RUNTIME_ENV: "Check working_dir and runtime_env (packages, remote addresses).",
    FailureReason.NOT_PLACED: "Free resources in the Ray cluster or ask for less (entrypoint_num_cpus and others).",
    FailureReason.INFRASTRUCTURE: "Check the health of the Ray head and of the node that ran the driver.",
    FailureReason.CLUSTER_LOST: "The Ray head was replaced and its job table is gone; check why it restarted.",
    FailureReason.UNREACHABLE: "Check the address in the connection and that the dashboard of the Ray head is up.",
    FailureReason.AUTHENTICATION: "Put the cluster's token into the password field of the connection.",
    FailureReason.REJECTED: "Correct the request: Ray names the offending field in its answer.",
    FailureReason.TIMEOUT: "Raise the limit, or find out why the job was slow.",
}

# ray/dashboard/modules/job/common.py, JobErrorType (Ray 2.60). JOB_ENTRYPOINT_COMMAND_ERROR is absent on purpose: the
# exit code says more.
_ERROR_TYPES = {
    "RUNTIME_ENV_SETUP_FAILURE": FailureReason.RUNTIME_ENV,
    "JOB_SUPERVISOR_ACTOR_START_TIMEOUT": FailureReason.NOT_PLACED,
    "JOB_SUPERVISOR_ACTOR_UNSCHEDULABLE": FailureReason.NOT_PLACED,
    "JOB_SUPERVISOR_ACTOR_START_FAILURE": FailureReason.INFRASTRUCTURE,
    "JOB_SUPERVISOR_ACTOR_UNKNOWN_FAILURE": FailureReason.INFRASTRUCTURE,
    "JOB_SUPERVISOR_ACTOR_DIED": FailureReason.INFRASTRUCTURE,
    "JOB_ENTRYPOINT_COMMAND_START_ERROR": FailureReason.INFRASTRUCTURE,
}


#: In the traceback of a runtime environment that Ray finds wrong (ray/_private/utils.py, called by job_manager.py).
_ENVIRONMENT_REFUSED = "parse_runtime_env"
#: Signals that end a process.
_SIGNALS = frozenset(
    {
        signal.SIGABRT,
        signal.SIGBUS,
        signal.SIGFPE,
        signal.SIGHUP,
        signal.SIGILL,
        signal.SIGINT,
        signal.SIGKILL,
        signal.SIGPIPE,
        signal.SIGQUIT,
        signal.SIGSEGV,
        signal.SIGSYS,
        signal.SIGTERM,
        signal.SIGTRAP,
        signal.SIGXCPU,
    }
)


def classify(
    status: str,
    error_type: str | None,
    exit_code: int | None,
    exit_codes: Mapping[int, FailureReason] | None = None,
    message: str = "",
) -> FailureReason:
    """Map the end of a job that did not succeed to its reason.

    A job's own exit code wins over Ray's error type, since Ray calls every non-zero exit the same. An exit by a signal
    is negative (asyncio's convention, seen when Ray's shell ``exec``s the command) or 128 + the signal's number.
    Ray's ``message`` tells a runtime environment that it refuses from a node that fails: both are a failed start.
    """
    if status == "STOPPED":
        return FailureReason.STOPPED
    if exit_code is not None and exit_code != 0:
        if exit_codes and exit_code in exit_codes:
            return exit_codes[exit_code]
        return FailureReason.KILLED if signal_name(exit_code) else FailureReason.JOB_ERROR
    if error_type == "JOB_SUPERVISOR_ACTOR_START_FAILURE" and _ENVIRONMENT_REFUSED in message:
        return FailureReason.CONFIGURATION
    return _ERROR_TYPES.get(error_type or "", FailureReason.JOB_ERROR)


def signal_name(exit_code: int) -> str | None:
    """The name of the signal that such an exit code stands for; a shell may use codes above 128 otherwise too."""
    number = -exit_code if exit_code < 0 else exit_code - 128
    name = signal.Signals(number).name if number in _SIGNALS else None
    return f"signal {number}" if name is None and exit_code < 0 else name


class RayApiError(Exception):
    """A request to the Jobs API failed; the text is one sentence for people. ``transient``: asking again may help."""

    def __init__(self, sentence: str, reason: FailureReason, *, status: int | None = None, transient: bool = False):
        super().__init__(sentence)
        self.reason = reason
        self.status = status
        self.transient = transient


class JobNotFoundError(RayApiError):
    """The cluster does not know the job (HTTP 404): never submitted, deleted, or the head lost its job table."""


class JobExistsError(RayApiError):
    """The submission id is taken: an earlier attempt got through, so the caller attaches to that job."""
