"""The key frames of a file as squares for CLIP, with as little decoding as they need.

A video is a row of groups: a key packet, which is a picture of its own, and packets that say what changes after it.
Another picture needs about as many bytes as a key packet, wherever it comes. So the sizes of the packets, which cost
nothing to know, tell of each group before any of it is decoded whether a scene can begin inside it. If not, its key
packet is decoded alone; if so, the whole group is. Nothing is decoded twice.
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
from av.video.frame import VideoFrame
from av.video.reformatter import VideoReformatter
from av.video.stream import VideoStream

from ingest.media.audio import too_long
from ingest.media.container import Damage, attempt, decodable, opened, packets, seconds, start_seconds
from ingest.media.keyframes import STEP, THUMBNAIL, KeyFrame, SceneDetector

_SLOT = 0.5
"""Seconds; bytes are summed over two of these, since a dissolve sends its new picture in many small parts."""
_SHORT_GROUP = 0.5
"""Seconds; where key packets are as close as this, two of them fall into a scene of a second."""
_NEW_PICTURE = 0.3
"""The part of a key packet's bytes that a new picture takes at least, coarsely quantised."""
_STILL = 0.1
"""The part of a key packet's bytes in a second under which nothing much moves."""
_FLAT = 2048
"""Bytes of a key packet that shows next to nothing, such as one colour: its size tells nothing of other pictures."""
_FAST = 20
"""Frames in a second from which those that no other refers to are not decoded: enough are left to look at."""
_LONGEST_GROUP = 15.0
"""Seconds of a group that are kept to judge it; a longer one is decoded whole."""
_LARGEST_GROUP = 64_000_000
"""Bytes of a group that are kept."""


@dataclass(slots=True)
class Pictures:
    """What was written.

    Attributes:
        times: seconds of the frames, in order.
        end: seconds at which the last packet begins.
        facts: width, height, frames a second, rotation, codec.
        decoded: frames that were decoded.
        packets: packets that were read: what decoding all would have decoded.
    """

    times: list[float] = field(default_factory=list)
    end: float = 0.0
    facts: dict[str, Any] = field(default_factory=dict)
    damage: Damage = field(default_factory=Damage)
    decoded: int = 0
    packets: int = 0


@dataclass(slots=True)
class _Group:
    """Packets from a key packet to the next; `goes_on` if more of it follow."""

    packets: list[tuple[float, Packet]]
    end: float
    goes_on: bool

    @property
    def start(self) -> float:
        return self.packets[0][0]

    def news(self) -> float:
        """The most bytes that come within a second after the key packet, as a part of its own bytes."""
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


def extract_frames(path: str, target: str, sampling: Sampling, stop: Event) -> Pictures:
    """Write the key frames of the first real video stream to `target`: uint8, N x size x size x 3.

    Where there are more than `max_frames`, every second one is dropped and the least distance doubled, as often as it
    takes.

    Args:
        stop: ends it early when set.

    Raises:
        ObjectError: `TooLong`, and those of `opened`.
    """
    result = Pictures()
    with opened(path) as container:
        indices = [stream.index for stream in decodable(container, "video")]
    for index in indices:
        with opened(path) as container, Path(target).open("w+b") as file:
            store = _Store(file, sampling)
            _Reader(container, cast(VideoStream, container.streams[index]), result, sampling).run(store, stop)
            result.times = store.times
            if store.times:
                return result
    return result


class _Store:
    """The frames' file, of at most `max_frames`."""

    def __init__(self, file: BinaryIO, sampling: Sampling) -> None:
        self._file = file
        self._bytes = sampling.size * sampling.size * 3
        self._limit = max(2, sampling.max_frames)
        self.times: list[float] = []

    def add(self, frame: KeyFrame) -> bool:
        """Append a frame; True if the file was full and is half empty now."""
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


