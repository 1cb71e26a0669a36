"""Makes very quiet recordings audible for models, which hear speech down to about -75 dB of full scale only.

All other recordings stay as they are. Neither silence nor noise becomes speech by it: the voice activity detection
takes noise of any loudness for noise.
"""

from __future__ import annotations

import numpy as np

from ingest.common.speech import SAMPLE_RATE

FULL_SCALE = 32768

_QUIET = 10 ** (-60 / 20) * FULL_SCALE
"""Loudness, as the root mean square of the loudest second, below which a recording is amplified."""

_TARGET = 10 ** (-26 / 20) * FULL_SCALE
"""The loudness that it gets: the usual one of speech (ITU-T P.56 and G.711 work with -26 dB)."""

_MAX_GAIN = 10 ** (50 / 20)
"""It amplifies the noise of the last bit, at -98 dB, to at most -48 dB."""

_PART = 600
"""Seconds that are measured at once."""


def gain(samples: np.ndarray) -> float:
    """The factor that makes a very quiet recording as loud as usual speech; 1 for any other.

    Args:
        samples: int16, mono, 16 kHz; may be mapped from a file.
    """
    return gain_at(loudness(samples))


def gain_at(level: float) -> float:
    """The gain of a recording of that loudness."""
    return min(_TARGET / level, _MAX_GAIN) if 0 < level < _QUIET else 1.0


def is_loud(level: float) -> bool:
    """Whether a recording is loud enough as it is, as soon as a part of it has that loudness."""
    return level >= _QUIET


def loudness(samples: np.ndarray) -> float:
    """The root mean square of the loudest second, in the unit of the samples."""
    loudest = 0.0
    for offset in range(0, len(samples), _PART * SAMPLE_RATE):
        part = samples[offset : offset + _PART * SAMPLE_RATE].astype(np.float32)
        seconds = np.pad(part, (0, -len(part) % SAMPLE_RATE)).reshape(-1, SAMPLE_RATE)
        loudest = max(loudest, float(np.sqrt(np.square(seconds).mean(1)).max()))
    return loudest


def scaled(samples: np.ndarray, gain: float) -> np.ndarray:
    """The samples as float32 from -1 to 1, amplified."""
    return np.clip(samples.astype(np.float32) * np.float32(gain / FULL_SCALE), -1, 1)
