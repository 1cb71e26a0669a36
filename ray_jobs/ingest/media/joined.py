"""Makes one file of MP4 files that were joined byte by byte, as players and FFmpeg see the first one alone.

Packets are copied and not encoded again, which needs about as long as reading the file.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import av
from av.container import InputContainer, OutputContainer
from av.stream import Stream

from ingest.media.container import declared_duration, decodable_streams
from ingest.media.opening import open_parts
from ingest.media.splices import joined_mp4s
from ingest.media.timeline import container_start

_NAME = "joined.mkv"

_MISSING = 1.0
"""Seconds of a recording that are cut off."""


def whole_recording(path: str, folder: str) -> str:
    """Return the path of a file in `folder` with all that was joined; `path` if nothing was, or if the recordings have
    different formats."""
    parts = joined_mp4s(path)
    if not parts:
        return path
    target = Path(folder) / _NAME
    try:
        with av.open(str(target), "w", format="matroska") as output:
            made: list[Stream] = []
            formats: list[Any] = []
            end = 0.0
            for part in parts:
                with open_parts(path, [part]) as container:
                    streams = [*decodable_streams(container, "video"), *decodable_streams(container, "audio")]
                    own = [_format(stream) for stream in streams]
                    if not made:
                        formats, made = own, [_copy(output, stream) for stream in streams]
                    if not own or own != formats:
                        raise ValueError("they have different formats")
                    begin, end = end, _append(output, container, streams, made, end)
                    if (declared_duration(container) or 0.0) - (end - begin) > _MISSING:
                        raise ValueError("one is cut off, which is not to be hidden")
    except (av.FFmpegError, ValueError):
        target.unlink(missing_ok=True)
        return path
    return str(target)


def _format(stream: Stream) -> tuple[Any, ...]:
    codec = cast(Any, stream.codec_context)
    names = ("width", "height", "sample_rate")
    return stream.type, codec.name, codec.extradata, *(getattr(codec, name, None) for name in names)


def _copy(output: OutputContainer, stream: Stream) -> Stream:
    return cast(Stream, output.add_stream_from_template(cast(Any, stream)))


def _append(
    output: OutputContainer, container: InputContainer, streams: list[Stream], made: list[Stream], begin: float
) -> float:
    """Copy the packets of a recording so that it begins at `begin`, in seconds; return where it ends."""
    targets = {stream.index: copy for stream, copy in zip(streams, made, strict=True)}
    shift, end = None, begin
    for packet in container.demux(*streams):
        if not packet.size or packet.dts is None or packet.pts is None:
            continue
        base = packet.time_base
        if shift is None:  # what a decoder needs before the start, such as the priming of AAC, must not overlap
            shift = begin - min(container_start(container), float(packet.dts * base))
        ticks = round(shift / base)
        packet.dts, packet.pts = packet.dts + ticks, packet.pts + ticks
        end = max(end, float((packet.pts + (packet.duration or 0)) * base))
        packet.stream = targets[packet.stream_index]
        output.mux(packet)
    return end
