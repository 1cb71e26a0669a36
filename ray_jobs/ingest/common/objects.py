"""The objects of the object store."""

from __future__ import annotations

from dataclasses import dataclass

PARTLY_READ = "partly_read"
"""Key in an object's `metadata`: a sentence that names the parts that could not be read, although the rest could."""


@dataclass(frozen=True, slots=True)
class StoredObject:
    """An object in a listing of the store.

    `source` is its full URI, `size` is in bytes, `modified` in seconds since 1970 (UTC), and 0 where unknown. `sidecar`
    is the version of its sidecar, `""` if it has none, and None if nobody looked for one.
    """

    source: str
    version: str
    size: int
    modified: float = 0.0
    sidecar: str | None = None
    sidecar_size: int = 0


def is_under(name: str, source: str) -> bool:
    """Whether the object `name` is under `source`. A source is a prefix, unless it is the path of a local file."""
    return name.startswith(source) and (source.endswith("/") or not source.startswith("file://") or name == source)
