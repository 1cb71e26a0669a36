"""Deterministic ids: the same work always gives the same ids, so that doing it twice leaves one result."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping

ID_LENGTH = 32
"""Hexadecimal characters of an id: with 128 bits, a collision is expected near 10^19 rows (birthday bound)."""


def _digest(parts: Iterable[str]) -> str:
    # Each part follows its length, because ("ab", "c") and ("a", "bc") must differ.
    framed = b"".join(len(data).to_bytes(8, "big") + data for data in (part.encode() for part in parts))
    return hashlib.sha256(framed).hexdigest()


def row_id(source: str, version: str, fingerprint: str, ordinal: int) -> str:
    """The primary key of the row number `ordinal` of `source` at `version`, processed under `fingerprint`."""
    return _digest((source, version, fingerprint, str(ordinal)))[:ID_LENGTH]


def row_ids(source: str, version: str, fingerprint: str, first: int, end: int) -> list[str]:
    """The primary keys of an object's rows from `first` up to, but not including, `end`."""
    return [row_id(source, version, fingerprint, ordinal) for ordinal in range(first, end)]


def fingerprint(pipeline: str, revision: int, settings: Mapping[str, object]) -> str:
    """A digest of everything that shapes the rows: 16 hexadecimal characters.

    Args:
        pipeline: the name of the pipeline.
        revision: the revision of the pipeline's code; its author raises it when the rows change.
        settings: models and chunking, as values that JSON can hold.
    """
    return _digest((pipeline, str(revision), json.dumps(settings, sort_keys=True)))[:16]


def model_key(model: str) -> str:
    """A digest of a model's identity, 8 hexadecimal characters, which tells collections of different models apart."""
    return _digest(("model", model))[:8]
