"""The limits on the cost of parsing one object."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """What parsing one object may cost: wall time in seconds, memory in bytes on top of the idle parser's, pages of a
    document, pixels of an image, seconds that a recording plays."""

    seconds: float = 300.0
    memory_bytes: int = 4_000_000_000
    pages: int = 20_000
    pixels: int = 200_000_000
    media_seconds: float = 12 * 3600
