"""Mends the headers and ends of images whose pixels are there, and that decoders refuse for the sake of a number."""

from __future__ import annotations

import re
from collections.abc import Iterator

MAX_LOST = 0.9
"""Share of the pixels that may be missing. An image that misses more is damaged: it shows nothing to search for."""

CODESTREAM = b"\xff\x4f\xff\x51"
"""The first bytes of the pixels in a JPEG 2000 file, behind boxes that may be broken."""

END = b"\xff\xd9"
"""The last bytes of a JPEG or of the pixels in a JPEG 2000 file."""

_FIRST_CHUNK = 12
"""The place of the first chunk of a RIFF file."""

_CANVAS = 24
"""The place of the size of the canvas in an extended WebP."""

_TILE = b"\xff\x90\0\x0a"
_FRAME = re.compile(rb"\xff[\xc0-\xc2]\0.\x08\0\0", re.DOTALL)
_LINES = re.compile(rb"\xff\xdc\0\x04(..)", re.DOTALL)
"""The frame of a JPEG that does not know its height yet, and the segment that tells it (ITU-T T.81, B.2.5)."""


def padded(data: bytes) -> bytes | None:
    """Fill the end of a WebP or a JPEG 2000, whose decoders demand it, with zeros; None if nearly all is missing."""
    tile = data.rfind(_TILE)
    if data.startswith(b"RIFF"):
        size = 8 + int.from_bytes(data[4:8], "little")
    elif CODESTREAM in data and tile > 0:
        size = tile + int.from_bytes(data[tile + 6 : tile + 10], "big")
    else:
        return None
    end = b"" if data.startswith(b"RIFF") else END
    return data[:size].ljust(size, b"\0") + end if size * (1 - MAX_LOST) < len(data) else None


def mended(data: bytes) -> bytes | None:
    """Correct the lengths that a WebP declares for itself, or the height of a JPEG; None if none is wrong."""
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        size = (_end_of_chunks(data) - 8).to_bytes(4, "little")
        correct = data[:4] + size + data[8:]
        if canvas := _canvas(data):
            correct = correct[:_CANVAS] + canvas + correct[_CANVAS + len(canvas) :]
        return correct if correct != data else None
    if data[:2] == b"\xff\xd8" and (frame := _FRAME.search(data)) and (lines := _LINES.search(data, frame.end())):
        return data[: frame.end() - 2] + lines[1] + data[frame.end() :]
    return None


def chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield the names and contents of the chunks of a RIFF file, as far as they go."""
    at = _FIRST_CHUNK
    while at + 8 <= len(data) and data[at : at + 4].isascii() and data[at : at + 4].strip().isalnum():
        size = int.from_bytes(data[at + 4 : at + 8], "little")
        yield data[at : at + 4], data[at + 8 : at + 8 + size]
        at += 8 + size + size % 2


def _canvas(data: bytes) -> bytes:
    """The size of the canvas of an extended WebP, which is that of its picture; b"" if it is none or an animation."""
    found = dict(chunks(data))
    if b"VP8X" not in found or b"ANIM" in found:
        return b""
    if b"VP8L" in found:
        numbers = int.from_bytes(found[b"VP8L"][1:5], "little")
        width, height = (numbers & 0x3FFF) + 1, (numbers >> 14 & 0x3FFF) + 1
    else:
        frame = found.get(b"VP8 ", b"")
        width, height = (int.from_bytes(frame[at : at + 2], "little") & 0x3FFF for at in (6, 8))
    return (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little") if width and height else b""


def _end_of_chunks(data: bytes) -> int:
    """The place where the last chunk of a RIFF file ends, or would end if the file were whole."""
    at = _FIRST_CHUNK
    for _ in chunks(data):
        size = int.from_bytes(data[at + 4 : at + 8], "little")
        at += 8 + size + size % 2
    return at
