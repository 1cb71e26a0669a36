"""Media containers: selects the streams of a file that PyAV (FFmpeg) has opened, reads them, and explains errors.

Times are seconds on the file's timeline, as players show them: a file whose first time stamp is 1.07 begins at 0.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import av
from av.container import InputContainer
from av.format import Flags
from av.packet import Packet
from av.stream import Disposition, Stream

from ingest.common.errors import ObjectError
from ingest.common.failures import Failure
from ingest.media import mpeg, riff
from ingest.media.filler import Filler
from ingest.media.opening import check_memory, open_media
from ingest.media.timeline import Strays, Timeline, has_flag

T = TypeVar("T")

_PICTURES = Disposition.attached_pic | Disposition.still_image | Disposition.timed_thumbnails
"""Dispositions of a video stream that is a cover or a preview."""

_MAX_READ_ERRORS = 100
"""Number of consecutive errors after which the rest of a file is abandoned."""

_SECONDARY = (
    Disposition.comment
    | Disposition.karaoke
    | Disposition.clean_effects
    | Disposition.hearing_impaired
    | Disposition.visual_impaired
    | Disposition.descriptions
)
"""Dispositions of a stream that accompanies another: a commentary, or a description for the blind."""

_ESTIMATE = 0.01
"""A declared duration that the bit rate gives, too, within this share, may be an estimate by it."""

_EBML_HEAD = 4096
"""Bytes in which the segment of a Matroska file begins."""

_SEGMENT = bytes.fromhex("18538067")
"""The id of a segment (RFC 9559, section 5.1)."""

_STILLS = ("bmp", "gif", "jpeg2000", "mjpeg", "png", "tiff", "webp")
"""Codecs of pictures: beside a stream of another codec, theirs is a cover or a preview, even if nothing says so."""

_PROTECTED_TAGS = ("drms", "drmi", "enca", "encv", "sinf")
"""Codec tags of protected streams in MP4 files that do not declare the actual codec."""


@dataclass(slots=True)
class StreamDamage:
    """Defects of a stream.

    Attributes:
        packets: number of packets of the stream.
        skipped: number of packets that could not be decoded.
        encrypted: the stream is protected, and its key is not available.
        cut_off: reading ended with an error instead of the end of the file.
        filler: share of the file that was filled up instead of being written.
    """

    packets: int = 0
    skipped: int = 0
    encrypted: bool = False
    cut_off: bool = False
    filler: float = 0.0

    def add(self, other: StreamDamage) -> None:
        """Add the defects of another stream."""
        self.packets += other.packets
        self.skipped += other.skipped
        self.encrypted |= other.encrypted
        self.cut_off |= other.cut_off
        self.filler = max(self.filler, other.filler)


def declared_duration(container: InputContainer) -> float | None:
    """Return the duration that the file declares, in seconds, or None if it declares none that can be believed.

    FFmpeg estimates a duration from time stamps or from a bit rate where the file has none, and the writers of FLV
    rarely know it.
    """
    if container.format.name == "flv" or has_flag(container, Flags.ts_discont):
        return None
    if container.duration is not None and container.duration > 0:
        duration = container.duration / av.time_base
    else:
        lengths = [float(s.duration * s.time_base) for s in container.streams if s.duration is not None and s.time_base]
        duration = max(lengths, default=0.0)
    rates = [stream.codec_context.bit_rate or 0 for stream in container.streams if stream.codec_context is not None]
    estimated = 8 * container.size / sum(rates) if any(rates) else float("inf")
    if container.format.name == "mp3" and estimated > duration:  # tags that FFmpeg takes for sound, for example
        return None
    return duration if duration > 0 and abs(duration - estimated) > _ESTIMATE * duration else None


def measured_duration(path: str) -> float:
    """Read all packets of a file without decoding them, and return where the last one ends in seconds."""
    with open_media(path) as container:
        timeline = Timeline(container)
        streams = [*decodable_streams(container, "audio"), *decodable_streams(container, "video")]
        for _ in packets(container, streams[0], StreamDamage(), timeline):
            pass
        return timeline.end


def is_whole(container: InputContainer, path: str) -> bool:
    """Whether this is a Matroska file whose segment, which all of its media is in, ends where the file does or before,
    or an AVI file of which the same is true of its list of packets, or an MP3 file with all the bytes that it declares.

    Such a file is not cut off, whatever duration it declares.
    """
    if container.format.name == "avi":
        return riff.is_whole_avi(path)
    if container.format.name == "mp3":
        return mpeg.is_whole(path)
    if container.format.name != "matroska,webm":
        return False
    with Path(path).open("rb") as file:
        head = file.read(_EBML_HEAD)
    at = head.find(_SEGMENT)
    if at < 0 or at + 12 > len(head):
        return False
    at += len(_SEGMENT)
    length = 9 - head[at].bit_length()  # the zeros before the first one tell the number of bytes
    size = int.from_bytes(head[at : at + length], "big") - (1 << 7 * length)
    unknown = size == (1 << 7 * length) - 1
    return not unknown and at + length + size <= container.size


def decodable_streams(container: InputContainer, kind: str) -> list[Stream]:
    """Return the streams of a kind that FFmpeg has a decoder for, without covers: default streams first, and last those
    that accompany another, such as a commentary or a picture beside a film."""
    streams = [
        stream
        for stream in container.streams
        if stream.type == kind and stream.codec_context is not None and not stream.disposition & _PICTURES
    ]
    return sorted(
        streams,
        key=lambda stream: (
            stream.codec_context.name in _STILLS,
            bool(stream.disposition & _SECONDARY),
            not stream.disposition & Disposition.default,
        ),
    )


def has_stream(container: InputContainer, kind: str) -> bool:
    """Whether there are streams of a kind (`audio`, `video`), not counting covers."""
    return any(stream.type == kind and not stream.disposition & _PICTURES for stream in container.streams)


def packets(
    container: InputContainer, stream: Stream, damage: StreamDamage, timeline: Timeline | None = None
) -> Iterator[Packet]:
    """Yield the packets of one stream as far as they can be read, with the times of the file's timeline.

    Args:
        container: the file.
        stream: the stream.
        damage: collects what is wrong with it.
        timeline: measures the file; it is also fed with the packets of a stream of the other kind.
    """
    timeline = timeline or Timeline(container)
    beside = decodable_streams(container, "audio" if stream.type == "video" else "video")[:1]
    strays = Strays()
    for packet in strays.corrected(_demuxed(container, [stream, *beside], damage), last=stream.index):
        timeline.place(packet)
        if packet.stream_index == stream.index:
            damage.packets += 1
            yield packet


def _demuxed(container: InputContainer, streams: list[Stream], damage: StreamDamage) -> Iterator[Packet]:
    errors, corrupt = 0, False
    # An MP4 file has an index, in any order, and packets that lack their bytes are corrupt.
    ordered = not container.format.name.startswith("mov") and Path(container.name).is_file()
    filler = Filler(container.name, container.format.name) if ordered else None
    while errors < _MAX_READ_ERRORS:
        try:
            for packet in container.demux(*streams):
                errors = 0
                if not packet.size:  # PyAV ends with an empty packet, which flushes a decoder
                    continue
                corrupt = packet.is_corrupt
                if filler is not None:
                    filler.add(packet)
                yield packet
            damage.cut_off = corrupt and container.format.name.startswith(("flv", "mov"))  # an incomplete last packet
            break
        except IndexError:  # PyAV flushes streams that appeared on the way, and does not know them
            break
        except av.FFmpegError as error:
            check_memory(error)
            errors += 1
    else:
        damage.cut_off = True
    if filler is not None:
        damage.filler = filler.share()


def decode_packet(decode: Callable[[Packet | None], list[T]], packet: Packet | None, damage: StreamDamage) -> list[T]:
    """Decode a packet, or flush the decoder with None. A corrupt packet yields nothing and is counted in `damage`."""
    try:
        return decode(packet)
    except av.FFmpegError as error:
        check_memory(error)
        damage.skipped += 1
        if packet is not None and packet.has_sidedata("encryption_info"):
            damage.encrypted = True
        return []


def seconds(stamp: int | None, time_base: Any) -> float | None:
    """Convert a time stamp to seconds."""
    return None if stamp is None or time_base is None else float(stamp * time_base)


def header_metadata(container: InputContainer) -> dict[str, Any]:
    """Return the facts of the file's header as JSON values."""
    kinds = [stream.type for stream in container.streams]
    facts: dict[str, Any] = {
        "container": container.format.name,
        "streams": {kind: kinds.count(kind) for kind in dict.fromkeys(kinds)},
    }
    tags = {key.lower(): value for key, value in container.metadata.items()}
    title = " ".join(tags.get("title", "").split())
    if title:
        facts["title"] = title[:500]
    return facts


def undecodable_error(container: InputContainer, damages: list[StreamDamage]) -> ObjectError:
    """Return the error that explains why nothing could be decoded."""
    wanted = [stream for stream in container.streams if stream.type in ("audio", "video", "unknown", "data")]
    tags = [stream.codec_context.codec_tag.lower() for stream in wanted if stream.codec_context is not None]
    if any(damage.encrypted for damage in damages) or any(tag in _PROTECTED_TAGS for tag in tags):
        return ObjectError(Failure.ENCRYPTED, "the file is protected (encrypted or with DRM)")
    if not has_stream(container, "audio") and not has_stream(container, "video"):
        return ObjectError(Failure.NO_MEDIA, "the file holds neither audio nor video")
    if not decodable_streams(container, "audio") and not decodable_streams(container, "video"):
        return ObjectError(Failure.UNKNOWN_CODEC, "the file's audio and video are of kinds that FFmpeg cannot decode")
    skipped = sum(damage.skipped for damage in damages)
    return ObjectError(
        Failure.DAMAGED,
        f"nothing of the file's audio or video can be decoded ({skipped} corrupt packets), as in a file that was cut "
        "off",
    )
