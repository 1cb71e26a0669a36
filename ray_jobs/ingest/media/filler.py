"""Notices places of a file that were filled up instead of being written.

A download, a copy or a recorder may give a file its final size at first. If it is broken off, zeros or blocks of other
files stay behind, which demuxers pass over, and the file is neither too short nor broken.
"""

from __future__ import annotations

import zlib
from pathlib import Path
from typing import BinaryIO

from av.packet import Packet

from ingest.common.filled import LEAST, filled_bytes

_LOST = 0.02
"""Share of the file whose loss is named."""
_PADDED = ("mpeg", "mpegts")
"""Formats in which packets without content may stand between the others."""
_UNFRAMED = ("aac", "ac3", "dts", "eac3", "flac", "loas", "mp3")
"""Formats in which filler counts as a part of the packet before. (In others, a large packet may be silence.)"""
_REPEATED = 0.04
"""Share to which zlib shrinks blocks that repeat. An index, which is what else ends a file, keeps a tenth."""
_SAMPLE = 1 << 20


class Filler:
    """Collects the places of a file where no packet is, in the order of the file.

    Args:
        path: the file.
        format_: FFmpeg's name of its format.
    """

    def __init__(self, path: str, format_: str) -> None:
        self._path = path
        self._is_padded = format_ in _PADDED
        self._is_unframed = format_ in _UNFRAMED
        self._end: int | None = None
        self._gaps: list[tuple[int, int]] = []

    def add(self, packet: Packet) -> None:
        """Add the next packet."""
        place, size = packet.pos, packet.size
        if place is None or place < 0:
            return
        if self._end is not None and place - self._end >= LEAST:
            self._gaps.append((self._end, place))
        if size >= LEAST and self._is_unframed:
            self._gaps.append((place, place + size))
        self._end = max(self._end or 0, place + size)

    def share(self) -> float:
        """Return the share of the file that is filler, after its last packet; 0 if it is too little to be named."""
        size = Path(self._path).stat().st_size
        if self._end is None or sum(end - start for start, end in [*self._gaps, (self._end, size)]) < _LOST * size:
            return 0.0
        with Path(self._path).open("rb") as file:
            filled = sum(_constant(file, start, end) for start, end in [*self._gaps, (self._end, size)])
            if not self._is_padded:
                file.seek(max(self._end, size - _SAMPLE))
                tail = file.read()
                repeats = len(zlib.compress(tail, 1)) < _REPEATED * len(tail)
                filled = max(filled, size - self._end if repeats else 0)
        return filled / size if filled > max(LEAST, _LOST * size) else 0.0


def _constant(file: BinaryIO, start: int, end: int) -> int:
    """Return the number of bytes of zeros or ones."""
    found = 0
    file.seek(start)
    while start < end and (content := file.read(min(_SAMPLE, end - start))):
        found += filled_bytes(content)
        start += len(content)
    return found
