"""Notices what of an Ogg file (RFC 3533) FFmpeg leaves out without a word: pages that are damaged or missing, and
recordings of another codec behind the first."""

from __future__ import annotations

import mmap
import re
import zlib
from pathlib import Path

_CAPTURE = b"OggS"
_HEADER, _SEGMENTS = 27, 26
"""Bytes of a page's header before its table of segments, and the place of the table's length."""

_FIRST_PAGE = re.compile(rb"OggS\x00[\x02\x06]", re.DOTALL)
"""How the first page of a stream begins."""

_MAGIC = 5
"""Bytes of a stream's first packet that tell its codec, such as `OpusH`."""

_POSITION, _SERIAL, _NUMBER, _CHECKSUM = slice(6, 14), slice(14, 18), slice(18, 22), slice(22, 26)
_UNFINISHED = bytes(8), b"\xff" * 8
"""Positions of pages on which only headers end, or nothing does."""

_MIRRORED = bytes(int(f"{value:08b}"[::-1], 2) for value in range(256))


def lost_share(path: str) -> float:
    """Return the share of the pages that are damaged or missing; 0 if this is no Ogg file.

    The numbers of the pages around a missing one tell of it. A recording of a broadcast may begin with any number,
    behind the pages of its headers.
    """
    with Path(path).open("rb") as file:
        if file.read(len(_CAPTURE)) != _CAPTURE:
            return 0.0
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            return _lost_share(data)


def changes_codec(path: str) -> bool:
    """Whether a stream begins behind others that have ended, and has a codec that none of the first ones has."""
    with Path(path).open("rb") as file:
        if file.read(len(_CAPTURE)) != _CAPTURE:
            return False
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            end, known = 0, set()
            for found in _FIRST_PAGE.finditer(data):
                at = found.start()
                segments = data[at + _SEGMENTS : at + _HEADER]
                table = data[at + _HEADER : at + _HEADER + (segments[0] if segments else 0)]
                packet = at + _HEADER + len(table)
                codec = data[packet : packet + _MAGIC]
                if at == end:  # the first pages of streams beside each other stand together
                    known.add(codec)
                    end = packet + sum(table)
                elif (
                    codec not in known
                    and _checksum(data[at : packet + sum(table)]) == data[at + _CHECKSUM.start : at + _CHECKSUM.stop]
                ):
                    return True
    return False


def _lost_share(data: mmap.mmap) -> float:
    lost = damaged = pages = 0
    last: dict[bytes, int] = {}  # per stream, without those of which only headers were seen
    at = 0
    while (at := data.find(_CAPTURE, at)) >= 0 and at + _HEADER <= len(data):
        table = data[at + _HEADER : at + _HEADER + data[at + _SEGMENTS]]
        size = _HEADER + len(table) + sum(table)
        page = data[at : at + size]
        if _checksum(page) != page[_CHECKSUM]:
            damaged += at + size <= len(data)  # the last page of a file that is cut off is another loss
            at += 1
            continue
        stream, number = page[_SERIAL], int.from_bytes(page[_NUMBER], "little")
        if stream in last:
            lost += max(number - last[stream] - 1, 0)
        if stream in last or page[_POSITION] not in _UNFINISHED:
            last[stream] = number
        pages += 1
        damaged = 0  # the numbers tell of them
        at += size
    lost += damaged
    return lost / (lost + pages) if lost else 0.0


def _checksum(page: bytes) -> bytes:
    """The checksum of a page: zlib's, with the bits of all bytes mirrored, and inverted neither before nor after."""
    content = page[: _CHECKSUM.start] + bytes(4) + page[_CHECKSUM.stop :]
    mirrored = zlib.crc32(content.translate(_MIRRORED), 0xFFFFFFFF) ^ 0xFFFFFFFF
    return int(f"{mirrored:032b}"[::-1], 2).to_bytes(4, "little")
