"""Objects of the store, as every package knows them."""

from __future__ import annotations

from dataclasses import dataclass

PARTLY_READ = "partly_read"
"""Key in an object's `metadata`: a sentence that says what of it could not be read, though the rest could."""


@dataclass(frozen=True, slots=True)
class StoredObject:
    """An object as the store lists it. `source` is its full URI, `size` is in bytes."""

    source: str
    version: str
    size: int
