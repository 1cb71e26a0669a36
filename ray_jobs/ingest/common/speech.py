"""Recorded speech, between the decoder and the model that transcribes it."""

from __future__ import annotations

from dataclasses import dataclass

SAMPLE_RATE = 16_000
"""Hz: the rate that Whisper was trained on."""


@dataclass(frozen=True, slots=True)
class Segment:
    """What is said from `start` to `end`, in seconds from the first sample."""

    start: float
    end: float
    text: str
