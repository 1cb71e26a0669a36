"""Divides a recording for its transcription: into windows that end in silence, and their speech into clips.

The clips of a window that lie beside each other are a stretch, which one actor transcribes, whoever transcribes the
others. Where a window begins depends on the speech of the one before it, so the windows are found one after the other.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import accumulate

import numpy as np

from ingest.common.loudness import gain, scaled
from ingest.common.speech import SAMPLE_RATE
from ingest.models.speech_detection import Stretch as Part
from ingest.models.speech_detection import speech_in

WINDOW = 600 * SAMPLE_RATE
"""Samples: ten minutes, 38 MB as float32."""

_MAX_CLIP = 28 * SAMPLE_RATE
"""Samples of the longest clip. Whisper reads 30 s; in the silence after the clip it closes its last sentence with a
time stamp."""

_MAX_PAUSE = 3 * SAMPLE_RATE
"""Samples of the longest pause in a clip: Whisper fills longer ones with words that nobody said."""

_MIN_HALVED = 2 * SAMPLE_RATE
"""Samples of a clip from which it may be halved."""

_LANGUAGE_CLIPS = 4
"""Clips of a window whose language is detected."""


@dataclass(frozen=True, slots=True)
class Clip:
    """A continuous part of a window, pauses included: the first and last sample of each part with speech, in order."""

    speech: list[Part]

    @property
    def start(self) -> int:
        return self.speech[0][0]

    @property
    def end(self) -> int:
        return self.speech[-1][1]

    def halves(self) -> list[Clip]:
        """Two parts with about as much speech, divided in a pause; none if the clip is a single phrase."""
        if len(self.speech) < 2 or self.end - self.start < _MIN_HALVED:
            return []
        middle = sum(end - start for start, end in self.speech) / 2
        before = [0, *accumulate(end - start for start, end in self.speech)]
        cut = min(range(1, len(self.speech)), key=lambda count: abs(before[count] - middle))
        return [Clip(self.speech[:cut]), Clip(self.speech[cut:])]

    def after(self, seconds: float, least: float) -> Clip | None:
        """The speech after a time, or None if it is not longer than `least` seconds."""
        first = round(seconds * SAMPLE_RATE)
        speech = [(max(start, first), end) for start, end in self.speech if end > first]
        length = sum(end - start for start, end in speech)
        return Clip(speech) if length > least * SAMPLE_RATE and length < self.end - self.start else None


@dataclass(frozen=True, slots=True)
class Window:
    """A part of a recording.

    Attributes:
        offset: its first sample.
        end: the sample behind it, with which the next window begins.
        clips: its speech, in samples from `offset`.
    """

    offset: int
    end: int
    clips: list[Clip]


@dataclass(frozen=True, slots=True)
class Stretch:
    """Clips of a window that lie beside each other.

    Attributes:
        number: its number among the stretches of the recording, from 0.
        last: whether no other follows.
        offset: the first sample of the window in the recording.
        clips: in samples of the window.
        gain: what makes the recording loud enough: see `loudness.gain`.
        begin, end: the samples of the recording that it stands for, with the silence before it; all stretches together
            stand for the whole recording.
    """

    number: int
    last: bool
    offset: int
    clips: list[Clip]
    gain: float
    begin: int
    end: int

    @property
    def span(self) -> tuple[int, int]:
        """Its first sample in the recording, and the one behind it."""
        if not self.clips:
            return self.offset, self.offset
        return self.offset + self.clips[0].start, self.offset + self.clips[-1].end

    def window(self, sound: np.ndarray) -> np.ndarray:
        """The window, of which nothing but `sound` is known: float32 samples with the same numbers, so that times are
        rounded as in the whole window. What is not known takes no memory."""
        if not self.clips:
            return np.zeros(0, np.float32)
        start = self.clips[0].start
        window = np.zeros(start + len(sound), np.float32)
        window[start:] = scaled(sound, self.gain)
        return window

    def to_json(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Stretch:
        """The stretch of which `to_json` returned the text."""
        fields = json.loads(text)
        fields["clips"] = [Clip([(start, end) for start, end in clip["speech"]]) for clip in fields["clips"]]
        return cls(**fields)


def find_window(samples: np.ndarray, offset: int, follows: bool) -> Window:
    """The window of a recording that begins with a sample.

    Args:
        samples: from that sample on, as many as a window has at most: float32, 16 kHz mono.
        offset: the number of that sample.
        follows: whether the recording has other samples behind these.
    """
    speech = speech_in(samples, _MAX_CLIP)
    end = offset + len(samples)
    if follows and speech and speech[-1][1] > len(samples) - SAMPLE_RATE and speech[-1][0] > 0:
        end = offset + speech.pop()[0]  # speech at the end of a window begins the next one
    return Window(offset, end, list(_clips(speech)) if speech else [])


def find_window_of_file(path: str, offset: int, factor: float, length: int, follows: bool) -> Window | None:
    """`find_window` for a recording in a file of PCM: int16, to be multiplied by `factor`, its gain.

    Args:
        length: the most samples of a window.

    Returns:
        The window, or None if the file ends too early.
    """
    samples = np.fromfile(path, "<i2", length, offset=2 * offset)
    return find_window(scaled(samples, factor), offset, follows) if len(samples) == length or not follows else None


def prepare_windows() -> None:
    """Import and load what `find_window_of_file` needs."""
    speech_in(np.zeros(SAMPLE_RATE, np.float32), _MAX_CLIP)


def windows(samples: np.ndarray) -> Iterator[tuple[Window, np.ndarray]]:
    """The windows of a recording with speech, and their float32 samples.

    Args:
        samples: the recording, int16, 16 kHz mono.
    """
    offset, factor = 0, gain(samples)
    while offset < len(samples):
        sound = scaled(samples[offset : offset + WINDOW], factor)
        window = find_window(sound, offset, offset + len(sound) < len(samples))
        if window.clips:
            yield window, sound
        offset = window.end


def stretches(found: Iterable[Window], factor: float, most: int) -> Iterator[Stretch]:
    """The stretches of a recording, at least one; the last one after all windows.

    Args:
        found: its windows.
        factor: its gain.
        most: the most clips of a stretch; those of a window have about as many as each other.
    """
    number, offset, begin, end = 0, 0, 0, 0
    waiting: list[Clip] = []
    for window in found:
        for clips in _divided(window.clips, most):
            if waiting:
                behind = offset + waiting[-1].end
                yield Stretch(number, False, offset, waiting, factor, begin, behind)
                number, begin = number + 1, behind
            offset, waiting = window.offset, clips
        end = window.end
    yield Stretch(number, True, offset, waiting, factor, begin, end)


def for_language(clips: Sequence[Clip]) -> list[Clip]:
    """The clips of a window whose language is detected."""
    spread = np.linspace(0, len(clips) - 1, min(len(clips), _LANGUAGE_CLIPS)).round().astype(int)
    return [clips[index] for index in spread]


def _divided(clips: list[Clip], most: int) -> Iterator[list[Clip]]:
    count = -(-len(clips) // most)
    for part in range(count):
        yield clips[part * len(clips) // count : (part + 1) * len(clips) // count]


def _clips(speech: list[Part]) -> Iterator[Clip]:
    parts = speech[:1]
    for start, end in speech[1:]:
        if end - parts[0][0] > _MAX_CLIP or start - parts[-1][1] > _MAX_PAUSE:
            yield Clip(parts)
            parts = []
        parts.append((start, end))
    yield Clip(parts)
