"""Reads what the first frame of an MP3 file says about its length: the header of Xing, which LAME writes as `Info`."""

from __future__ import annotations

import re
from pathlib import Path

_ID3, _ID3_HEADER = b"ID3", 10
_HEAD = 4096
"""Bytes behind the tags in which the first frame lies."""

_XING = re.compile(rb"\xff[\xe2-\xff].{7,38}?(Xing|Info)", re.DOTALL)
"""A frame of MPEG audio, whose side information takes 9 to 36 bytes behind its header and checksum, and its mark."""

_HAS_FRAMES, _HAS_BYTES = 1, 2


def is_whole(path: str) -> bool:
    """Whether the file holds all bytes that its first frame declares. Its number of frames may be wrong then."""
    size = Path(path).stat().st_size
    with Path(path).open("rb") as file:
        head, start = file.read(_ID3_HEADER), 0
        if head.startswith(_ID3) and len(head) == _ID3_HEADER:
            start = _ID3_HEADER + sum((byte & 0x7F) << 7 * (3 - place) for place, byte in enumerate(head[6:10]))
        file.seek(start)
        data = file.read(_HEAD)
    if not (found := _XING.search(data)):
        return False
    flags = int.from_bytes(data[found.end() : found.end() + 4], "big")
    at = found.end() + (8 if flags & _HAS_FRAMES else 4)
    length = int.from_bytes(data[at : at + 4], "big") if flags & _HAS_BYTES else 0
    return 0 < length <= size - start - found.start()
