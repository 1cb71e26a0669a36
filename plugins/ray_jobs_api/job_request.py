"""Builds the request that submits a job: the command line for Ray's shell, and the fields of ``JobSubmitRequest``."""

from __future__ import annotations

import json
import math
import shlex
from collections.abc import Iterable, Mapping, Sequence, Set
from datetime import date, time
from enum import Enum
from os import PathLike
from typing import Any

#: Rendered values that omit their flag.
_ABSENT = frozenset({"", "None", "False"})
#: Bytes of one argument, with its NUL at the end: Linux, MAX_ARG_STRLEN of 32 pages.
MAX_ARGUMENT_BYTES = 131_072
#: Bytes of all arguments and the environment of a process: Linux, a quarter of a stack of 8 MiB, less some room.
_MAX_ARGUMENTS_BYTES = 1_900_000


def command_line(entrypoint: str | Sequence[Any] | None, arguments: Mapping[str, Any] | None = None) -> str:
    """The shell command for Ray, which runs entrypoints through a shell (``job_supervisor.py``).

    A string is passed on unchanged; a list is quoted item by item. ``arguments`` become quoted flags behind it:
    ``{"limit": 5, "dry-run": True}`` gives ``--limit=5 --dry-run``. A value that renders to an empty string, ``None``
    or ``False`` omits its flag. A list or anything else that can be iterated over, such as the output of a mapped task,
    repeats it, a set in sorted order; a mapping, or a list within a list, becomes JSON. Leading dashes of a name are
    optional.

    Raises ``ValueError`` with one sentence for an empty entrypoint, and for a value that has no text of its own, that
    a process cannot take (the character NUL), or that is longer than Linux allows.
    """
    if isinstance(entrypoint, str):
        command = entrypoint.strip()
    elif entrypoint is None:  # a template of a missing value, rendered natively
        command = ""
    else:
        command = shlex.join(_checked("entrypoint", _text("entrypoint", item)) for item in entrypoint)
    if not command:
        raise ValueError("The entrypoint is empty.")
    if not isinstance(arguments or {}, Mapping):
        raise ValueError(f"arguments must be a mapping of flags to values, not a {type(arguments).__name__}.")
    flags = []
    for name, value in (arguments or {}).items():
        if not str(name).strip("-") or any(character.isspace() or character == "=" for character in str(name)):
            raise ValueError(f"arguments has {str(name)[:80]!r}, which cannot be the name of a flag.")
        role, flag = f"arguments['{name}']", str(name) if str(name).startswith("-") else f"--{name}"
        for item in _items(value):
            text = _text(role, item)
            if text not in _ABSENT:
                flags.append(_checked(role, flag if text == "True" else f"{flag}={text}"))
    if (size := sum(len(flag.encode()) + 9 for flag in flags)) > _MAX_ARGUMENTS_BYTES:
        raise ValueError(
            f"All arguments together have {size:,} bytes, more than a process on Linux takes: write them into a file "
            "that the job can read, and pass its address."
        )
    return " ".join([command, *map(shlex.quote, flags)])


def _items(value: Any) -> Iterable[Any]:
    """The values of a repeated flag, or the only one."""
    if isinstance(value, Set):
        return sorted(value, key=str)
    is_one = isinstance(value, str | bytes | bytearray | Mapping | PathLike) or not isinstance(value, Iterable)
    return [value] if is_one else value


def _text(role: str, value: Any) -> str:
    """The text of one value of a flag."""
    if isinstance(value, Mapping) or (isinstance(value, Sequence) and not isinstance(value, str | bytes | bytearray)):
        return json.dumps(_plain(role, value), ensure_ascii=False)
    value = _plain(role, value)
    return value if isinstance(value, str) else str(value)


def _plain(role: str, value: Any) -> Any:
    """The value with only JSON types in it."""
    if isinstance(value, Enum):
        value = value.value
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, Mapping):
        return {str(name): _plain(role, item) for name, item in value.items()}
    if isinstance(value, bytes | bytearray):
        return value.decode(errors="surrogateescape")
    if isinstance(value, date | time):  # a datetime too
        return value.isoformat()
    has_text = type(value).__str__ is not object.__str__
    if isinstance(value, Sequence) or (isinstance(value, Iterable) and not has_text):
        return [_plain(role, item) for item in _items(value)]
    if not has_text:
        raise ValueError(f"{role} is of the type {type(value).__name__}, which has no text of its own: pass a string.")
    return str(value)


def _checked(role: str, word: str) -> str:
    """The word, if a process can take it as an argument."""
    try:
        size = len(word.encode()) + 1
    except UnicodeEncodeError:
        raise ValueError(f"{role} is not valid Unicode: {word[:80]!r}.") from None
    if "\0" in word:
        raise ValueError(f"{role} holds the character NUL, which no argument of a process can hold.")
    if size > MAX_ARGUMENT_BYTES:
        raise ValueError(
            f"{role} has {size:,} bytes, and Linux allows {MAX_ARGUMENT_BYTES:,} in one argument: write it into a file "
            "that the job can read, and pass its address."
        )
    return word


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
    texts = {}
    for name, value in variables.items():
        if isinstance(value, bool) or not isinstance(value, str | int | float | PathLike):
            raise ValueError(f"runtime_env['env_vars']['{name}'] must be a string, not {value!r}.")
        if not (name := str(name)) or "=" in name:
            raise ValueError(f"runtime_env['env_vars'] holds {name!r}, which cannot be a variable's name.")
        texts[name] = str(value)
        _checked(f"runtime_env['env_vars']['{name}']", f"{name}={texts[name]}")
    return {**runtime_env, "env_vars": texts}


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
