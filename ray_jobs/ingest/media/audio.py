"""The sound of a file as 16 kHz mono PCM: decoded packet by packet and written as it comes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from threading import Event
from typing import BinaryIO, cast

import av
from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream

from ingest.common.errors import ObjectError
from ingest.common.failures import Failure
from ingest.common.speech import SAMPLE_RATE
from ingest.media.container import Damage, attempt, decodable, opened, packets, seconds, start_seconds

_BYTES = 2
_GAP = 0.1
"""Seconds without sound between two packets from which silence is filled in; less is rounding of time stamps."""
_LONGEST_GAP = 600.0
"""Seconds; time stamps that jump further are wrong, and the sound goes on where it was."""


@dataclass(frozen=True, slots=True)
class Sound:
    """What was written.

    Attributes:
        samples: number of samples.
        start: seconds from the container's start to the first sample.
        codec: its name, or None where no stream could be decoded.
    """

    samples: int
    start: float
    codec: str | None
    damage: Damage

    @property
    def seconds(self) -> float:
        """Its length."""
        return self.samples / SAMPLE_RATE


def too_long(limit: float) -> ObjectError:
    """The error for a file that is longer than `limit` seconds."""
    return ObjectError(Failure.TOO_LONG, f"the file is longer than the limit of {limit:g} s", limit=limit)


def extract_audio(path: str, target: str, max_seconds: float, stop: Event) -> Sound:
    """Write the first audio stream that can be decoded to `target`: 16 kHz mono signed 16-bit little-endian.

    Gaps in the time stamps become silence, so that sample n is heard at `start` + n / 16,000 s.

    Args:
        stop: ends it early when set.

    Raises:
        ObjectError: `TooLong`, and those of `opened`.
    """
    total = Damage()
    with opened(path) as container:
        indices = [stream.index for stream in decodable(container, "audio")]
    for index in indices:
        with opened(path) as container, Path(target).open("wb") as file:
            stream = cast(AudioStream, container.streams[index])
            stream.codec_context.thread_count = 1
            writer = _Writer(file, max_seconds)
            damage = Damage()
            start = start_seconds(container)
            for packet in packets(container, stream, damage):
                if stop.is_set():
                    break
                for frame in attempt(stream.codec_context.decode, packet, damage):
                    writer.add(frame, seconds(frame.pts, stream.time_base, start))
            for frame in attempt(stream.codec_context.decode, None, damage):
                writer.add(frame, seconds(frame.pts, stream.time_base, start))
            writer.finish()
            if writer.samples:
                return Sound(writer.samples, writer.start, stream.codec_context.name, damage)
            total.skipped += damage.skipped
            total.encrypted |= damage.encrypted
            total.cut_off |= damage.cut_off
    return Sound(0, 0.0, None, total)


class _Writer:
    """Resamples frames and writes them."""

    def __init__(self, file: BinaryIO, max_seconds: float) -> None:
        self._file = file
        self._max_seconds = max_seconds
        self._resampler: av.AudioResampler | None = None
        self._kind: tuple[str, str, int] | None = None
        self._shift = 0.0
        self._heard = 0.0
        self.samples = 0
        self.start = 0.0

    def add(self, frame: AudioFrame, time: float | None) -> None:
        """A decoded frame, heard at `time`."""
        if not frame.samples or not frame.sample_rate:
            return
        if self._kind is None:
            self.start = time or 0.0
        elif time is not None:
            self._fill(time)
        kind = (frame.format.name, frame.layout.name, frame.sample_rate)
        if kind != self._kind:  # a stream may change while it runs
            self._flush()
            self._resampler = av.AudioResampler("s16", "mono", SAMPLE_RATE)
            self._kind = kind
        frame.pts = None  # the resampler would take them for its own and fill what is filled here
        assert self._resampler is not None
        self._heard += frame.samples / frame.sample_rate
        self._write(self._resampler.resample(frame))

    def finish(self) -> None:
        """Write what the resampler still holds."""
        self._flush()

    def _fill(self, time: float) -> None:
        gap = time + self._shift - self.start - self._heard
        if abs(gap) > _LONGEST_GAP:
            self._shift -= gap
        elif gap > _GAP:
            self._flush()
            self._kind = None
            silence = round(gap * SAMPLE_RATE)
            self._heard += gap
            while silence > 0:
                part = min(silence, SAMPLE_RATE)
                self._put(bytes(part * _BYTES), part)
                silence -= part

    def _flush(self) -> None:
        if self._resampler is not None:
            self._write(self._resampler.resample(None))
            self._resampler = None

    def _write(self, frames: list[AudioFrame]) -> None:
        for frame in frames:
            self._put(frame.to_ndarray().astype("<i2", copy=False).tobytes(), frame.samples)

    def _put(self, data: bytes, samples: int) -> None:
        self.samples += samples
        if self.samples > self._max_seconds * SAMPLE_RATE:
            raise too_long(self._max_seconds)
        self._file.write(data)
