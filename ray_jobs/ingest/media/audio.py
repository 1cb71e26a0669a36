"""Extracts the audio of a file as 16 kHz mono PCM, decoded and written packet by packet."""

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
from ingest.media.container import (
    StreamDamage,
    container_start,
    decodable_streams,
    decode_packet,
    open_media,
    packets,
    seconds,
)

_BYTES_PER_SAMPLE = 2
_MIN_GAP = 0.1
"""Seconds between two packets from which the gap is filled with silence; less is rounding of time stamps."""
_MAX_GAP = 600.0
"""Seconds by which time stamps may jump; a larger jump is an error and is ignored."""


@dataclass(frozen=True, slots=True)
class ExtractedAudio:
    """The audio that was written.

    Attributes:
        samples: number of samples.
        start: seconds from the container's start to the first sample.
        codec: name of the codec, or None if no stream could be decoded.
        damage: defects of the stream.
    """

    samples: int
    start: float
    codec: str | None
    damage: StreamDamage

    @property
    def seconds(self) -> float:
        """Length in seconds."""
        return self.samples / SAMPLE_RATE


def too_long_error(limit: float) -> ObjectError:
    """Return the error for a file that is longer than `limit` seconds."""
    return ObjectError(Failure.TOO_LONG, f"the file is longer than the limit of {limit:g} s", limit=limit)


def extract_audio(path: str, target: str, max_seconds: float, stop: Event) -> ExtractedAudio:
    """Write the first decodable audio stream to `target` as 16 kHz mono signed 16-bit little-endian PCM.

    Gaps in the time stamps become silence, so that the time of sample n is `start` + n / 16,000 s.

    Args:
        path: the media file.
        target: the file to write.
        max_seconds: longest file that is accepted.
        stop: ends the extraction early when set.

    Raises:
        ObjectError: `TooLong`, and as in `open_media`.
    """
    total = StreamDamage()
    with open_media(path) as container:
        indices = [stream.index for stream in decodable_streams(container, "audio")]
    for index in indices:
        with open_media(path) as container, Path(target).open("wb") as file:
            stream = cast(AudioStream, container.streams[index])
            stream.codec_context.thread_count = 1
            writer = _PcmWriter(file, max_seconds)
            damage = StreamDamage()
            start = container_start(container)
            for packet in packets(container, stream, damage):
                if stop.is_set():
                    break
                for frame in decode_packet(stream.codec_context.decode, packet, damage):
                    writer.add(frame, seconds(frame.pts, stream.time_base, start))
            for frame in decode_packet(stream.codec_context.decode, None, damage):
                writer.add(frame, seconds(frame.pts, stream.time_base, start))
            writer.finish()
            if writer.samples:
                return ExtractedAudio(writer.samples, writer.start, stream.codec_context.name, damage)
            total.skipped += damage.skipped
            total.encrypted |= damage.encrypted
            total.cut_off |= damage.cut_off
    return ExtractedAudio(0, 0.0, None, total)


class _PcmWriter:
    """Resamples frames and writes them, with silence in gaps."""

    def __init__(self, file: BinaryIO, max_seconds: float) -> None:
        self._file = file
        self._max_seconds = max_seconds
        self._resampler: av.AudioResampler | None = None
        self._format: tuple[str, str, int] | None = None
        self._time_shift = 0.0
        self._seconds_written = 0.0
        self.samples = 0
        self.start = 0.0

    def add(self, frame: AudioFrame, time: float | None) -> None:
        """Add a decoded frame that is heard at `time`."""
        if not frame.samples or not frame.sample_rate:
            return
        if self._format is None:
            self.start = time or 0.0
        elif time is not None:
            self._fill_gap(time)
        format_ = (frame.format.name, frame.layout.name, frame.sample_rate)
        if format_ != self._format:  # the format may change within a stream
            self._flush()
            self._resampler = av.AudioResampler("s16", "mono", SAMPLE_RATE)
            self._format = format_
        frame.pts = None  # otherwise the resampler would fill gaps, too
        assert self._resampler is not None
        self._seconds_written += frame.samples / frame.sample_rate
        self._write(self._resampler.resample(frame))

    def finish(self) -> None:
        """Write the samples that are still in the resampler."""
        self._flush()

    def _fill_gap(self, time: float) -> None:
        gap = time + self._time_shift - self.start - self._seconds_written
        if abs(gap) > _MAX_GAP:
            self._time_shift -= gap
        elif gap > _MIN_GAP:
            self._flush()
            self._format = None
            silence = round(gap * SAMPLE_RATE)
            self._seconds_written += gap
            while silence > 0:
                part = min(silence, SAMPLE_RATE)
                self._put(bytes(part * _BYTES_PER_SAMPLE), part)
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
            raise too_long_error(self._max_seconds)
        self._file.write(data)
