"""Read what the owner of an object says about it: the parts of its path, its sidecar, its user metadata, its tags.

Whatever is wrong with a sidecar costs the values in it, and a note in the ledger: the object itself is searched.
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


def owner_metadata(
    entry: Mapping[str, Any], headers: Mapping[str, str] | None, settings: ReadSettings
) -> dict[str, Any]:
    """What the metadata of an object, and of its rows, say of its owner's; see `ingest.common.owner_values`.

    Args:
        entry: the object's columns of `WORK_SCHEMA`.
        headers: its user metadata; None if it was not read, so that this takes a request.

    Raises:
        ObjectError: the object, or its tags, cannot be read.
        UnreachableError, ConfigurationError: the store itself fails; no object is to blame.
    """
    source, version, origins = entry["source"], entry["version"], settings.origins
    found = OwnerValues()
    known: dict[str, Any] = {STORED: int(entry.get("modified") or 0)}
    if Origin.PATH in origins:
        found.add(from_path(source))
    if sidecar := entry.get("sidecar") or "":
        known[SIDECAR] = sidecar
        name = f"the sidecar {source.rpartition('/')[2]}{SIDECAR_SUFFIX}"
        try:
            found.add(from_sidecar(_content(source + SIDECAR_SUFFIX, sidecar, entry["sidecar_size"], settings)))
        except ValueError as error:
            found.problems[name] = f"it {error}"
        except ObjectError as error:
            found.problems[name] = error.message
            if error.failure.may_pass and error.failure is not Failure.VANISHED:
                del known[SIDECAR]  # so that the next run reads it again
    if Origin.OBJECT in origins:
        found.add(from_headers(user_metadata(source, version, settings) if headers is None else headers))
    if Origin.TAGS in origins:
        try:
            found.add(from_tags(object_tags(source, settings)))
        except ObjectError as error:
            raise ObjectError(error.failure, f"its tags cannot be read, as --metadata wants: {error.problem}") from None
    return {**found.as_metadata(), **known}


def _content(source: str, version: str, size: int, settings: ReadSettings) -> bytes:
    if size > MAX_SIDECAR_BYTES:
        raise ValueError(f"has more than {MAX_SIDECAR_BYTES} bytes")
    return read_object(source, version, size, replace(settings, max_bytes=MAX_SIDECAR_BYTES))
