"""Finds the parts of a JPEG without decoding it (ITU-T T.81, B.1 and B.2)."""

from __future__ import annotations

import re
from collections.abc import Iterator

from ingest.image.repairs import END

BASELINE, TABLES = (0xC0, 0xC1), 0xC4
"""Markers of the frames whose pixels are in one scan, or in one for each colour, and of Huffman tables."""

_INTERVAL = 0xDD
"""The marker of the segment that tells after how many blocks a mark restarts the decoder."""

_SCAN = 0xDA
_FRAMES = (*range(0xC0, 0xC4), *range(0xC5, 0xC8), *range(0xC9, 0xCC), *range(0xCD, 0xD0))
"""Markers of a scan, and of all kinds of frames."""

_OTHER = re.compile(rb"\xff[^\0\xff\xd0-\xd7]")
"""What no pixels hold: a mark that neither stands for a byte nor restarts their decoder."""


def segments(data: bytes) -> Iterator[tuple[int, int, int]]:
    """Yield the marker of each segment and where its content begins and ends, up to the head of the first scan."""
    at = 2
    while at + 4 <= len(data) and data[at] == 0xFF:
        marker, size = data[at + 1], int.from_bytes(data[at + 2 : at + 4], "big")
        yield marker, at + 4, at + 2 + size
        if marker == _SCAN:
            return
        at += 2 + size


def frame(data: bytes) -> tuple[int, int]:
    """The marker of the frame of a JPEG and the bits of its colours; (0, 0) if there is none."""
    for marker, start, end in segments(data) if data[:2] == b"\xff\xd8" else ():
        if marker in _FRAMES and start < end <= len(data):
            return marker, data[start]
    return 0, 0


def parts_of_scan(data: bytes) -> int:
    """How many parts the marks of a JPEG divide its pixels into if these are in one scan; 0 if it declares no marks."""
    interval = width = height = 0
    block = [8, 8]
    for marker, start, end in segments(data):
        content = data[start:end]
        if marker == _INTERVAL:
            interval = int.from_bytes(content[:2], "big")
        elif marker in BASELINE and len(content) > 7:
            height, width = int.from_bytes(content[1:3], "big"), int.from_bytes(content[3:5], "big")
            samplings = content[7::3] if content[5] > 1 else b"\x11"  # pixels of one colour are coded in single squares
            block = [8 * max(each >> 4 for each in samplings), 8 * max(each & 15 for each in samplings)]
    blocks = -(-width // block[0]) * -(-height // block[1]) if all(block) else 0
    return -(-blocks // interval) if interval else 0


def scan_place(data: bytes) -> tuple[int, int]:
    """Where the pixels of a JPEG begin and end if they are in one scan and not progressive; otherwise (0, 0)."""
    is_baseline = False
    for marker, _, start in segments(data):
        is_baseline |= marker in BASELINE
        if marker == _SCAN and is_baseline:
            end = data.find(END, start)
            other = _OTHER.search(data, start, end) if end > 0 else None
            return (start, end) if end > 0 and not other else (0, 0)
    return 0, 0
