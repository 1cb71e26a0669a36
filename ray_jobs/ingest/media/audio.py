"""Extracts the audio of a file as 16 kHz mono PCM, decoded and written packet by packet."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from threading import Event
from typing import BinaryIO, cast

import av
import numpy as np
from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream

from ingest.common.errors import ObjectError
from ingest.common.failures import Failure
from ingest.common.sandbox_child import report_progress
from ingest.common.speech import SAMPLE_RATE
from ingest.media.container import (
    StreamDamage,
    decodable_streams,
    decode_packet,
    packets,
    seconds,
)
from ingest.media.downmix import downmix
from ingest.media.opening import open_media
from ingest.media.timeline import Timeline
from ingest.media.voice import speech_seconds

_BYTES_PER_SAMPLE = 2
_UNCLOCKED = ("aac", "ac3", "dts", "eac3", "mlp", "truehd")
"""Formats without time stamps: those that FFmpeg counts are wrong behind a change of the sample rate."""
_PROGRESS = 600 * SAMPLE_RATE
"""Samples that may each take as long as the limit of a file allows."""
_MIN_GAP = 0.1
"""Seconds between two packets from which the gap is filled with silence; less is rounding of time stamps."""


@dataclass(frozen=True, slots=True)
class ExtractedAudio:
    """The audio that was written.

    Attributes:
        samples: number of samples.
        start: seconds from the start of the file to the first sample.
        end: seconds at which the last packet of the file ends.
        codec: name of the codec, or None if no stream could be decoded.
        track: number of the stream among the audio streams of the file, from 1.
        damage: defects of the stream.
    """

    samples: int = 0
    start: float = 0.0
    end: float = 0.0
    codec: str | None = None
    track: int = 0
    damage: StreamDamage = field(default_factory=StreamDamage)

    @property
    def seconds(self) -> float:
        """Length in seconds."""
        return self.samples / SAMPLE_RATE


def too_long_error(limit: float) -> ObjectError:
    """Return the error for a file that is longer than `limit` seconds."""
    return ObjectError(Failure.TOO_LONG, f"the file is longer than the limit of {limit:g} s", limit=limit)


def extract_audio(path: str, target: str, max_seconds: float, stop: Event) -> ExtractedAudio:
    """Write the first audio stream in which somebody speaks to `target` as 16 kHz mono signed 16-bit little-endian PCM.

    If there is one stream alone, or nobody speaks in any, it is the first one that can be decoded. Gaps in the time
    stamps become silence, so that the time of sample n is `start` + n / 16,000 s.

    Args:
        path: the media file.
        target: the file to write.
        max_seconds: longest file that is accepted.
        stop: ends the extraction early when set.

    Raises:
        ObjectError: `TooLong`, and as in `open_media`.
    """
    with open_media(path) as container:
        indices = [stream.index for stream in decodable_streams(container, "audio")]
    best, most, lost = ExtractedAudio(), -1.0, StreamDamage()
    for index in indices:
        written = Path(target if len(indices) == 1 else f"{target}.{index}")  # `target` is read while it grows
        audio = _extract_stream(path, index, str(written), max_seconds, stop)
        if stop.is_set():
            break
        if not audio.samples:
            lost.add(audio.damage)
            continue
        speech, enough = speech_seconds(str(written)) if len(indices) > 1 else (0.0, True)
        if enough or speech > most:
            best, most = audio, speech
            written.replace(target)
        else:
            written.unlink()
        if enough:
            break
    return best if best.samples else ExtractedAudio(damage=lost)


def _extract_stream(path: str, index: int, target: str, max_seconds: float, stop: Event) -> ExtractedAudio:
    with open_media(path) as container, Path(target).open("wb") as file:
        stream = cast(AudioStream, container.streams[index])
        stream.codec_context.thread_count = 1
        writer, damage, timeline = _PcmWriter(file, max_seconds), StreamDamage(), Timeline(container)
        clock = None if container.format.name in _UNCLOCKED else stream.time_base
        for packet in packets(container, stream, damage, timeline):
            if stop.is_set():
                break
            for frame in decode_packet(stream.codec_context.decode, packet, damage):
                writer.add(frame, seconds(frame.pts, clock))
        for frame in decode_packet(stream.codec_context.decode, None, damage):
            writer.add(frame, seconds(frame.pts, clock))
        writer.finish()
        end = timeline.end if clock else writer.samples / SAMPLE_RATE
        track = 1 + [other.index for other in container.streams if other.type == "audio"].index(index)
        return ExtractedAudio(writer.samples, writer.start, end, stream.codec_context.name, track, damage)


class _PcmWriter:
    """Resamples frames and writes them as one channel, with silence in gaps."""

    def __init__(self, file: BinaryIO, max_seconds: float) -> None:
        self._file = file
        self._max_seconds = max_seconds
        self._resampler: av.AudioResampler | None = None
        self._format: tuple[str, str, int] | None = None
        self._channels = 1
        self._waiting: list[np.ndarray] = []
        self._waiting_samples = 0
        self._seconds_added = 0.0
        self.samples = 0
        self.start = 0.0

    def add(self, frame: AudioFrame, time: float | None) -> None:
        """Add a decoded frame that is heard at `time`."""
        if not frame.samples or not frame.sample_rate:
            return
        if self._format is None and not self._seconds_added:
            self.start = time or 0.0
        elif time is not None:
            self._fill_gap(time)
        format_ = (frame.format.name, frame.layout.name, frame.sample_rate)
        if format_ != self._format:  # the format may change within a stream
            self.finish()
            self._channels = frame.layout.nb_channels
            self._resampler = av.AudioResampler("s16", rate=SAMPLE_RATE)
            self._format = format_
        frame.pts = None  # otherwise the resampler would fill gaps, too
        assert self._resampler is not None
        self._seconds_added += frame.samples / frame.sample_rate
        self._collect(self._resampler.resample(frame))

    def finish(self) -> None:
        """Write the samples that wait in the resampler and for the downmix."""
        if self._resampler is not None:
            self._collect(self._resampler.resample(None))
            self._resampler = None
        self._mix()

    def _fill_gap(self, time: float) -> None:
        gap = time - self.start - self._seconds_added
        if gap > _MIN_GAP:
            self.finish()
            self._format = None
            silence = round(gap * SAMPLE_RATE)
            self._seconds_added += gap
            while silence > 0:
                part = min(silence, SAMPLE_RATE)
                self._put(bytes(part * _BYTES_PER_SAMPLE), part)
                silence -= part

    def _collect(self, frames: list[AudioFrame]) -> None:
        for frame in frames:
            self._waiting.append(frame.to_ndarray().reshape(-1, self._channels))
            self._waiting_samples += frame.samples
        if self._waiting_samples >= SAMPLE_RATE:
            self._mix()

    def _mix(self) -> None:
        if self._waiting:
            samples = np.concatenate(self._waiting)
            mono = samples if self._channels == 1 else downmix(samples)
            self._put(mono.astype("<i2", copy=False).tobytes(), len(mono))
            self._waiting, self._waiting_samples = [], 0

    def _put(self, data: bytes, samples: int) -> None:
        if self.samples // _PROGRESS < (self.samples + samples) // _PROGRESS:
            report_progress()  # the length is bounded
        self.samples += samples
        if self.samples > self._max_seconds * SAMPLE_RATE:
            raise too_long_error(self._max_seconds)
        self._file.write(data)
