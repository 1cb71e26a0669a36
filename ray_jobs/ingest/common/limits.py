"""The limits on the cost of parsing one object."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """The most that parsing one object may take.

    Attributes:
        seconds: wall time from the start, or from the last progress that the parser reported.
        memory_bytes: memory in addition to that of the idle parser.
        pages: pages of a document.
        pixels: pixels of an image.
        media_seconds: playing time of a recording.
    """

    seconds: float = 300.0
    memory_bytes: int = 4_000_000_000
    pages: int = 20_000
    pixels: int = 200_000_000
    media_seconds: float = 12 * 3600
