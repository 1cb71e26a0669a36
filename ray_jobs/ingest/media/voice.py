"""Finds out whether anybody speaks in a recording, with Silero's voice activity detection that faster-whisper includes.

It needs about a second of CPU for five minutes, a small part of a transcription, and stops as soon as it knows.
"""

from __future__ import annotations

import numpy as np

from ingest.common.loudness import gain, scaled
from ingest.common.speech import SAMPLE_RATE

_WINDOW = 30 * SAMPLE_RATE
_LEAST_SECONDS = 1.0
_LEAST_SHARE = 0.02
"""Share of a recording that is speech where somebody speaks; the sound of a game has a few calls."""


def speech_seconds(path: str) -> tuple[float, bool]:
    """Return the seconds of speech that were found, and whether they are enough for a recording of somebody.

    Args:
        path: a file of 16 kHz mono signed 16-bit little-endian PCM.
    """
    from faster_whisper.vad import VadOptions, get_speech_timestamps

    samples = np.memmap(path, "<i2", "r")
    options = VadOptions(min_speech_duration_ms=250, min_silence_duration_ms=160, speech_pad_ms=0)
    enough = max(_LEAST_SECONDS, _LEAST_SHARE * len(samples) / SAMPLE_RATE)
    found, factor = 0.0, gain(samples)
    for offset in range(0, len(samples), _WINDOW):
        window = scaled(samples[offset : offset + _WINDOW], factor)
        found += sum(part["end"] - part["start"] for part in get_speech_timestamps(window, options)) / SAMPLE_RATE
        if found >= enough:
            return found, True
    return found, False
