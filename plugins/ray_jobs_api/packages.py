"""Packs the code of a job: a local folder becomes a zip that is uploaded once per content.

The name of a package is a digest of its files (names, contents, executable bits). The zip has fixed times and a fixed
order, so that the same folder gives the same package on every worker.
"""

from __future__ import annotations

import hashlib
import io
import re
import zipfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO

import pathspec

#: The dashboard's limit for one upload: ray/_private/ray_constants.py, DASHBOARD_CLIENT_MAX_SIZE (ray#55877).
MAX_PACKAGE_BYTES = 100 * 1024**2
#: Never part of a package. Ray's own defaults: ray_constants.RAY_RUNTIME_ENV_DEFAULT_EXCLUDES.
ALWAYS_EXCLUDED = (".git", ".venv", "venv", "__pycache__", "*.pyc", ".DS_Store", "__MACOSX")
_IGNORE_FILES = (".gitignore", ".rayignore")
_EPOCH = (1980, 1, 1, 0, 0, 0)
_PIECE = 1 << 20
#: Bytes of files per byte of the limit on their zip: a sparse file of terabytes would be read for hours.
_MAX_RATIO = 50


@dataclass(frozen=True)
class Package:
    """A zip ready for upload: ``uri`` goes into ``runtime_env``, ``name`` into the upload's path.

    ``skipped`` names what was left out because no zip can hold it: links to nothing, sockets, pipes.
    """

    name: str
    content: bytes
    skipped: tuple[str, ...] = ()

    @property
    def uri(self) -> str:
        """``gcs://_ray_pkg_<digest>.zip``, the form that Ray's own client uses."""
        return f"gcs://{self.name}"


