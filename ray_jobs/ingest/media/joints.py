"""Finds where recordings were joined byte by byte, as `cat` and recorders that save slices of their own do it.

FFmpeg reads AAC, AMR, FLV, MP3, MPEG, Ogg and AVI files on behind a joint. Of the formats here it reads the first
recording, or the first two, or takes the headers of the next for sound or, as FLAC's padding, for bytes that were never
written.
"""

from __future__ import annotations

import io
import mmap
import re
from collections.abc import Callable, Iterator
from pathlib import Path

_MAX_BOXES = 10_000
_SURPLUS = 4096
"""Bytes behind the declared end that are padding or tags."""

_HEAD = 4096
"""Bytes in which a header declares the length of the file."""

_SEGMENT = b"\x18\x53\x80\x67"
_UNKNOWN = 0

_READ_ON = 2
"""Matroska files that FFmpeg reads one behind the other."""


def _chunk_end(head: bytes) -> int:
    return 8 + int.from_bytes(head[4:8], "little" if head.startswith(b"RIFF") else "big")


def _wave64_end(head: bytes) -> int:
    return int.from_bytes(head[16:24], "little")


def _matroska_end(head: bytes) -> int:
    """Where the first segment ends (RFC 9559, section 5.1)."""
    at = head.find(_SEGMENT) + len(_SEGMENT)
    if at < len(_SEGMENT) or at + 8 > len(head):
        return _UNKNOWN
    length = 9 - head[at].bit_length()
    size = int.from_bytes(head[at : at + length], "big") - (1 << 7 * length)
    return _UNKNOWN if size == (1 << 7 * length) - 1 else at + length + size


def _unknown_end(_: bytes) -> int:
    return _UNKNOWN


_HEADERS: tuple[tuple[re.Pattern[bytes], Callable[[bytes], int]], ...] = (
    (re.compile(rb"RIFF....WAVE", re.DOTALL), _chunk_end),
    (re.compile(rb"FORM....AIF[FC]", re.DOTALL), _chunk_end),
    (re.compile(rb"riff\x2e\x91\xcf\x11\xa5\xd6\x28\xdb\x04\xc1\x00\x00"), _wave64_end),
    (re.compile(rb"\x1aE\xdf\xa3.{1,64}?\x42\x82(?:\x84webm|\x88matroska)", re.DOTALL), _matroska_end),
    (re.compile(rb"fLaC\x00\x00\x00\x22"), _unknown_end),
    (re.compile(rb"caff\x00\x01\x00\x00desc\x00\x00\x00\x00\x00\x00\x00\x20"), _unknown_end),
    (re.compile(rb"\.snd\x00\x00\x00[\x18-\xff]....\x00\x00\x00[\x01-\x1b]\x00", re.DOTALL), _unknown_end),
    (re.compile(rb"TTA1[\x01\x02]\x00[\x01-\x08]\x00[\x08\x10\x18]\x00", re.DOTALL), _unknown_end),
)
"""How files begin, and what tells where the first recording in them ends."""


def joined_files(path: str) -> list[tuple[int, int]]:
    """Return the beginnings and ends of recordings that were joined, of which players show the first; empty if the file
    is no such one."""
    starts = _joined_mp4s(path) or _joined_by_header(path)
    if not starts:
        return []
    return list(zip(starts, [*starts[1:], Path(path).stat().st_size], strict=True))


def _joined_by_header(path: str) -> list[int]:
    size = Path(path).stat().st_size
    with Path(path).open("rb") as file:
        head = file.read(_HEAD)
        for header, end in _HEADERS:
            if header.match(head) and not 0 <= size - end(head) <= _SURPLUS:
                with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
                    starts = [found.start() for found in header.finditer(content)]
                return starts if len(starts) > (_READ_ON if end is _matroska_end else 1) else []
    return []


def _joined_mp4s(path: str) -> list[int]:
    with Path(path).open("rb") as file:
        boxes = list(_boxes(file))
    kinds = [kind for kind, _ in boxes]
    if kinds[:1] != [b"ftyp"] or kinds.count(b"ftyp") < 2 or kinds.count(b"moov") < 2 or b"moof" in kinds:
        return []
    return [at for kind, at in boxes if kind == b"ftyp"]


def _boxes(file: io.BufferedReader) -> Iterator[tuple[bytes, int]]:
    """Yield the types and places of the boxes of an MP4 file (ISO/IEC 14496-12, 4.2)."""
    size, at = file.seek(0, io.SEEK_END), 0
    for _ in range(_MAX_BOXES):
        file.seek(at)
        head = file.read(16)
        length = int.from_bytes(head[:4], "big")
        if length == 1:
            length = int.from_bytes(head[8:16], "big")
        yield head[4:8], at
        if length < 8 or at + length >= size:
            return
        at += length
