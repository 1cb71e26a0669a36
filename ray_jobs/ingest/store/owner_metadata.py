"""Read what the owner of an object says about it: the parts of its path, its sidecar, its user metadata, its tags.

Whatever is wrong in a sidecar costs the values in it, and a note in the ledger: the object itself is searched. But a
sidecar that cannot be read now fails the object, or leaves its rows as they are: without it, a value of a weaker origin
would take the place of its own.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from ingest.common.errors import ObjectError
from ingest.common.failures import Failure
from ingest.common.owner_values import (
    MAX_SIDECAR_BYTES,
    SIDECAR,
    SIDECAR_SUFFIX,
    STORED,
    Origin,
    OwnerValues,
    from_headers,
    from_path,
    from_sidecar,
    from_tags,
)
from ingest.store.object_reading import ReadSettings, object_tags, read_object, user_metadata
from ingest.store.sidecars import find_object


def owner_metadata(
    entry: Mapping[str, Any], headers: Mapping[str, str] | None, settings: ReadSettings
) -> dict[str, Any]:
    """What the metadata of an object, and of its rows, say of its owner's; see `ingest.common.owner_values`.

    Args:
        entry: the object's columns of `WORK_SCHEMA`.
        headers: its user metadata; None if it was not read, so that this takes a request.

    Raises:
        ObjectError: the object, its sidecar, or its tags cannot be read.
        UnreachableError, ConfigurationError: the store itself fails; no object is to blame.
    """
    source, version, origins = entry["source"], entry["version"], settings.origins
    found = OwnerValues()
    known: dict[str, Any] = {STORED: int(entry.get("modified") or 0)}
    if Origin.PATH in origins:
        found.add(from_path(source))
    if sidecar := entry.get("sidecar") or "":
        name = f"the sidecar {source.rpartition('/')[2]}{SIDECAR_SUFFIX}"
        try:
            content, known[SIDECAR] = _content(source + SIDECAR_SUFFIX, sidecar, entry["sidecar_size"], settings)
            found.add(from_sidecar(content))
        except _UnusableError as error:
            known[SIDECAR], found.problems[name] = error.version, str(error)
        except ValueError as error:
            found.problems[name] = f"it {error}"
        except ObjectError as error:
            if error.failure is not Failure.VANISHED:
                raise ObjectError(error.failure, f"{name} cannot be read: {error.problem}") from None
            found.problems[name] = error.message
    if Origin.OBJECT in origins:
        found.add(from_headers(user_metadata(source, version, settings) if headers is None else headers))
    if Origin.TAGS in origins:
        try:
            found.add(from_tags(object_tags(source, settings)))
        except ObjectError as error:
            raise ObjectError(error.failure, f"its tags cannot be read, as --metadata wants: {error.problem}") from None
    return {**found.as_metadata(), **known}


class _UnusableError(Exception):
    """A version of a sidecar can never be used; the text says why."""

    def __init__(self, version: str, problem: str) -> None:
        super().__init__(problem)
        self.version = version


def _content(source: str, version: str, size: int, settings: ReadSettings, again: bool = True) -> tuple[bytes, str]:
    """The content of a sidecar and its version, which is another one if it was replaced since it was listed.

    Args:
        again: whether another version may be read if this one is there no more.

    Raises:
        _UnusableError: this version can never be used.
        ObjectError: it cannot be read now.
    """
    if size > MAX_SIDECAR_BYTES:
        raise _UnusableError(version, f"it has more than {MAX_SIDECAR_BYTES} bytes")
    try:
        return read_object(source, version, size, replace(settings, max_bytes=MAX_SIDECAR_BYTES)), version
    except ObjectError as error:
        now = find_object(source) if again and error.failure is Failure.CHANGED_DURING_RUN else None
        if now is not None:
            return _content(source, now.version, now.size, settings, again=False)
        if error.failure is Failure.TOO_LARGE:
            raise _UnusableError(version, f"it has more than {MAX_SIDECAR_BYTES} bytes when decompressed") from None
        if not error.failure.may_pass:
            raise _UnusableError(version, error.message) from None
        raise
