"""Reads media files that have something else in front of them, or that were joined byte by byte.

A download may begin with the headers of its answer or a script's warning, a recorder may put blank lines in front.
Programs also join recordings as `cat` does. FFmpeg takes what is foreign for media, ends there, or finds no media.
"""

from __future__ import annotations

import io
import mmap
import re
from bisect import bisect_right
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

_SEARCHED = 1 << 20
"""Bytes in which the media begins; the picture in a tag may be large."""

_MEDIA = (
    rb"RIFF....(?:WAVE|AVI )|\x1aE\xdf\xa3|OggS\0\x02|fLaC\0\0\0\x22|FLV\x01[\x01-\x05]\0\0\0\x09|FORM....AIF[FC]"
    rb"|\0\0\0[\x08-\x40]ftyp"
)
"""How files begin that can be told from any place."""

_ANYWHERE = re.compile(_MEDIA, re.DOTALL)
_BEHIND_TEXT = re.compile(rb"\A(?:\xef\xbb\xbf)?[\t\n\r -~]{0,4096}?(?=(%b))" % _MEDIA, re.DOTALL)
"""Media behind headers of HTTP, a script's warning or blank lines."""

_JOINTS = {
    b"#!AMR\n": re.compile(rb"#!AMR\n"),
    b"#!AMR-": re.compile(rb"#!AMR-WB\n"),
    b"FLV\x01": re.compile(rb"FLV\x01[\x01-\x05]\0\0\0\x09\0\0\0\0"),
}
"""The headers, by their first bytes, that FFmpeg does not expect within a file."""


def pieces(path: str, anywhere: bool = False) -> list[tuple[int, int]]:
    """Return the beginnings and ends of the parts of a file that are media; empty if that is the whole file.

    Args:
        anywhere: whether the media may also begin behind something that is no text.
    """
    with Path(path).open("rb") as file:
        head = file.read(_SEARCHED)
        size = file.seek(0, io.SEEK_END)
        found = _BEHIND_TEXT.match(head) or (_ANYWHERE.search(head) if anywhere else None)
        start = (found.end() if found.re is _BEHIND_TEXT else found.start()) if found else 0
        joint = next((joint for first, joint in _JOINTS.items() if head.startswith(first, start)), None)
        joints: list[tuple[int, int]] = []
        if joint is not None:
            with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
                joints = [header.span() for header in joint.finditer(content, start)][1:]
    ends = [start, *(place for header in joints for place in header), size]
    return list(zip(ends[::2], ends[1::2], strict=True)) if start or joints else []


class Spliced(io.RawIOBase):
    """Parts of a file as one file.

    Args:
        path: the file.
        parts: the beginning and the end of each part, in bytes.
    """

    def __init__(self, path: str, parts: list[tuple[int, int]]) -> None:
        self._file = io.FileIO(path)
        self._parts = parts
        self._starts = [0, *accumulate(end - start for start, end in parts)]
        self._at = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self._at = offset + (0, self._at, self._starts[-1])[whence]
        return self._at

    def tell(self) -> int:
        return self._at

    def readinto(self, buffer: WriteableBuffer, /) -> int:
        part = bisect_right(self._starts, self._at) - 1
        if part >= len(self._parts):
            return 0
        start, end = self._parts[part]
        place = start + self._at - self._starts[part]
        self._file.seek(place)
        count = self._file.readinto(memoryview(buffer).cast("B")[: end - place]) or 0
        self._at += count
        return count

    def close(self) -> None:
        self._file.close()
        super().close()
