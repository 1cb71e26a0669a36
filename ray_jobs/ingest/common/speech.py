"""Recorded speech, which the decoder hands to the model that transcribes it."""

from __future__ import annotations

from dataclasses import dataclass

SAMPLE_RATE = 16_000
"""In Hz: Whisper was trained on this rate."""


@dataclass(frozen=True, slots=True)
class Segment:
    """The speech from `start` to `end`, in seconds from the first sample.

    `words`: the offset in the text, in characters, and the start of words behind the first one; empty if unknown.
    """

    start: float
    end: float
    text: str
    words: tuple[tuple[int, float], ...] = ()


@dataclass(frozen=True, slots=True)
class Language:
    """The language of a recording.

    Attributes:
        code: such as `en`.
        probability: from 0 to 1.
        mixed: whether several languages may be spoken.
    """

    code: str
    probability: float
    mixed: bool = False
