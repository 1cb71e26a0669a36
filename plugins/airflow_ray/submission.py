"""Brings one piece of work onto the cluster exactly once: find the job of an earlier attempt, or submit a new one."""

from __future__ import annotations

import json
import math
import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .client import JobInfo, RayJobsClient
from .errors import FailureReason, JobExistsError, JobNotFoundError, RayApiError
from .job_ids import Attempt
from .packages import Package
from .watch import stop_and_wait

#: Rendered values that mean "leave this flag out".
_ABSENT = frozenset({"", "None", "False"})


@dataclass(frozen=True)
class Placement:
    """The job that does the work. ``attached``: an earlier attempt, or a lost answer, had submitted it before.

    ``session`` is the cluster's ``session_name`` at that time.
    """

    submission_id: str
    attached: bool
    session: str


def command_line(entrypoint: str | Sequence[Any], arguments: Mapping[str, Any] | None = None) -> str:
    """The shell command for Ray, which runs entrypoints through a shell (``job_supervisor.py``).

    A string is passed as it is, a list is quoted item by item. ``arguments`` become flags behind it, quoted:
    ``{"limit": 5, "dry-run": True}`` gives ``--limit=5 --dry-run``. A value that renders to nothing, ``None`` or
    ``False`` leaves its flag out; a list repeats it; a mapping becomes JSON. A name may come with or without leading
    dashes.
    """
    command = entrypoint.strip() if isinstance(entrypoint, str) else shlex.join(str(item) for item in entrypoint)
    if not command:
        raise ValueError("The entrypoint is empty.")
    flags = []
    for name, value in (arguments or {}).items():
        flag = name if name.startswith("-") else f"--{name}"
        for item in value if isinstance(value, list | tuple) else [value]:
            text = json.dumps(item) if isinstance(item, Mapping) else str(item)
            if text in _ABSENT:
                continue
            flags.append(shlex.quote(flag if text == "True" else f"{flag}={text}"))
    return " ".join([command, *flags])


def job_request(
    *,
    entrypoint: str,
    runtime_env: Mapping[str, Any],
    metadata: Mapping[str, Any],
    num_cpus: Any = None,
    num_gpus: Any = None,
    memory: Any = None,
    resources: Mapping[str, Any] | None = None,
    label_selector: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """The fields of Ray's ``JobSubmitRequest`` without the id. Numbers may come as rendered strings.

    Raises ``ValueError`` with one sentence when a number is none. ``memory`` is in bytes.
    """
    whole_memory = _number("entrypoint_memory", memory)
    request: dict[str, Any] = {
        "entrypoint": entrypoint,
        "runtime_env": _environment(runtime_env),
        "metadata": {str(name): str(value) for name, value in metadata.items()},
        "entrypoint_num_cpus": _number("entrypoint_num_cpus", num_cpus),
        "entrypoint_num_gpus": _number("entrypoint_num_gpus", num_gpus),
        "entrypoint_memory": None if whole_memory is None else int(whole_memory),
        "entrypoint_resources": {
            name: _number(f"entrypoint_resources['{name}']", value) for name, value in (resources or {}).items()
        },
        "entrypoint_label_selector": dict(label_selector or {}),
    }
    return {name: value for name, value in request.items() if value not in (None, {})}


async def place(
    client: RayJobsClient,
    attempt: Attempt,
    request: Mapping[str, Any],
    *,
    packages: Sequence[Package] = (),
    superseded: str | None = None,
    in_doubt: str | None = None,
    submitting: Callable[[str], None] = lambda submission_id: None,
    adopt: bool = True,
) -> Placement:
    """Make sure that exactly one job does this work, and say which.

    ``superseded`` is a job of an epoch before the last clear: it is stopped first, and seen to stop. Then the job of
    an earlier attempt of the same epoch is adopted if it is pending, running or done (its worker died, the job did
    not). Otherwise a new job is submitted under this attempt's id; when that is taken, this attempt had submitted it
    before. ``in_doubt`` is an id under which an earlier attempt may have submitted: where Ray does not know it, the
    new job gets that id, so that a request that is still under way somewhere is refused when it arrives.
    ``submitting`` is called with the id just before the submit.
    """
    session = (await client.version())["session_name"]
    if superseded is not None:
        await _stop_if_alive(client, superseded)
    own = attempt.submission_id
    earlier = [each.submission_id for each in attempt.predecessors()] if adopt else []
    for submission_id in earlier:
        job = await _find(client, submission_id)
        if job is not None and job.status in ("PENDING", "RUNNING", "SUCCEEDED"):
            return Placement(submission_id, attached=True, session=session)
        if job is not None:
            break
        if submission_id == in_doubt:
            own = submission_id
            break
    if await _find(client, own) is not None:
        return Placement(own, attached=True, session=session)
    for package in packages:
        if not await client.has_package(package.name):
            await client.upload_package(package.name, package.content)
    submitting(own)
    try:
        await client.submit({**request, "submission_id": own})
    except JobExistsError:
        await client.job(own)  # confirms that the refusal was about this id
        return Placement(own, attached=True, session=session)
    return Placement(own, attached=False, session=session)


async def _find(client: RayJobsClient, submission_id: str) -> JobInfo | None:
    try:
        return await client.job(submission_id)
    except JobNotFoundError:
        return None


async def _stop_if_alive(client: RayJobsClient, submission_id: str) -> None:
    job = await _find(client, submission_id)
    if job is None or job.finished:
        return
    job = await stop_and_wait(client, submission_id)
    if not job.finished and job.status != "PENDING":
        raise RayApiError(f"The superseded job {submission_id} does not stop.", FailureReason.INFRASTRUCTURE)


def _environment(runtime_env: Mapping[str, Any]) -> dict[str, Any]:
    """With numbers in ``env_vars`` as text, which native rendering makes of it; Ray fails the job for them."""
    variables = runtime_env.get("env_vars")
    if variables is None:
        return dict(runtime_env)
    if not isinstance(variables, Mapping):
        raise ValueError(f"runtime_env['env_vars'] must be a mapping of names to strings, not {variables!r}.")
    for name, value in variables.items():
        if isinstance(value, bool) or not isinstance(value, str | int | float):
            raise ValueError(f"runtime_env['env_vars']['{name}'] must be a string, not {value!r}.")
    return {**runtime_env, "env_vars": {str(name): str(value) for name, value in variables.items()}}


def _number(name: str, value: Any) -> float | None:
    if value is None or str(value) in _ABSENT:
        return None
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = math.nan
    if not math.isfinite(number) or number < 0:
        raise ValueError(f"{name} must be a number of 0 or more, not {value!r}.")
    return number
