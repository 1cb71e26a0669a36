"""Builds the request that submits a job: the command line for Ray's shell, and the fields of ``JobSubmitRequest``."""

from __future__ import annotations

import json
import math
import shlex
from collections.abc import Mapping, Sequence
from typing import Any

#: Rendered values that omit their flag.
_ABSENT = frozenset({"", "None", "False"})


def command_line(entrypoint: str | Sequence[Any], arguments: Mapping[str, Any] | None = None) -> str:
    """The shell command for Ray, which runs entrypoints through a shell (``job_supervisor.py``).

    A string is passed on unchanged; a list is quoted item by item. ``arguments`` become quoted flags behind it:
    ``{"limit": 5, "dry-run": True}`` gives ``--limit=5 --dry-run``. A value that renders to an empty string, ``None``
    or ``False`` omits its flag; a list repeats it; a mapping becomes JSON. Leading dashes of a name are optional.

    Raises ``ValueError`` for an empty entrypoint.
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
    """The fields of Ray's ``JobSubmitRequest`` without the id.

    Numbers may be rendered strings; ``memory`` is in bytes. Raises ``ValueError`` with one sentence for a value that is
    not a number.
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


def _environment(runtime_env: Mapping[str, Any]) -> dict[str, Any]:
    """The environment with all ``env_vars`` as text: native rendering makes numbers of them, for which Ray fails."""
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
