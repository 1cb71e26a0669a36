"""Extracts one frame of a video to show to people."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from itertools import chain, product
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, cast

import av
import numpy as np
from av.container import InputContainer
from av.format import Flags
from av.packet import Packet
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from ingest.common.hdr import as_shown
from ingest.media.container import StreamDamage, decodable_streams, decode_packet, packets, seconds
from ingest.media.joined import whole_recording
from ingest.media.keyframes import BLACK
from ingest.media.opaque import decoder, pixels
from ingest.media.opening import open_media
from ingest.media.timeline import container_start, has_flag
from ingest.media.upright import upright

if TYPE_CHECKING:
    from PIL.Image import Image

_ROUNDING = 0.006
"""Seconds by which rounding to hundredths may have moved a time past its frame: less than a frame at 120 per second."""


def frame_at(path: str, time: float) -> Image | None:
    """Return the first frame of a file's video at or after `time` (in seconds), or None.

    Of several streams, it is the first one's that is not black, as `extract_frames` chooses them.

    Raises:
        ObjectError: the file cannot be read.
    """
    with TemporaryDirectory() as folder:
        return _frame_at(whole_recording(path, folder).path, time)


def _frame_at(path: str, time: float) -> Image | None:
    with open_media(path) as container:
        indices = [stream.index for stream in decodable_streams(container, "video")]
        # A place in a file whose time stamps jump, or that has none, is found only by reading all before it.
        jumps = container.format.name == "flv" or any(
            has_flag(container, flag) for flag in (Flags.ts_discont, Flags.no_timestamps)
        )
    # Other files that were joined, or begin before 0, cannot be searched either.
    black: Image | None = None
    for index, find in product(indices, [_read] if jumps else [_sought, _read]):
        with open_media(path) as container, suppress(av.FFmpegError):
            stream = cast(VideoStream, container.streams[index])
            for frame, at in find(container, stream, time):
                if at is None or at >= time - _ROUNDING:
                    shown = upright(_shown(frame, float(stream.sample_aspect_ratio or 1)), frame)
                    if np.asarray(shown).max() >= BLACK:
                        return shown
                    black = black or shown
                    break
    return black


def _shown(frame: VideoFrame, pixel_ratio: float) -> Image:
    """The picture of a frame, with square pixels; `pixel_ratio` is the width of a pixel over its height."""
    from PIL import Image as images

    image = images.fromarray(as_shown(pixels(frame), int(frame.color_trc)))
    width, height = image.size
    size = round(width * max(pixel_ratio, 1)), round(height / min(pixel_ratio, 1))
    return image if size == image.size else image.resize(size)


def _sought(container: InputContainer, stream: VideoStream, time: float) -> Iterator[tuple[VideoFrame, float | None]]:
    """Yield frames with their times in seconds, from the last key frame before `time`."""
    start = container_start(container)
    container.seek(int(max(time + start, 0) * av.time_base))
    codec = decoder(stream)
    for packet in container.demux(stream):
        for frame in codec.decode(packet):
            at = seconds(frame.pts, stream.time_base)
            yield frame, None if at is None else at - start


def _read(container: InputContainer, stream: VideoStream, time: float) -> Iterator[tuple[VideoFrame, float | None]]:
    """The same for a file that is read from its beginning; only the frames that are needed are decoded."""
    damage, codec = StreamDamage(), decoder(stream)
    group: list[Packet | None] = []
    for packet in chain(packets(container, stream, damage), [None]):
        if packet is not None:
            at = seconds(packet.dts if packet.pts is None else packet.pts, stream.time_base) or 0.0
            if packet.is_keyframe and at <= time and codec.name != "gif":  # its first packet has the colours
                group = []
        group.append(packet)
        if packet is None or at >= time:
            for waiting in group:
                for frame in decode_packet(codec.decode, waiting, damage):
                    yield frame, seconds(frame.dts if frame.pts is None else frame.pts, stream.time_base)
            group = []
