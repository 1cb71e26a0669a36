"""Deterministic names: the same work always gives the same ids, so that doing it twice leaves one result."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping

ID_LENGTH = 32
"""Hexadecimal characters of an id: 128 bits, a collision is expected near 10^19 rows (birthday bound)."""


def _digest(parts: Iterable[str]) -> str:
    # A length before each part: ("ab", "c") and ("a", "bc") must differ.
    framed = b"".join(len(data).to_bytes(8, "big") + data for data in (part.encode() for part in parts))
    return hashlib.sha256(framed).hexdigest()


def row_id(source: str, version: str, fingerprint: str, ordinal: int) -> str:
    """Primary key of the row number `ordinal` that `source` at `version` gives under `fingerprint`."""
    return _digest((source, version, fingerprint, str(ordinal)))[:ID_LENGTH]


def row_ids(source: str, version: str, fingerprint: str, first: int, end: int) -> list[str]:
    """Primary keys of an object's rows `first` up to `end`."""
    return [row_id(source, version, fingerprint, ordinal) for ordinal in range(first, end)]


def fingerprint(pipeline: str, revision: int, settings: Mapping[str, object]) -> str:
    """Digest of everything that shapes the rows: 16 hexadecimal characters.

    Args:
        pipeline: name of the pipeline.
        revision: revision of the pipeline's code; raised by hand when its rows change.
        settings: models and chunking; values that JSON can hold.
    """
    return _digest((pipeline, str(revision), json.dumps(settings, sort_keys=True)))[:16]


def model_key(model: str) -> str:
    """What tells collections of different models apart: 8 hexadecimal characters of the digest of its identity."""
    return _digest(("model", model))[:8]
