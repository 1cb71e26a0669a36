"""Makes one file of recordings that were joined byte by byte, as players and FFmpeg see the first one alone.

Packets are copied and not encoded again, which needs about as long as reading the file.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import av
from av.container import InputContainer, OutputContainer
from av.stream import Stream

from ingest.media import riff
from ingest.media.container import declared_duration, decodable_streams
from ingest.media.joints import joined_files
from ingest.media.opening import open_parts
from ingest.media.timeline import container_start

_FORMATS = ("matroska", "wav", "nut")
"""Formats to write to: Matroska has no ADPCM, and not every kind of uncompressed sound, of which NUT has all."""

_FLAC_OWN = slice(10, 13)
"""What tells a FLAC decoder how to read (RFC 9639, section 8.2): the rest of a header is about one recording."""

_MISSING = 1.0
"""Seconds of a recording that are cut off."""


@dataclass(frozen=True, slots=True)
class Recording:
    """A file with all that was joined in another one, as far as it can be read.

    Attributes:
        path: the file; the other one if nothing was joined in it, or if its recordings have different formats.
        is_partial: whether recordings behind the first one are left out.
        is_cut_off: whether the last one is cut off.
    """

    path: str
    is_partial: bool = False
    is_cut_off: bool = False


def whole_recording(path: str, folder: str) -> Recording:
    """Write the recordings that were joined in a file, if there are any, to one in `folder`."""
    parts = joined_files(path)
    if not parts:
        return Recording(path)
    for container_format in _FORMATS:
        with suppress(av.FFmpegError, ValueError):
            return _copied(path, folder, parts, container_format)
    return Recording(path, is_partial=True)


def _copied(path: str, folder: str, parts: list[tuple[int, int]], container_format: str) -> Recording:
    """Raises ValueError or FFmpegError if the recordings cannot be one."""
    target = Path(folder) / f"joined.{container_format}"
    missing = 0.0
    try:
        with av.open(str(target), "w", format=container_format) as output:
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
                    if missing > _MISSING:
                        raise ValueError("one before the last is cut off, which is not to be hidden")
                    begin, end = end, _append(output, container, streams, made, end)
                    missing = (declared_duration(container) or 0.0) - (end - begin)
    except (av.FFmpegError, ValueError):
        target.unlink(missing_ok=True)
        raise
    return Recording(str(target), is_cut_off=missing > _MISSING or riff.is_cut_off(path, parts[-1][0]))


def _format(stream: Stream) -> tuple[Any, ...]:
    codec = cast(Any, stream.codec_context)
    names = ("width", "height", "sample_rate")
    extradata = codec.extradata[_FLAC_OWN] if codec.name == "flac" and codec.extradata else codec.extradata
    return stream.type, codec.name, extradata, *(getattr(codec, name, None) for name in names)


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