def pack_module(path: Path, excludes: Iterable[str] = ()) -> Package:
    """Pack an entry of ``py_modules``: a folder, which keeps its name in the zip, a ``.py`` file or a wheel."""
    if path.suffix == ".whl" and path.is_file():
        if path.stat().st_size > MAX_PACKAGE_BYTES:
            raise ValueError(_too_large("py_modules entry", path, MAX_PACKAGE_BYTES))
        return Package(path.name, path.read_bytes())  # a wheel's name says project, version and platform
    if path.suffix == ".py" and path.is_file():
        return _zip("py_modules entry", path, [(path.name, path.open("rb"), 0o644)], MAX_PACKAGE_BYTES)
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
    one sentence when the folder is missing or empty, its zip is larger than ``limit`` bytes, or something in it cannot
    be packed: a link to a folder that holds it, a file that cannot be read, a name that is not UTF-8.
    """
    root = Path(folder)
    if not root.is_dir():
        raise ValueError(f"{role} {root} is not a folder on the machine that submits the job.")
    walk = _Walk(role, root, excludes)
    package = _zip(role, root, walk.files(prefix), limit)
    if not zipfile.ZipFile(io.BytesIO(package.content)).namelist():
        raise ValueError(f"{role} {root} holds no files that are not excluded.")
    return replace(package, skipped=tuple(walk.skipped))


def pack_zip(path: Path, limit: int = MAX_PACKAGE_BYTES, *, command: str = "") -> Package:
    """A zip that somebody made of a ``working_dir``. Raises ``ValueError``.

    Ray takes the folder off a remote zip that holds one folder alone, as ``zip -r project.zip project`` makes it, and
    not off an uploaded one. Here it is taken off as well, unless ``command`` names it, as in ``python project/job.py``.
    """
    if not zipfile.is_zipfile(path):
        raise ValueError(f"working_dir {path} is not a zip, although its name says so.")
    if path.stat().st_size > limit:
        raise ValueError(_too_large("working_dir", path, limit))
    with zipfile.ZipFile(path) as archive:
        folder = _only_folder(archive)
        if folder and not re.search(rf"(?<![\w.-]){re.escape(folder)}(?![\w-])", command):
            return _zip("working_dir", path, _without(folder, archive, path), limit)
    content = path.read_bytes()
    return Package(f"_ray_pkg_{hashlib.sha256(content).hexdigest()[:40]}.zip", content)


def _only_folder(archive: zipfile.ZipFile) -> str:
    """The folder that holds all of a zip but what macOS adds; "" if there is none."""
    names = [name for name in archive.namelist() if not name.startswith("__MACOSX/")]
    folders = {name.partition("/")[0] if "/" in name else "" for name in names}
    return folders.pop() if len(folders) == 1 and not folders & {"", ".", ".."} else ""


def _without(folder: str, archive: zipfile.ZipFile, path: Path) -> Iterator[tuple[str, IO[bytes], int]]:
    for entry in sorted(archive.infolist(), key=lambda entry: entry.filename):
        if entry.filename.startswith(f"{folder}/") and not entry.is_dir():
            try:
                file = archive.open(entry)
            # zipfile has no error of its own for an encrypted entry, nor for a method of compression it does not know.
            except (RuntimeError, zipfile.BadZipFile) as error:
                raise ValueError(f"working_dir {path}: {entry.filename!r} in it cannot be read ({error}).") from None
            is_program = (entry.external_attr >> 16) & 0o100
            yield entry.filename.removeprefix(f"{folder}/"), file, 0o755 if is_program else 0o644


def pack_text(name: str, text: str) -> Package:
    """A package with one text file."""
    return _zip("file", Path(name), [(name, io.BytesIO(text.encode()), 0o644)], MAX_PACKAGE_BYTES)


def _zip(role: str, root: Path, files: Iterable[tuple[str, IO[bytes], int]], limit: int) -> Package:
    """Zip open files with their names and modes, and close each."""
    digest = hashlib.sha256()
    buffer, total = io.BytesIO(), 0
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, file, mode in files:
            entry = zipfile.ZipInfo(name, _EPOCH)
            entry.external_attr = mode << 16
            entry.compress_type = zipfile.ZIP_DEFLATED
            content, length = hashlib.sha256(), 0
            with file, archive.open(entry, "w", force_zip64=True) as packed:
                while piece := file.read(_PIECE):
                    content.update(piece)
                    packed.write(piece)
                    length += len(piece)
                    if buffer.tell() > limit or total + length > limit * _MAX_RATIO:
                        raise ValueError(_too_large(role, root, limit))
            total += length
            digest.update(f"{len(name.encode())}:{name}:{mode}:{length}:".encode() + content.digest())
    if buffer.tell() > limit:
        raise ValueError(_too_large(role, root, limit))
    return Package(f"_ray_pkg_{digest.hexdigest()[:40]}.zip", buffer.getvalue())


def _too_large(role: str, root: Path, limit: int) -> str:
    return (
        f"{role} {root} is larger than the {limit / 1024**2:.3g} MiB that the Ray dashboard takes: exclude data and "
        "models (runtime_env 'excludes' or a .rayignore file), or put a zip into an object store and give its address."
    )


class _Walk:
    """Walks a folder and the folders that links in it point at, without what is excluded.

    Ray's own client follows links too. ``skipped`` gets the names of what no zip can hold, or nobody can read there.
    """

    def __init__(self, role: str, root: Path, excludes: Iterable[str]) -> None:
        self._role, self._root = role, root
        self._always = _patterns("excludes", [*ALWAYS_EXCLUDED, *excludes])
        self.skipped: list[str] = []

    def files(self, prefix: str) -> Iterator[tuple[str, IO[bytes], int]]:
        """Names, open files and modes, in a fixed order."""
        for name, path in sorted(self._folder(self._root, "", [], frozenset())):
            try:
                name.encode()
            except UnicodeEncodeError:
                raise self._problem(name, "has a name that is not UTF-8: rename it, or exclude it") from None
            try:
                file = path.open("rb")
            except OSError as error:
                raise self._problem(name, f"cannot be read ({error.strerror}): mend that, or exclude it") from None
            yield prefix + name, file, 0o755 if path.stat().st_mode & 0o100 else 0o644

    def _folder(
        self, folder: Path, name: str, rules: list[_Rules], above: frozenset[tuple[int, int]]
    ) -> Iterator[tuple[str, Path]]:
        """The files in a folder; ``above`` are the identities of the folders on the way to it."""
        try:
            status = folder.stat()
            entries = list(folder.iterdir())
        except OSError as error:
            raise self._problem(name, f"cannot be read ({error.strerror}): mend that, or exclude it") from None
        if (identity := (status.st_dev, status.st_ino)) in above:
            raise self._problem(name, "is a link to a folder that holds it: exclude it")
        rules = [*rules, *self._rules_of(folder, name, {entry.name for entry in entries if entry.is_file()})]
        for entry in entries:
            its_name = f"{name}{entry.name}"
            is_folder = entry.is_dir()
            if self._is_excluded(its_name + "/" * is_folder, rules):
                continue
            if is_folder:
                yield from self._folder(entry, f"{its_name}/", rules, above | {identity})
            elif entry.is_file():
                yield its_name, entry
            else:  # a link to nothing, a socket, a pipe, a device
                self.skipped.append(its_name)

    def _rules_of(self, folder: Path, name: str, files: set[str]) -> Iterator[_Rules]:
        for kind in _IGNORE_FILES:
            if kind in files:
                try:
                    lines = (folder / kind).read_text(encoding="utf-8-sig", errors="replace").splitlines()
                except OSError as error:
                    raise self._problem(f"{name}{kind}", f"cannot be read ({error.strerror}): mend that") from None
                yield kind, name, _patterns(str(folder / kind), lines)

    def _is_excluded(self, name: str, rules: list[_Rules]) -> bool:
        """As git decides it: the ignore file that is nearest counts, and the last pattern in it that matches."""
        if self._always.match_file(name):
            return True
        for kind in _IGNORE_FILES:
            for its_kind, base, spec in reversed(rules):
                if its_kind == kind and (decision := spec.check_file(name.removeprefix(base)).include) is not None:
                    if decision:
                        return True
                    break
        return False

    def _problem(self, name: str, problem: str) -> ValueError:
        return ValueError(f"{self._role} {self._root}: {name.rstrip('/') or 'the folder'!r} {problem}.")


#: The kind of an ignore file, the folder that it is in, with a slash at its end, and its patterns.
_Rules = tuple[str, str, pathspec.GitIgnoreSpec]


def _patterns(where: str, lines: Iterable[str]) -> pathspec.GitIgnoreSpec:
    try:
        return pathspec.GitIgnoreSpec.from_lines(lines)
    except ValueError as error:
        raise ValueError(f"{where} holds a pattern that is not one of .gitignore: {error}.") from None
