"""The reasons for which a Ray job or a request to Ray failed, and the errors of requests.

The rule: a failure that the same work may survive on a second attempt is retryable (a lost node, a lost cluster, a
service that was down, an unforeseen crash). A failure that would only repeat itself is permanent (bad arguments, a
wrong token, too many bad inputs).
"""

from __future__ import annotations

import signal
from collections.abc import Mapping
from enum import StrEnum


class FailureReason(StrEnum):
    """The class of a failure: its name, whether a second attempt may succeed, and advice for the on-call engineer."""

    retryable: bool
    advice: str

    def __new__(cls, name: str, retryable: bool = True, advice: str = "") -> FailureReason:
        reason = str.__new__(cls, name)
        reason._value_ = name
        reason.retryable = retryable
        reason.advice = advice
        return reason

    CONFIGURATION = "configuration", False, "Correct the arguments or the configuration and run the task again."
    TOO_MANY_FAILED = "too_many_failed", False, "Look at its sentence and the job's report, then run the task again."
    DEPENDENCY = (
        "dependency_unreachable", True, "Check that the service it names is up and reachable from the Ray nodes.",
    )  # fmt: skip
    JOB_ERROR = "job_error", True, "Read the last lines of the job's log above."
    KILLED = (
        "killed", True,
        "A signal ended it. SIGKILL usually means that memory ran out: give the job more, or let it use less.",
    )  # fmt: skip
    STOPPED = "stopped", True, "Somebody or something stopped it in Ray; clear the task to run it again."
    RUNTIME_ENV = "runtime_env", True, "Check working_dir and runtime_env (packages, remote addresses)."
    NOT_PLACED = (
        "not_placed", True, "Free resources in the Ray cluster or ask for less (entrypoint_num_cpus and others).",
    )  # fmt: skip
    INFRASTRUCTURE = "infrastructure", True, "Check the health of the Ray head and of the node that ran the driver."
    CLUSTER_LOST = (
        "cluster_lost", True, "The Ray head was replaced and its job table is gone; find out why it restarted.",
    )  # fmt: skip
    UNREACHABLE = (
        "ray_unreachable", True, "Check the address in the connection and that the dashboard of the Ray head is up.",
    )  # fmt: skip
    AUTHENTICATION = (
        "ray_authentication", False,
        "Put the cluster's token into the password field of the connection ('ray get-auth-token' on the head).",
    )  # fmt: skip
    REJECTED = "request_rejected", False, "Correct the request: Ray names the offending field in its answer."
    TIMEOUT = "timeout", True, "Raise the limit, or find out why the job was slow."


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
    exit_codes: Mapping[int, FailureReason],
    message: str = "",
) -> FailureReason:
    """The reason for which a job did not succeed.

    ``exit_codes`` gives the driver's exit codes a meaning. They take precedence over Ray's ``error_type``, which is the
    same for every non-zero exit. An exit by a signal is negative (asyncio's convention, seen when Ray's shell ``exec``s
    the command) or 128 + the signal's number. Ray's ``message`` distinguishes a runtime environment that Ray refuses
    from a node that fails: both are a failed start.
    """
    if status == "STOPPED":
        return FailureReason.STOPPED
    if exit_code is not None and exit_code != 0:
        if exit_code in exit_codes:
            return exit_codes[exit_code]
        return FailureReason.KILLED if signal_name(exit_code) else FailureReason.JOB_ERROR
    if error_type == "JOB_SUPERVISOR_ACTOR_START_FAILURE" and _ENVIRONMENT_REFUSED in message:
        return FailureReason.CONFIGURATION
    return _ERROR_TYPES.get(error_type or "", FailureReason.JOB_ERROR)


def signal_name(exit_code: int) -> str | None:
    """The name of the signal behind an exit code, or None. A shell may use codes above 128 for other things too."""
    number = -exit_code if exit_code < 0 else exit_code - 128
    name = signal.Signals(number).name if number in _SIGNALS else None
    return f"signal {number}" if name is None and exit_code < 0 else name


class RayApiError(Exception):
    """A request to the Jobs API failed; the text is one sentence for people. ``transient``: a retry may help."""

    def __init__(self, sentence: str, reason: FailureReason, *, status: int | None = None, transient: bool = False):
        super().__init__(sentence)
        self.reason = reason
        self.status = status
        self.transient = transient


class JobNotFoundError(RayApiError):
    """The cluster does not know the job (HTTP 404): never submitted, deleted, or the head lost its job table."""


class JobExistsError(RayApiError):
    """The submission id is taken: an earlier request got through, so the caller attaches to that job."""
