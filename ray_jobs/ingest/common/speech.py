"""Recorded speech, which the decoder hands to the model that transcribes it."""

from __future__ import annotations

from dataclasses import dataclass

SAMPLE_RATE = 16_000
"""In Hz: Whisper was trained on this rate."""


@dataclass(frozen=True, slots=True)
class Segment:
    """The speech from `start` to `end`, in seconds from the first sample."""

    start: float
    end: float
    text: str
