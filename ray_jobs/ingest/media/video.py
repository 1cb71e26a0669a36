"""Extracts the key frames of a video as squares for CLIP, and decodes as little as possible.

A video is a sequence of groups of pictures (GOPs): a key packet, which is a complete picture, and packets with the
changes after it. A new picture needs about as many bytes as a key packet, wherever it occurs. Therefore the sizes of
the packets, which are known without decoding, tell whether a scene can begin inside a GOP. If not, only the key packet
is decoded, otherwise the whole GOP. Nothing is decoded twice.

The module is longer than 300 lines because this is one pass over one stream, whose steps share their state.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event
from typing import Any, BinaryIO, cast

import numpy as np
from av.container import InputContainer
from av.packet import Packet
from av.video.frame import PictureType, VideoFrame
from av.video.reformatter import VideoReformatter
from av.video.stream import VideoStream

from ingest.common.hdr import as_shown
from ingest.media.audio import too_long_error
from ingest.media.container import (
    StreamDamage,
    decodable_streams,
    decode_packet,
    packets,
    seconds,
)
from ingest.media.keyframes import STEP, THUMBNAIL, KeyFrame, SceneDetector
from ingest.media.opaque import decoder, pixels
from ingest.media.opening import open_media
from ingest.media.timeline import Timeline
from ingest.media.upright import upright

_SLOT = 0.5
"""Bytes are summed over two slots of so many seconds, since a dissolve sends its new picture in many small parts."""
_SHORT_GOP = 0.5
"""Seconds; if key packets are at most this far apart, a scene of one second contains two of them."""
_NEW_PICTURE = 0.3
"""Minimum size of a coarsely quantised new picture, relative to the key packet."""
_STILL = 0.1
"""Size of one second of packets relative to the key packet, below which there is hardly any motion."""
_FLAT = 2048
"""Bytes below which a key packet shows almost nothing, such as one colour: its size says nothing about others."""
_FAST = 20
"""Frames per second from which non-reference frames are not decoded: enough others remain."""
_MAX_GOP_SECONDS = 15.0
"""Seconds of a GOP that are buffered to assess it; a longer one is decoded completely."""
_REORDERED = 0.5
"""Seconds by which a frame may precede the one before it; if by more, the time of that one is wrong."""
_CHANGES = (PictureType.P, PictureType.B, PictureType.S)
"""Types of frames that consist of changes to others."""
_MAX_GOP_BYTES = 64_000_000
"""Bytes of a GOP that are buffered."""


@dataclass(slots=True)
class ExtractedFrames:
    """The key frames that were written.

    Attributes:
        times: times of the key frames in seconds, in order.
        end: seconds at which the last packet of the file ends.
        facts: width, height, frames per second, rotation, codec.
        damage: defects of the stream, and the number of its packets: the frames that complete decoding would decode.
        decoded: number of decoded frames.
        is_film: the stream shows more than black frames, or a single picture.
    """

    times: list[float] = field(default_factory=list)
    end: float = 0.0
    facts: dict[str, Any] = field(default_factory=dict)
    damage: StreamDamage = field(default_factory=StreamDamage)
    decoded: int = 0
    is_film: bool = False


@dataclass(slots=True)
class _Gop:
    """The packets from one key packet to the next, or the beginning of them if `goes_on`."""

    packets: list[tuple[float, Packet]]
    end: float
    goes_on: bool

    @property
    def start(self) -> float:
        return self.packets[0][0]

    def largest_change(self) -> float:
        """Return the most bytes within any second after the key packet, relative to its own bytes."""
        key, rest = self.packets[0][1].size, self.packets[1:]
        if not rest:
            return 0.0
        if key < _FLAT:
            return float("inf")
        first, last = min(time for time, _ in rest), max(time for time, _ in rest)
        slots = np.zeros(int((last - first) / _SLOT) + 2)
        for time, packet in rest:
            slots[int((time - first) / _SLOT)] += packet.size
        return float((slots[:-1] + slots[1:]).max()) / key


@dataclass(frozen=True, slots=True)
class Sampling:
    """How key frames are chosen; see `SceneDetector`. `size` is the side length of a key frame in pixels."""

    size: int
    threshold: float
    min_interval: float
    max_interval: float
    max_frames: int
    max_seconds: float


def extract_frames(path: str, target: str, sampling: Sampling, stop: Event) -> ExtractedFrames:
    """Write the key frames of a video stream to `target`: uint8 RGB of shape (N, size, size, 3).

    It is the first stream that shows a film and not only black, or a single picture; if none does, the first one that
    can be decoded. Whenever there are more than `max_frames`, every second one is dropped and the minimum interval is
    doubled.

    Args:
        path: the media file.
        target: the file to write.
        sampling: how key frames are chosen.
        stop: ends the extraction early when set.

    Raises:
        ObjectError: `TooLong`, and as in `open_media`.
    """
    with open_media(path) as container:
        indices = [stream.index for stream in decodable_streams(container, "video")]
    best, lost = ExtractedFrames(), StreamDamage()
    for index in indices:
        written = Path(f"{target}.{index}" if best.times else target)
        result = ExtractedFrames()
        with open_media(path) as container, written.open("w+b") as file:
            frames = _FrameFile(file, sampling)
            stream = cast(VideoStream, container.streams[index])
            _KeyFrameReader(container, stream, result, sampling).run(frames, stop)
            result.times = frames.times
        if stop.is_set():
            break
        if not result.times:
            lost.add(result.damage)
            continue
        if not best.times or result.is_film:
            best = result
            written.replace(target)
        else:
            written.unlink()
        if result.is_film:
            break
    best.damage.add(lost)
    return best


class _FrameFile:
    """The file of key frames, with at most `max_frames` of them."""

    def __init__(self, file: BinaryIO, sampling: Sampling) -> None:
        self._file = file
        self._bytes = sampling.size * sampling.size * 3
        self._limit = max(2, sampling.max_frames)
        self.times: list[float] = []

    def add(self, frame: KeyFrame) -> bool:
        """Append a frame. Returns True if the file was full and every second frame has been dropped."""
        self._file.write(frame.picture.tobytes())
        self.times.append(frame.time)
        if len(self.times) <= self._limit:
            return False
        for kept, index in enumerate(range(0, len(self.times), 2)):
            self._file.seek(index * self._bytes)
            data = self._file.read(self._bytes)
            self._file.seek(kept * self._bytes)
            self._file.write(data)
        self.times = self.times[::2]
        self._file.truncate()
        return True


class _KeyFrameReader:
    """Decodes one stream and detects its scenes."""

    def __init__(
        self, container: InputContainer, stream: VideoStream, result: ExtractedFrames, sampling: Sampling
    ) -> None:
        self._container = container
        self._stream = stream
        self._codec = decoder(stream)
        self._codec.thread_count = 1
        if (stream.average_rate or 0) >= _FAST:
            self._codec.skip_frame = "NONREF"
        self._timeline = Timeline(container)
        self._result = result
        self._sampling = sampling
        self._interval = sampling.min_interval
        self._detector = SceneDetector(sampling.threshold, self._interval, sampling.max_interval)
        self._reformatter = VideoReformatter()
        self._last = self._latest = -STEP
        self._fed = 0.0
        self._began: float | None = None
        self._held: tuple[float, VideoFrame, bool, bool] | None = None

    def run(self, frames: _FrameFile, stop: Event) -> None:
        goes_on = False
        for gop in gops(self._timed_packets()):
            if stop.is_set():
                return
            key = gop.packets[0][1]
            hidden = key.is_keyframe and key.is_discard
            if hidden:  # decoders return only the frames behind it, which consist of changes to a picture that is there
                self._began = float("-inf")
            incomplete = goes_on or gop.goes_on or not key.is_keyframe or hidden
            seconds_long = gop.end - gop.start
            change = gop.largest_change()
            short = seconds_long <= max(_SHORT_GOP, self._interval)
            uniform = change < _NEW_PICTURE and seconds_long <= self._sampling.max_interval
            whole = incomplete or not (short or uniform)
            goes_on = gop.goes_on
            if not whole and 0 <= gop.end - self._latest < STEP:
                continue  # every packet is a key packet, as in MJPEG: a few per second are enough
            steady = not whole and change < _STILL and seconds_long >= 2 * STEP
            chosen = gop.packets if whole else gop.packets[:1]
            shown = whole
            for frame in self._decode(chosen, finish=not goes_on):
                shown = shown or not frame.is_corrupt
                for key_frame in self._hold(frame, steady, every=not whole):
                    self._keep(frames, key_frame)
            if not shown:  # without their key packet, the others show grey
                self._result.damage.skipped += len(gop.packets) - 1
        for key_frame in [*self._release(), *self._detector.finish()]:
            self._keep(frames, key_frame)
        self._result.is_film = self._detector.has_seen_light and self._result.damage.packets > 1

    def _keep(self, frames: _FrameFile, frame: KeyFrame) -> None:
        if frames.add(frame):
            self._interval = 2 * max(self._interval, STEP)
            self._detector.min_interval = self._interval

    def _timed_packets(self) -> Iterator[tuple[float, Packet]]:
        time = 0.0
        for packet in packets(self._container, self._stream, self._result.damage, self._timeline):
            stamp = packet.pts if packet.pts is not None else packet.dts
            known = seconds(stamp, packet.time_base)
            time = time if known is None else known
            self._result.end = self._timeline.end
            if time > self._sampling.max_seconds:
                raise too_long_error(self._sampling.max_seconds)
            yield time, packet

    def _decode(self, chosen: list[tuple[float, Packet]], finish: bool) -> Iterator[VideoFrame]:
        damage = self._result.damage
        for self._fed, packet in chosen:
            yield from decode_packet(self._codec.decode, packet, damage)
        if finish:
            yield from decode_packet(self._codec.decode, None, damage)
            self._codec.flush_buffers()

    def _hold(self, frame: VideoFrame, steady: bool, every: bool) -> Iterator[KeyFrame]:
        """Examine the frame before, unless this one shows that its time was wrong: it would hide all that follow."""
        self._result.decoded += 1
        # Not frame.time_base: PyAV does not set it for frames that the decoder returns when it is flushed.
        time = seconds(frame.pts if frame.pts is not None else frame.dts, self._stream.time_base)
        if time is None:  # a raw stream, whose frames have no time stamps
            time = self._fed
        if frame.is_corrupt or self._is_unfinished(frame, time):
            return
        if self._held is not None and self._held[0] - time > _REORDERED:
            self._held = None
        yield from self._release()
        self._held, self._latest = (time, frame, steady, every), time

    def _is_unfinished(self, frame: VideoFrame, time: float) -> bool:
        """Whether a frame consists of changes to pictures that are missing, since the file begins within a GOP."""
        if self._began is None:
            self._began = time
        if frame.pict_type in _CHANGES and not frame.key_frame and time - self._began < _MAX_GOP_SECONDS:
            return True
        self._began = float("-inf")
        return False

    def _release(self) -> Iterator[KeyFrame]:
        held, self._held = self._held, None
        if held is not None:
            yield from self._examine(*held)

    def _examine(self, time: float, frame: VideoFrame, steady: bool, every: bool) -> Iterator[KeyFrame]:
        if time <= self._last or (not every and time - self._last < STEP * 0.99):
            return
        self._last = time
        if not self._result.facts:
            self._result.facts = self._facts(frame)
        thumbnail = pixels(frame, self._reformatter, THUMBNAIL)
        yield from self._detector.add_frame(max(time, 0.0), thumbnail, steady, lambda: self._center_crop(frame))

    def _facts(self, frame: VideoFrame) -> dict[str, Any]:
        rate = self._stream.average_rate
        return {
            "width": frame.width,
            "height": frame.height,
            "fps": round(float(rate), 3) if rate else None,
            "rotation": frame.rotation % 360,
            "video_codec": self._stream.codec_context.name,
        }

    def _center_crop(self, frame: VideoFrame) -> np.ndarray:
        ratio = self._stream.sample_aspect_ratio
        return center_crop(frame, self._sampling.size, float(ratio) if ratio else 1.0)


def gops(timed: Iterable[tuple[float, Packet]]) -> Iterator[_Gop]:
    """Group the packets of a video stream, in decoding order, into GOPs of bounded size."""
    gop_packets: list[tuple[float, Packet]] = []
    size = 0
    for time, packet in timed:
        if gop_packets and packet.is_keyframe:
            yield _Gop(gop_packets, time, goes_on=False)
            gop_packets, size = [], 0
        elif gop_packets and (time - gop_packets[0][0] > _MAX_GOP_SECONDS or size > _MAX_GOP_BYTES):
            yield _Gop(gop_packets, time, goes_on=True)
            gop_packets, size = [], 0
        gop_packets.append((time, packet))
        size += packet.size
    if gop_packets:
        yield _Gop(gop_packets, max(time for time, _ in gop_packets), goes_on=False)


def center_crop(frame: VideoFrame, size: int, pixel_ratio: float = 1.0) -> np.ndarray:
    """Turn a frame upright, scale its shorter side to `size` and crop its centre, as open_clip prepares an image.

    Args:
        frame: the decoded frame.
        size: side length in pixels.
        pixel_ratio: width of a pixel divided by its height.

    Returns:
        uint8 array of shape (size, size, 3), RGB.
    """
    from PIL import Image

    image = Image.fromarray(pixels(frame))
    width, height = image.size
    if 0.2 < pixel_ratio < 5:
        width = max(1, round(width * pixel_ratio))
    scale = size / min(width, height)
    # torchvision.transforms.Resize rounds the longer side down.
    scaled = (size, int(height * scale)) if width <= height else (int(width * scale), size)
    image = upright(image.resize(scaled, Image.Resampling.BICUBIC), frame)
    left, top = round((image.width - size) / 2), round((image.height - size) / 2)
    return as_shown(np.asarray(image.crop((left, top, left + size, top + size)), np.uint8), int(frame.color_trc))
