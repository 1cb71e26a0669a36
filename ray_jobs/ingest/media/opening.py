"""Opens audio and video files with PyAV (FFmpeg), so that no file makes FFmpeg open another one."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import av
from av.container import InputContainer

from ingest.common.errors import ObjectError
from ingest.common.failures import Failure
from ingest.common.file_kinds import kind_of
from ingest.common.text import one_line
from ingest.media import riff
from ingest.media.splices import Spliced, pieces

# Only formats that contain their own media. FFmpeg would open the files that a playlist or concatenation list names, on
# this machine or the network. Images and subtitles do not count as media here.
_FORMATS = (
    "3g2,3gp,aac,ac3,aiff,amr,ape,asf,au,avi,av1,avs,bink,caf,cavsvideo,dhav,dirac,dsf,dss,dts,dv,eac3,f4v,flac,flic,"
    "flv,g729,gif,gxf,h261,h263,h264,hevc,iamf,ifv,iff,ircam,ivf,loas,lvf,m4a,m4v,matroska,mj2,mjpeg,mlp,mmf,mov,mp3,mp4,mpc,"
    "mpc8,mpeg,mpegts,mpegvideo,mpjpeg,mxf,nistsphere,nsv,nut,nuv,obu,oga,ogg,ogv,oma,pva,qcp,rm,rso,shn,smjpeg,sox,swf,"
    "tak,truehd,tta,vc1,vivo,voc,vvc,w64,wav,webm,wsaud,wtv,wv,xwma,y4m,yuv4mpegpipe"
)
_OPTIONS = {"format_whitelist": _FORMATS, "protocol_whitelist": "file"}

_ASF = b"\x30\x26\xb2\x75"
"""The first bytes of WMA and WMV files."""
_MP4_BOXES = (b"ftyp", b"moov", b"mdat", b"wide", b"styp", b"sidx", b"moof")


@contextmanager
def open_media(path: str) -> Iterator[InputContainer]:
    """Open an audio or video file for reading.

    Raises:
        ObjectError: of types `Empty`, `NotMedia` or `Damaged`.
        MemoryError: there is not enough memory for it.
    """
    if Path(path).stat().st_size == 0:
        raise ObjectError(Failure.EMPTY, "the file is empty (0 bytes)")
    av.logging.set_level(None)  # by default, FFmpeg reports damaged files on stderr, bypassing any logger
    try:
        try:
            container = open_parts(path, pieces(path))
        except av.FFmpegError:
            parts = pieces(path, anywhere=True)
            if not parts:
                raise
            container = open_parts(path, parts)
    except av.FFmpegError as error:
        check_memory(error)
        raise _open_error(path, error) from None
    with container:
        yield container


def open_parts(path: str, parts: list[tuple[int, int]]) -> InputContainer:
    """Open parts of a file as one file, each from its first byte up to its last; all of it if there are none.

    Raises:
        FFmpegError: they are no media.
    """
    options = _OPTIONS | ({"ignore_length": "1"} if riff.goes_on(path) else {})
    content: Any = Spliced(path, parts) if parts else path
    return av.open(content, options=options, metadata_errors="replace")


def _open_error(path: str, error: av.FFmpegError) -> ObjectError:
    with Path(path).open("rb") as file:
        head = file.read(8192)
    if head.startswith(b"ID3"):
        return ObjectError(Failure.DAMAGED, "the file holds a tag (ID3) and no sound that can be found behind it")
    known = head[4:8] in _MP4_BOXES or head[:4] in (b"\x1aE\xdf\xa3", b"OggS", b"RIFF", b"FORM", b"fLaC", _ASF)
    if known and head[8:12] != b"WEBP":
        return ObjectError(
            Failure.DAMAGED,
            "the file begins as audio or video but cannot be opened, since its index or header is missing, as in a "
            "file that was cut off",
        )
    if (kind := kind_of(head)) not in (None, "a video", "a sound"):
        return ObjectError(Failure.NOT_MEDIA, f"this is no audio or video file but {kind}")
    reason = one_line(error.strerror or type(error).__name__, 80)  # not the path of the temporary copy
    return ObjectError(
        Failure.NOT_MEDIA, f"this is no audio or video file of a known kind, or it is damaged beyond repair ({reason})"
    )


def check_memory(error: av.FFmpegError) -> None:
    """Raise MemoryError if an error of FFmpeg is a lack of memory."""
    if isinstance(error, MemoryError) or error.errno == errno.ENOMEM:
        raise MemoryError(str(error)) from None
