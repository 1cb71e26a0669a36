"""Read objects of an S3 API or a local folder, only at the version that was listed.

This keeps the work deterministic: a task that Ray runs twice gives the same rows.
"""

from __future__ import annotations

import io
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ingest.common.errors import JobError, ObjectError, UnreachableError
from ingest.common.failures import Failure
from ingest.common.objects import is_under
from ingest.common.owner_values import DEFAULT_ORIGINS, Origin
from ingest.store.chunk_frames import remove_frames
from ingest.store.content_encoding import decode, encodings
from ingest.store.local_files import UNREADABLE, file_version
from ingest.store.object_store import is_s3
from ingest.store.s3_reading import S3Object, changed

CHUNK_BYTES = 1 << 20
"""Size of the pieces in which an object is saved to disk."""


@dataclass(frozen=True, slots=True)
class ReadSettings:
    """How objects are read.

    Attributes:
        sources: the sources of the run. The other objects under an object's source show whether the store answers; by
            default, those of the object's folder.
        max_bytes: larger objects fail.
        origins: where values of an object's owner are taken from.
    """

    sources: tuple[str, ...] = ()
    max_bytes: float = float("inf")
    origins: frozenset[Origin] = DEFAULT_ORIGINS

    def root(self, source: str) -> str:
        """The source of the run that an object is under; empty if there is none."""
        return next((root for root in self.sources if is_under(source, root)), "")

    def others(self, source: str) -> str:
        """The URI under which other objects than `source` are found."""
        return self.root(source) or source[: source.rfind("/") + 1]

    def check_size(self, size: int) -> None:
        """Raise ObjectError if an object of `size` bytes is too large."""
        if size > self.max_bytes:
            raise ObjectError(
                Failure.TOO_LARGE,
                f"the size of the object is {size / 1e6:.0f} MB, over the limit of {self.max_bytes / 1e6:.0f} MB",
                limit=self.max_bytes,
            )


DEFAULTS = ReadSettings()

Note = Callable[[Mapping[str, str]], object]
"""Takes the user metadata that come with an object; a local file has none."""


def read_object(
    source: str,
    version: str,
    size: int = 0,
    settings: ReadSettings = DEFAULTS,
    sleep: Callable[[float], None] = time.sleep,
    note: Note = lambda headers: None,
) -> bytes:
    """The bytes of an object.

    Args:
        size: its size in bytes according to the listing; 0 if it is not known.
        note: called with its user metadata.

    Raises:
        ObjectError: the object cannot be read, although the store answers: it was deleted, it has changed since it was
            listed, it is forbidden or broken.
        UnreachableError, ConfigurationError: the store itself fails; no object is to blame.
    """
    if not is_s3(source):
        with _listed(source, version, settings) as path:
            return path.read_bytes()
    content = b""

    def keep(body: Any) -> int:
        nonlocal content
        content = body.read()
        return len(content)

    found = S3Object(source, version, size, settings.others(source), sleep)
    encoding = found.read(keep)
    note(found.headers)
    body = io.BytesIO(content)
    remove_frames(body)
    if not encodings(encoding):
        return body.getvalue()
    target = io.BytesIO()
    decode(body, target, encoding, settings.max_bytes)
    return target.getvalue()


@contextmanager
def object_file(
    source: str,
    version: str,
    folder: Path,
    size: int = 0,
    settings: ReadSettings = DEFAULTS,
    sleep: Callable[[float], None] = time.sleep,
    note: Note = lambda headers: None,
) -> Iterator[Path]:
    """The path of a local file with the object's content; a download goes to disk without being held in memory.

    Args:
        folder: where a download is saved.
        size, note: as for `read_object`.

    Raises:
        ObjectError: as `read_object`; also if a local file changes during the block.
        JobError: the folder has no room for a download.
        UnreachableError, ConfigurationError: the store itself fails; no object is to blame.
    """
    if not is_s3(source):
        with _listed(source, version, settings) as path:
            yield path
        return
    # The suffix tells decoders what to expect; the rest of a key may not be valid in a file's name.
    target = folder / f"object{Path(source).suffix if source.isprintable() else ''}"

    def save(body: Any) -> int:
        with target.open("wb") as file:
            for chunk in body.iter_chunks(CHUNK_BYTES):
                file.write(chunk)
            return file.tell()

    try:
        found = S3Object(source, version, size, settings.others(source), sleep)
        encoding = found.read(save)
        with target.open("r+b") as saved:
            remove_frames(saved)
        if encodings(encoding):
            encoded = target.rename(folder / "encoded")
            with encoded.open("rb") as content, target.open("wb") as file:
                decode(content, file, encoding, settings.max_bytes)
            encoded.unlink()
    except OSError as error:
        raise JobError(
            f"an object cannot be saved in {folder.parent} of this node to be read ({error.strerror}); free some "
            "space, or set TMPDIR on the Ray nodes to a folder with more"
        ) from None
    note(found.headers)
    yield target


def user_metadata(
    source: str, version: str, settings: ReadSettings = DEFAULTS, sleep: Callable[[float], None] = time.sleep
) -> Mapping[str, str]:
    """The user metadata of an object at its version, by a request for nothing else; a local file has none.

    Raises:
        ObjectError, UnreachableError, ConfigurationError: as `read_object`.
    """
    if not is_s3(source):
        return {}
    found = S3Object(source, version, 0, settings.others(source), sleep)
    found.look()
    return found.headers


def object_tags(
    source: str, settings: ReadSettings = DEFAULTS, sleep: Callable[[float], None] = time.sleep
) -> list[Mapping[str, str]]:
    """The tags of an object, each with `Key` and `Value`; a local file has none.

    Raises:
        ObjectError, UnreachableError, ConfigurationError: as `read_object`.
    """
    if not is_s3(source):
        return []
    return S3Object(source, "", 0, settings.others(source), sleep).tags()


@contextmanager
def _listed(source: str, version: str, settings: ReadSettings) -> Iterator[Path]:
    """The path of a local file, after a check that before and after the block it has the version that was listed."""
    path = Path(source.removeprefix("file://"))
    try:
        if version == UNREADABLE:
            path.stat()
            raise FileNotFoundError
        yield path
        has_changed = file_version(path.stat()) != version
    except OSError as error:
        _assert_mounted(settings.root(source))
        if not isinstance(error, FileNotFoundError):
            raise ObjectError(Failure.UNREADABLE, f"the file cannot be read ({error.strerror})") from None
        if version == UNREADABLE:
            raise ObjectError(Failure.NO_SUCH_FILE, "its name is not UTF-8, or it is a link to nothing") from None
        raise ObjectError(Failure.VANISHED, "the file was removed after it was listed") from None
    if has_changed:
        raise changed()


def _assert_mounted(source: str) -> None:
    """Raise UnreachableError if the folder of the run, in which files were listed, is empty now or is gone."""
    root = Path(source.removeprefix("file://"))
    if not source.endswith("/"):
        return
    try:
        empty, problem = next(root.iterdir(), None) is None, "it is empty now, and was not when the run began"
    except OSError as error:
        empty, problem = True, str(error.strerror)
    if empty:
        raise UnreachableError(f"folder {str(root)!r} cannot be listed: {problem}; check that it is mounted")
