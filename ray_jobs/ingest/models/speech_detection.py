"""Finds the speech in a part of a recording, with Silero's voice activity detection that faster-whisper includes.

The detection misses voices of a telephone, 300 to 3400 Hz with some noise, that are as loud as speech usually is, and
hears the same voices when they are quiet. So a part is heard twice, as it is and at the volume at which most voices are
found. Where that finds much more, it counts; elsewhere the stretches of the first time stay as they are.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ingest.common.loudness import loudness
from ingest.common.speech import SAMPLE_RATE

_QUIET = 10 ** (-46 / 20)
"""Loudness of the second time, as the root mean square of the loudest second; full scale is 1."""

_MUCH_MORE = 1.1
"""Ratio of the second time's speech to the first one's from which the second counts."""

_LEAST_ALONE = 1.25 * SAMPLE_RATE
"""Samples, 0.8 s of padding included, from which speech counts that is found the second time alone: single notes of
music are shorter."""

Stretch = tuple[int, int]
"""The first sample of some speech, and the one behind it."""


def speech_in(samples: np.ndarray, longest: int) -> list[Stretch]:
    """Return the stretches with speech in order, none longer than `longest` samples.

    Args:
        samples: float32 from -1 to 1, mono, 16 kHz.
    """
    first = _heard(samples, longest)
    level = loudness(samples)
    if not level:
        return first
    second = _heard(samples * np.float32(_QUIET / level), longest)
    found: list[Stretch] = []
    for here, there in _groups(first, second):
        least = _MUCH_MORE * _length(here) if here else _LEAST_ALONE
        found += there if _length(there) > least else here
    return found


def _heard(samples: np.ndarray, longest: int) -> list[Stretch]:
    from faster_whisper.vad import VadOptions, get_speech_timestamps

    # The values of BatchedInferencePipeline.
    options = VadOptions(max_speech_duration_s=longest / SAMPLE_RATE, min_silence_duration_ms=160)
    return [(part["start"], part["end"]) for part in get_speech_timestamps(samples, options)]


def _groups(first: list[Stretch], second: list[Stretch]) -> Iterator[tuple[list[Stretch], list[Stretch]]]:
    """The stretches of both times, in groups that overlap."""
    group: tuple[list[Stretch], list[Stretch]] = ([], [])
    last = 0
    for stretch, number in sorted([(stretch, 0) for stretch in first] + [(stretch, 1) for stretch in second]):
        if stretch[0] >= last:
            yield group
            group = ([], [])
        group[number].append(stretch)
        last = max(last, stretch[1])
    yield group


def _length(stretches: list[Stretch]) -> int:
    return sum(end - start for start, end in stretches)
