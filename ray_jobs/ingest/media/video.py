"""Extracts the key frames of a video as squares for CLIP, and decodes as little as possible: see `gops`.

Nothing is decoded twice. The rest of a film that takes long is left to several processes: see `film_stretches`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event
from typing import Any, cast

import numpy as np
from av.container import InputContainer
from av.packet import Packet
from av.video.frame import PictureType, VideoFrame
from av.video.reformatter import VideoReformatter
from av.video.stream import VideoStream

from ingest.common.hdr import as_shown
from ingest.common.sandbox_child import report_progress
from ingest.media.audio import too_long_error
from ingest.media.container import (
    StreamDamage,
    decodable_streams,
    decode_packet,
    packets,
    seconds,
)
from ingest.media.gops import Gop, GopFacts, gops
from ingest.media.keyframes import THUMBNAIL, KeyFrame
from ingest.media.opaque import decoder, pixels
from ingest.media.opening import open_media
from ingest.media.sampling import Choice, FrameFile, FrameSampler, Sampling, SeenFrame
from ingest.media.timeline import Timeline
from ingest.media.upright import upright

_FAST = 20
"""Frames per second from which non-reference frames are not decoded: enough others remain."""
_CHANGES = (PictureType.P, PictureType.B, PictureType.S)
"""Types of frames that consist of changes to others."""
_PROGRESS = 60.0
"""Seconds of a film that may each take as long as the limit of a file allows."""


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


Leave = Callable[["KeyFrameReader", Gop, Iterator[Gop]], bool]
"""`leave(reader, gop, following)`: whether all GOPs from this one on are left to others; it then takes those that
follow from their iterator."""


def extract_frames(
    path: str, target: str, sampling: Sampling, stop: Event, leave: Leave | None = None
) -> ExtractedFrames:
    """Write the key frames of a video stream to `target`: uint8 RGB of shape (N, size, size, 3).

    It is the first stream that shows a film and not only black, or a single picture; if none does, the first one that
    can be decoded. Whenever there are more than `max_frames`, every second one is dropped and the minimum interval is
    doubled.

    Args:
        path: the media file.
        target: the file to write.
        sampling: how key frames are chosen.
        stop: ends the extraction early when set.
        leave: leaves the rest of the first stream to others; the result is then that of its beginning.

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
            stream = cast(VideoStream, container.streams[index])
            reader = KeyFrameReader(container, stream, result, sampling, FrameFile(file, sampling, []))
            if reader.run(stop, leave if index == indices[0] else None):
                return result
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


class GopDecoder:
    """Decodes GOPs of a stream, each as if there were no other.

    Args:
        stream: of a container that is open.
    """

    def __init__(self, stream: VideoStream) -> None:
        self._stream = stream
        self._codec = decoder(stream)
        self._codec.thread_count = 1
        if (stream.average_rate or 0) >= _FAST:
            self._codec.skip_frame = "NONREF"
        self._reformatter = VideoReformatter()

    def frames(
        self, chosen: list[tuple[float, Packet]], goes_on: bool, size: int, damage: StreamDamage
    ) -> Iterator[SeenFrame]:
        """Decode packets of a GOP.

        Args:
            chosen: the packets with their times.
            goes_on: whether it goes on with the next call.
            size: side length of the pictures.
            damage: collects what cannot be decoded.
        """
        fed = 0.0
        for fed, packet in chosen:
            for frame in decode_packet(self._codec.decode, packet, damage):
                yield self._seen(frame, fed, size)
        if not goes_on:
            for frame in decode_packet(self._codec.decode, None, damage):
                yield self._seen(frame, fed, size)
            self._codec.flush_buffers()

    def reset(self) -> None:
        """Forget a GOP of which not all frames were taken."""
        self._codec.flush_buffers()

    def _seen(self, frame: VideoFrame, fed: float, size: int) -> SeenFrame:
        # Not frame.time_base: PyAV does not set it for frames that the decoder returns when it is flushed.
        time = seconds(frame.pts if frame.pts is not None else frame.dts, self._stream.time_base)
        ratio = self._stream.sample_aspect_ratio
        return SeenFrame(
            fed if time is None else time,  # the frames of a raw stream have no time stamps
            frame.is_corrupt,
            frame.pict_type in _CHANGES and not frame.key_frame,
            lambda: pixels(frame, self._reformatter, THUMBNAIL),
            lambda: center_crop(frame, size, float(ratio) if ratio else 1.0),
            lambda: self._facts(frame),
        )

    def _facts(self, frame: VideoFrame) -> dict[str, Any]:
        rate = self._stream.average_rate
        return {
            "width": frame.width,
            "height": frame.height,
            "fps": round(float(rate), 3) if rate else None,
            "rotation": frame.rotation % 360,
            "video_codec": self._stream.codec_context.name,
        }


class KeyFrameReader:
    """Decodes one stream and chooses its key frames.

    Attributes:
        container, stream: the file and the stream.
        result: what is known so far.
        sampler: chooses the key frames.
    """

    def __init__(
        self,
        container: InputContainer,
        stream: VideoStream,
        result: ExtractedFrames,
        sampling: Sampling,
        frames: FrameFile,
    ) -> None:
        self.container, self.stream = container, stream
        self.result = result
        self.sampler = FrameSampler(sampling)
        self._sampling = sampling
        self._frames = frames
        self._decoder = GopDecoder(stream)

    def run(self, stop: Event, leave: Leave | None) -> bool:
        """Read the stream. Returns True if the rest of it was left to others."""
        found = gops(self._timed_packets())
        for gop in found:
            if stop.is_set():
                return False
            if leave is not None and leave(self, gop, found):
                self._note()
                return True
            facts = GopFacts.of(gop)
            choice = self.sampler.choose(facts)
            if choice is not None:
                chosen = gop.packets if choice.whole else gop.packets[:1]
                self.add(
                    facts, choice, self._decoder.frames(chosen, gop.goes_on, self._sampling.size, self.result.damage)
                )
        self.finish()
        return False

    def add(self, facts: GopFacts, choice: Choice, frames: Iterator[SeenFrame]) -> None:
        """Add the frames of the next GOP."""
        shown = choice.whole
        for frame in frames:
            shown = shown or not frame.corrupt
            self.result.decoded += 1
            self._keep(self.sampler.add(frame, choice))
        if not shown:  # without their key packet, the others show grey
            self.result.damage.skipped += facts.packets - 1

    def finish(self) -> None:
        """End the stream."""
        self._keep(self.sampler.finish())
        self._note()
        self.result.is_film = self.sampler.has_seen_light and self.result.damage.packets > 1

    def _note(self) -> None:
        self.result.times, self.result.facts = self._frames.times, self.sampler.facts

    def _keep(self, found: Iterator[KeyFrame]) -> None:
        for frame in found:
            if self._frames.add(frame):
                self.sampler.widen()

    def _timed_packets(self) -> Iterator[tuple[float, Packet]]:
        time, reported = 0.0, _PROGRESS
        timeline = Timeline(self.container)
        for packet in packets(self.container, self.stream, self.result.damage, timeline):
            stamp = packet.pts if packet.pts is not None else packet.dts
            known = seconds(stamp, packet.time_base)
            time = time if known is None else known
            self.result.end = timeline.end
            if time > self._sampling.max_seconds:
                raise too_long_error(self._sampling.max_seconds)
            if time > reported:  # the length is bounded
                report_progress()
                reported = time + _PROGRESS
            yield time, packet


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
