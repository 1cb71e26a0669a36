"""Packs the code of a job: a local folder becomes a zip that is uploaded once per content.

The name of a package is a digest of its files (names, contents, executable bits). The zip has fixed times and a fixed
order, so that the same folder gives the same package on every worker.
"""

from __future__ import annotations

import hashlib
import io
import os
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pathspec

#: The dashboard's limit for one upload: ray/_private/ray_constants.py, DASHBOARD_CLIENT_MAX_SIZE (ray#55877).
MAX_PACKAGE_BYTES = 100 * 1024**2
#: Never part of a package. Ray's own defaults: ray_constants.RAY_RUNTIME_ENV_DEFAULT_EXCLUDES.
ALWAYS_EXCLUDED = (".git", ".venv", "venv", "__pycache__", "*.pyc", ".DS_Store", "__MACOSX")
_IGNORE_FILES = (".gitignore", ".rayignore")
_EPOCH = (1980, 1, 1, 0, 0, 0)


@dataclass(frozen=True)
class Package:
    """A zip ready for upload: ``uri`` goes into ``runtime_env``, ``name`` into the upload's path."""

    name: str
    content: bytes

    @property
    def uri(self) -> str:
        """``gcs://_ray_pkg_<digest>.zip``, the form that Ray's own client uses."""
        return f"gcs://{self.name}"


def resolve_code(working_dir: str | None, runtime_env: Mapping[str, Any]) -> tuple[list[Package], dict[str, Any]]:
    """The packages to upload, and the ``runtime_env`` that names them.

    ``working_dir`` (the argument or the entry of ``runtime_env``) and the entries of ``py_modules`` may be local
    folders; the latter also ``.py`` files and wheels. Remote addresses such as ``s3://bucket/code.zip`` pass through,
    because Ray fetches them itself. Where something is packed, ``excludes`` apply here and are not sent to Ray. Raises
    ``ValueError`` with one sentence.
    """
    resolved = {name: value for name, value in runtime_env.items() if name not in ("working_dir", "excludes")}
    if working_dir and runtime_env.get("working_dir"):
        raise ValueError("Give working_dir to the operator or in runtime_env, not both.")
    excludes = runtime_env.get("excludes") or ()
    packages: list[Package] = []
    if working_dir := working_dir or runtime_env.get("working_dir"):
        working_dir = str(working_dir)
        if "://" not in working_dir:
            packages.append(pack(working_dir, excludes))
            working_dir = packages[-1].uri
        resolved["working_dir"] = working_dir
    if modules := runtime_env.get("py_modules"):
        resolved["py_modules"] = []
        for module in modules:
            module = str(module)
            if "://" not in module:
                packages.append(_pack_module(Path(module), excludes))
                module = packages[-1].uri
            resolved["py_modules"].append(module)
    if excludes and not packages:
        resolved["excludes"] = excludes
    return packages, resolved


def _pack_module(path: Path, excludes: Iterable[str]) -> Package:
    if path.suffix == ".whl" and path.is_file():
        if path.stat().st_size > MAX_PACKAGE_BYTES:
            raise ValueError(_too_large("py_modules entry", path, MAX_PACKAGE_BYTES))
        return Package(path.name, path.read_bytes())  # a wheel's name says project, version and platform
    if path.suffix == ".py" and path.is_file():
        return _zip("py_modules entry", path, [(path.name, path)], MAX_PACKAGE_BYTES)
    return pack(path, excludes, role="py_modules entry", prefix=f"{path.name}/")


def pack(
    folder: str | Path,
    excludes: Iterable[str] = (),
    limit: int = MAX_PACKAGE_BYTES,
    *,
    role: str = "working_dir",
    prefix: str = "",
) -> Package:
    """Zip a folder. ``excludes`` are patterns as in ``.gitignore``; the folder's own ignore files count as well.

    ``prefix`` is put before each name in the zip; ``role`` is the folder's role in messages. Raises ``ValueError`` with
    one sentence when the folder is missing or empty, or its zip is larger than ``limit`` bytes.
    """
    root = Path(folder)
    if not root.is_dir():
        raise ValueError(f"{role} {root} is not a folder on the machine that submits the job.")
    files = sorted(_files(root, excludes))
    if not files:
        raise ValueError(f"{role} {root} holds no files that are not excluded.")
    return _zip(role, root, [(prefix + name, path) for name, path in files], limit)


def _zip(role: str, root: Path, files: Iterable[tuple[str, Path]], limit: int) -> Package:
    digest = hashlib.sha256()
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, path in files:
            content = path.read_bytes()
            mode = 0o755 if path.stat().st_mode & 0o100 else 0o644
            digest.update(f"{len(name.encode())}:{name}:{mode}:{len(content)}:".encode())
            digest.update(content)
            entry = zipfile.ZipInfo(name, _EPOCH)
            entry.external_attr = mode << 16
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, content)
            if buffer.tell() > limit:  # before the next file is read into memory
                raise ValueError(_too_large(role, root, limit))
    if buffer.tell() > limit:
        raise ValueError(_too_large(role, root, limit))
    return Package(f"_ray_pkg_{digest.hexdigest()[:40]}.zip", buffer.getvalue())


def _too_large(role: str, root: Path, limit: int) -> str:
    return (
        f"{role} {root} is larger than the {limit / 1024**2:.3g} MiB that the Ray dashboard takes: exclude data and "
        "models (runtime_env 'excludes' or a .rayignore file), or put a zip into an object store and give its address."
    )


def _files(root: Path, excludes: Iterable[str]) -> Iterator[tuple[str, Path]]:
    top = pathspec.GitIgnoreSpec.from_lines([*ALWAYS_EXCLUDED, *excludes])
    specs: dict[Path, list[tuple[Path, pathspec.GitIgnoreSpec]]] = {root: [(root, top)]}
    for folder, subfolders, names in os.walk(root):
        here = Path(folder)
        rules = specs.pop(here)
        for ignore_file in _IGNORE_FILES:
            if ignore_file in names:
                lines = (here / ignore_file).read_text(encoding="utf-8", errors="replace").splitlines()
                rules = [*rules, (here, pathspec.GitIgnoreSpec.from_lines(lines))]
        kept = [name for name in subfolders if not _ignored(here / name, rules, is_folder=True)]
        subfolders[:] = kept
        specs.update({here / name: rules for name in kept})
        for name in names:
            path = here / name
            if path.is_file() and not _ignored(path, rules, is_folder=False):
                yield path.relative_to(root).as_posix(), path


def _ignored(path: Path, rules: list[tuple[Path, pathspec.GitIgnoreSpec]], *, is_folder: bool) -> bool:
    slash = "/" if is_folder else ""
    return any(spec.match_file(path.relative_to(base).as_posix() + slash) for base, spec in rules)
