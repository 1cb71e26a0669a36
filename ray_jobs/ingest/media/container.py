"""Media containers: opens audio and video files safely with PyAV (FFmpeg), selects streams, and explains errors.

Times are seconds from the container's start, as players show them: a file whose first frame has time stamp 1.07 begins
at 0.
"""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import av
from av.container import InputContainer
from av.packet import Packet
from av.stream import Disposition, Stream

from ingest.common.errors import ObjectError
from ingest.common.failures import Failure
from ingest.common.text import one_line

T = TypeVar("T")

# Only formats that contain their own media. A playlist or concatenation list is text that names other files, on this
# machine or the network, and FFmpeg would open them. Images and subtitles do not count as media here.
_FORMATS = (
    "3g2,3gp,aac,ac3,aiff,amr,ape,asf,au,avi,av1,caf,dts,dv,eac3,f4v,flac,flv,gif,gxf,h261,h263,h264,hevc,ivf,m4a,m4v,"
    "matroska,mj2,mjpeg,mlp,mov,mp3,mp4,mpc,mpc8,mpeg,mpegts,mpegvideo,mxf,nsv,nut,obu,oga,ogg,ogv,oma,rm,truehd,tta,"
    "vc1,voc,w64,wav,webm,wtv,wv,y4m,yuv4mpegpipe"
)
_OPTIONS = {"format_whitelist": _FORMATS, "protocol_whitelist": "file"}

_PICTURES = Disposition.attached_pic | Disposition.still_image | Disposition.timed_thumbnails
"""Dispositions of a video stream that is a cover or a preview."""

_MAX_READ_ERRORS = 100
"""Number of consecutive errors after which the rest of a file is abandoned."""

_PROTECTED_TAGS = ("drms", "drmi", "enca", "encv", "sinf")
"""Codec tags of protected streams in MP4 files that do not declare the actual codec."""


@dataclass(slots=True)
class StreamDamage:
    """Defects of a stream.

    Attributes:
        skipped: number of packets that could not be decoded.
        encrypted: the stream is protected, and its key is not available.
        cut_off: reading ended with an error instead of the end of the file.
    """

    skipped: int = 0
    encrypted: bool = False
    cut_off: bool = False


@contextmanager
def open_media(path: str) -> Iterator[InputContainer]:
    """Open an audio or video file for reading.

    Raises:
        ObjectError: of types `Empty`, `NotMedia` or `Damaged`.
        MemoryError: there is not enough memory for it.
    """
    size = Path(path).stat().st_size
    if size == 0:
        raise ObjectError(Failure.EMPTY, "the file is empty (0 bytes)")
    # By default, FFmpeg reports damaged files on stderr, bypassing any logger.
    av.logging.set_level(None)
    try:
        container = av.open(path, options=dict(_OPTIONS), metadata_errors="replace")
    except av.FFmpegError as error:
        _check_memory(error)
        raise _open_error(path, error) from None
    with container:
        yield container


def _open_error(path: str, error: av.FFmpegError) -> ObjectError:
    with Path(path).open("rb") as file:
        head = file.read(16)
    if head[4:8] in (b"ftyp", b"moov", b"mdat", b"wide") or head[:4] in (b"\x1aE\xdf\xa3", b"OggS", b"RIFF", b"fLaC"):
        return ObjectError(
            Failure.DAMAGED,
            "the file begins as audio or video but cannot be opened, since its index or header is missing, as in a "
            "file that was cut off",
        )
    return ObjectError(
        Failure.NOT_MEDIA,
        f"this is no audio or video file of a known kind, or it is damaged beyond repair ({_reason(error)})",
    )


def _reason(error: av.FFmpegError) -> str:
    # Leaves out the path of the temporary copy, which means nothing to the file's owner.
    return one_line(error.strerror or type(error).__name__, 80)


def _check_memory(error: av.FFmpegError) -> None:
    if isinstance(error, MemoryError) or error.errno == errno.ENOMEM:
        raise MemoryError(str(error)) from None


def container_start(container: InputContainer) -> float:
    """Return the container's start on the time scale of its streams."""
    if container.start_time is not None:
        return container.start_time / av.time_base
    starts = [float(s.start_time * s.time_base) for s in container.streams if s.start_time is not None and s.time_base]
    return min(starts, default=0.0)


def declared_duration(container: InputContainer) -> float | None:
    """Return the duration that the file declares, or None."""
    if container.duration is not None and container.duration > 0:
        return container.duration / av.time_base
    lengths = [float(s.duration * s.time_base) for s in container.streams if s.duration is not None and s.time_base]
    return max(lengths, default=None)


def decodable_streams(container: InputContainer, kind: str) -> list[Stream]:
    """Return the audio or video streams that FFmpeg has a decoder for, default streams first, without covers."""
    streams = [
        stream
        for stream in container.streams
        if stream.type == kind and stream.codec_context is not None and not stream.disposition & _PICTURES
    ]
    return sorted(streams, key=lambda stream: not stream.disposition & Disposition.default)


def has_stream(container: InputContainer, kind: str) -> bool:
    """Whether there are streams of a kind (`audio`, `video`), not counting covers."""
    return any(stream.type == kind and not stream.disposition & _PICTURES for stream in container.streams)


def packets(container: InputContainer, stream: Stream, damage: StreamDamage) -> Iterator[Packet]:
    """Yield the packets of one stream as far as they can be read."""
    errors = 0
    while errors < _MAX_READ_ERRORS:
        try:
            for packet in container.demux(stream):
                errors = 0
                if packet.size:  # PyAV ends with an empty packet, which flushes a decoder
                    yield packet
            return
        except av.FFmpegError as error:
            _check_memory(error)
            errors += 1
    damage.cut_off = True


def decode_packet(decode: Callable[[Packet | None], list[T]], packet: Packet | None, damage: StreamDamage) -> list[T]:
    """Decode a packet, or flush the decoder with None. A corrupt packet yields nothing and is counted in `damage`."""
    try:
        return decode(packet)
    except av.FFmpegError as error:
        _check_memory(error)
        damage.skipped += 1
        if packet is not None and packet.has_sidedata("encryption_info"):
            damage.encrypted = True
        return []


def seconds(stamp: int | None, time_base: Any, start: float) -> float | None:
    """Convert a time stamp to seconds from the container's start."""
    return None if stamp is None or time_base is None else float(stamp * time_base) - start


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
