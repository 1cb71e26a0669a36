"""List the files of a local folder, whatever their names are."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import unquote

from ingest.common.errors import ConfigurationError, UnreachableError
from ingest.common.objects import StoredObject
from ingest.common.owner_values import SIDECAR_SUFFIX
from ingest.store.ignored_names import is_ignored_folder
from ingest.store.listing import Ignored

UNREADABLE = "unreadable"
"""Version of a listed file that cannot be opened by its name: a dangling link, or a name that is not valid text."""


def with_scheme(source: str) -> str:
    """The source with its scheme as this package writes it: also those of Hadoop are S3's. No space comes before it."""
    scheme = re.compile(r"^\s*(?:(s3)[an]?(?=://)|(file)(?=:/))", re.I)
    return scheme.sub(lambda found: "s3" if found[1] else "file", source)


def found_path(source: str) -> Path:
    """The path that a source names: a path, or a `file:` URI, whose escapes and `~` need not be undone.

    Raises:
        OSError: it cannot be looked at.
    """
    text = re.sub("^file:(//(localhost(?=/))?|(?=/))", "", source)
    undone: tuple[Callable[[str], str], ...] = (str, os.path.expanduser, *([unquote] if text != source else []))
    return next((path for undo in undone if (path := Path(undo(text))).exists()), Path(text))


def local_path(source: str) -> Path:
    """The absolute path that `found_path` finds, with links resolved.

    Raises:
        ConfigurationError: it cannot be looked at.
    """
    try:
        return found_path(source).resolve()
    except (OSError, RuntimeError) as error:  # RuntimeError is a loop of links
        reason = getattr(error, "strerror", None) or str(error)
        raise ConfigurationError(f"--source {source[:200]!r} cannot be opened: {reason}; give another one") from None


def _unlisted(error: OSError) -> None:
    """Raises a JobError: a folder that cannot be listed is not empty, and its files were not deleted."""
    if isinstance(error, PermissionError):
        raise ConfigurationError(
            f"folder {error.filename!r} cannot be listed: {error.strerror}; allow it to the user of this run, or give "
            "a --source without it"
        )
    raise UnreachableError(f"folder {error.filename!r} cannot be listed: {error.strerror}; check that it is mounted")


def _paths(root: Path, ignored: Ignored) -> Iterator[Path]:
    """The files under `root`. Linked folders are not entered, and count as one ignored object."""
    if root.is_file():
        yield root
        if (sidecar := Path(f"{root}{SIDECAR_SUFFIX}")).is_file():
            yield sidecar
        return

    def failed(error: OSError) -> None:
        if not isinstance(error, FileNotFoundError) or Path(error.filename) == root:
            _unlisted(error)  # otherwise the folder was removed since its parent was listed

    for folder, folders, names in os.walk(root, onerror=failed):
        for name in list(folders):
            path = Path(folder, name)
            if path.is_symlink():
                folders.remove(name)
                ignored.add(f"file://{_readable(path)}/")
            elif is_ignored_folder(name):  # its files are counted here, because it may be closed, as lost+found is
                folders.remove(name)
                for below, _, files in os.walk(path):
                    for file in files:
                        ignored.add(f"file://{_readable(Path(below, file))}")
        yield from (Path(folder, name) for name in names)


def _readable(path: Path) -> str:
    """A path with the bytes escaped that are not UTF-8."""
    return os.fsencode(path).decode(errors="backslashreplace")


def list_files(source: str, ignored: Ignored) -> Iterator[StoredObject]:
    """The files under a folder, or the one file, that a `file://` URI names, in any order.

    Args:
        ignored: counts all other things that are found there.

    Raises:
        ConfigurationError, UnreachableError: a folder cannot be listed.
    """
    for path in _paths(Path(source.removeprefix("file://")), ignored):
        uri = f"file://{_readable(path)}"
        try:
            status = path.stat()
        except OSError:
            # A link to nothing has no size. Reading it fails, which counts as one failed object. Any other file has
            # been removed since its folder was listed, or reading it will say why it cannot be read.
            if os.path.lexists(path):
                yield StoredObject(uri, UNREADABLE, 0)
            continue
        if not stat.S_ISREG(status.st_mode):  # reading a pipe would block for ever
            ignored.add(uri)
        elif uri != f"file://{path.as_posix()}":
            # Neither the ledger nor a URI can hold a name that is not valid text: the file becomes one failed object.
            yield StoredObject(uri, UNREADABLE, 0)
        else:
            yield StoredObject(uri, file_version(status), status.st_size, status.st_mtime)


def file_version(status: os.stat_result) -> str:
    """Version of a local file: its size and modification time."""
    return f"{status.st_size}-{status.st_mtime_ns}"
