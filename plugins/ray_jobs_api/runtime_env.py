"""Turns what a job needs of this machine into packages, and into a ``runtime_env`` that means the same elsewhere."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ray_jobs_api.job_request import MAX_ARGUMENT_BYTES
from ray_jobs_api.packages import Package, pack, pack_module, pack_text, pack_zip
from ray_jobs_api.requirement_files import with_requirements

_BUCKET_SCHEMES = ("s3", "gs", "azure", "abfss")
"""Schemes of the addresses that Ray reads from a bucket or container."""


def resolve_code(
    working_dir: str | None, runtime_env: Mapping[str, Any], *, command: str = ""
) -> tuple[list[Package], dict[str, Any]]:
    """The packages to upload, and the ``runtime_env`` that names them.

    ``working_dir`` (the argument or the entry of ``runtime_env``) and the entries of ``py_modules`` may be local
    folders; the former also a zip of one, the latter also ``.py`` files and wheels. Remote addresses such as
    ``s3://bucket/code.zip`` pass through, because Ray fetches them itself. Where something is packed, ``excludes``
    apply here and are not sent to Ray. The files that ``pip``, ``uv`` and ``conda`` name are read; a relative path
    counts from a local ``working_dir``, or else from the current folder. ``command`` is the job's. Raises
    ``ValueError`` with one sentence.
    """
    if not isinstance(runtime_env, Mapping):
        raise ValueError(f"runtime_env must be a mapping, not a {type(runtime_env).__name__}.")
    resolved = {name: value for name, value in runtime_env.items() if name not in ("working_dir", "excludes")}
    if working_dir and runtime_env.get("working_dir"):
        raise ValueError("Give working_dir to the operator or in runtime_env, not both.")
    excludes = _strings("excludes", runtime_env.get("excludes"))
    packages: list[Package] = []
    folders = [Path.cwd()]
    if working_dir := working_dir or runtime_env.get("working_dir"):
        working_dir = str(working_dir)
        if "://" not in working_dir:
            path = Path(working_dir)
            is_zip = path.suffix.lower() == ".zip" and path.is_file()
            packages.append(pack_zip(path, command=command) if is_zip else pack(path, excludes))
            folders.insert(0, path.parent if is_zip else path)
            working_dir = packages[-1].uri
        else:
            _check_address("working_dir", working_dir)
        resolved["working_dir"] = working_dir
    if modules := _strings("py_modules", runtime_env.get("py_modules")):
        resolved["py_modules"] = []
        for module in modules:
            if "://" not in module:
                packages.append(pack_module(Path(module), excludes))
                module = packages[-1].uri
            else:
                _check_address("py_modules entry", module)
            resolved["py_modules"].append(module)
    if excludes and not packages:
        resolved["excludes"] = excludes
    return packages, with_requirements(resolved, folders)


def carry_command(
    command: str, packages: list[Package], runtime_env: dict[str, Any]
) -> tuple[str, list[Package], dict[str, Any]]:
    """The same, with a command that Ray's shell can take.

    Ray passes the command to a shell as one argument (``job_supervisor.py``), which Linux limits to 128 KiB. A longer
    command travels as a shell script in a package, which Ray unpacks into a folder on ``PYTHONPATH``.
    """
    if len(command.encode()) < MAX_ARGUMENT_BYTES:
        return command, packages, runtime_env
    name = f"ray_job_command_{hashlib.sha256(command.encode()).hexdigest()[:16]}.sh"
    package = pack_text(name, f"{command}\n")
    runtime_env = {**runtime_env, "py_modules": [*runtime_env.get("py_modules", ()), package.uri]}
    find_it = (
        f'IFS=:; for folder in $PYTHONPATH; do [ -f "$folder/{name}" ] && exec sh "$folder/{name}"; done; exit 127'
    )
    return find_it, [*packages, package], runtime_env


def _check_address(role: str, address: str) -> None:
    """Raise ``ValueError`` if the address of an object in a bucket has no key: Ray's words for it name neither."""
    scheme, _, place = address.partition("://")
    bucket, _, key = place.partition("/")
    if scheme.lower() in _BUCKET_SCHEMES and not (bucket and key.strip("/")):
        raise ValueError(f"{role} {address!r} names no object in a bucket: it is written {scheme}://<bucket>/<key>.")


def _strings(field: str, value: Any) -> list[str]:
    """The items of a list; a single string would be taken for a list of characters."""
    if value is None:
        return []
    if isinstance(value, str | Path | Mapping):
        raise ValueError(f"runtime_env['{field}'] must be a list, not {value!r}.")
    return [str(item) for item in value]