class _Reader:
    """Decodes one stream and watches its scenes."""

    def __init__(self, container: InputContainer, stream: VideoStream, result: Pictures, sampling: Sampling) -> None:
        self._container = container
        self._stream = stream
        self._codec = stream.codec_context
        self._codec.thread_count = 1
        if (stream.average_rate or 0) >= _FAST:
            self._codec.skip_frame = "NONREF"
        self._start = start_seconds(container)
        self._result = result
        self._sampling = sampling
        self._interval = sampling.min_interval
        self._detector = SceneDetector(sampling.threshold, self._interval, sampling.max_interval)
        self._reformatter = VideoReformatter()
        self._last = -STEP

    def run(self, store: _Store, stop: Event) -> None:
        goes_on = False
        for group in groups(self._timed_packets()):
            if stop.is_set():
                return
            part = goes_on or group.goes_on or not group.packets[0][1].is_keyframe
            seconds_long = group.end - group.start
            news = group.news()
            short = seconds_long <= max(_SHORT_GROUP, self._interval)
            whole = part or not (short or (news < _NEW_PICTURE and seconds_long <= self._sampling.max_interval))
            goes_on = group.goes_on
            if not whole and group.end - self._last < STEP:
                continue  # every packet a key packet, as in MJPEG: looked at a few times a second
            steady = not whole and news < _STILL and seconds_long >= 2 * STEP
            chosen = group.packets if whole else group.packets[:1]
            for frame in self._decode([packet for _, packet in chosen], finish=not goes_on):
                for key_frame in self._see(frame, steady, every=not whole):
                    self._keep(store, key_frame)
        for key_frame in self._detector.finish():
            self._keep(store, key_frame)

    def _keep(self, store: _Store, frame: KeyFrame) -> None:
        if store.add(frame):
            self._interval = 2 * max(self._interval, STEP)
            self._detector.min_interval = self._interval

    def _timed_packets(self) -> Iterator[tuple[float, Packet]]:
        time = 0.0
        for packet in packets(self._container, self._stream, self._result.damage):
            stamp = packet.pts if packet.pts is not None else packet.dts
            known = seconds(stamp, packet.time_base, self._start)
            time = time if known is None else known
            self._result.packets += 1
            self._result.end = max(self._result.end, time)
            if time > self._sampling.max_seconds:
                raise too_long(self._sampling.max_seconds)
            yield time, packet

    def _decode(self, chosen: list[Packet], finish: bool) -> Iterator[VideoFrame]:
        damage = self._result.damage
        for packet in chosen:
            yield from attempt(self._codec.decode, packet, damage)
        if finish:
            yield from attempt(self._codec.decode, None, damage)
            self._codec.flush_buffers()

    def _see(self, frame: VideoFrame, steady: bool, every: bool) -> Iterator[KeyFrame]:
        self._result.decoded += 1
        # Not frame.time_base: PyAV sets none for frames that a decoder held back until its end.
        time = seconds(frame.pts if frame.pts is not None else frame.dts, self._stream.time_base, self._start)
        if time is None:
            time = self._last + STEP
        if frame.is_corrupt or time <= self._last or (not every and time - self._last < STEP * 0.99):
            return
        self._last = time
        if not self._result.facts:
            self._result.facts = self._facts(frame)
        small = self._reformatter.reformat(frame, THUMBNAIL, THUMBNAIL, "rgb24", interpolation="AREA")
        yield from self._detector.add_frame(max(time, 0.0), small.to_ndarray(), steady, lambda: self._square(frame))

    def _facts(self, frame: VideoFrame) -> dict[str, Any]:
        rate = self._stream.average_rate
        return {
            "width": frame.width,
            "height": frame.height,
            "fps": round(float(rate), 3) if rate else None,
            "rotation": frame.rotation % 360,
            "video_codec": self._codec.name,
        }

    def _square(self, frame: VideoFrame) -> np.ndarray:
        ratio = self._stream.sample_aspect_ratio
        return square(frame, self._sampling.size, float(ratio) if ratio else 1.0)


def groups(timed: Iterable[tuple[float, Packet]]) -> Iterator[_Group]:
    """Packets of a video stream, in the order of decoding, as groups of bounded size."""
    held: list[tuple[float, Packet]] = []
    size = 0
    for time, packet in timed:
        if held and packet.is_keyframe:
            yield _Group(held, time, goes_on=False)
            held, size = [], 0
        elif held and (time - held[0][0] > _LONGEST_GROUP or size > _LARGEST_GROUP):
            yield _Group(held, time, goes_on=True)
            held, size = [], 0
        held.append((time, packet))
        size += packet.size
    if held:
        yield _Group(held, max(time for time, _ in held), goes_on=False)


def square(frame: VideoFrame, size: int, pixel_ratio: float = 1.0) -> np.ndarray:
    """A frame upright, its shorter side scaled to `size` and its middle cut out, as open_clip prepares a picture.

    Args:
        pixel_ratio: width of a pixel over its height.

    Returns:
        uint8 array of shape (size, size, 3), RGB.
    """
    from PIL import Image

    image = frame.to_image()
    width, height = image.size
    if 0.2 < pixel_ratio < 5:
        width = max(1, round(width * pixel_ratio))
    scale = size / min(width, height)
    # The longer side is rounded down, as torchvision.transforms.Resize does.
    scaled = (size, int(height * scale)) if width <= height else (int(width * scale), size)
    image = image.resize(scaled, Image.Resampling.BICUBIC)
    if frame.rotation % 360:
        image = image.rotate(frame.rotation, expand=True)
    left, top = round((image.width - size) / 2), round((image.height - size) / 2)
    return np.asarray(image.crop((left, top, left + size, top + size)), np.uint8)
