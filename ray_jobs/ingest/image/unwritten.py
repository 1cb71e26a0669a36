"""Finds out how much of an image was never written: a download or copy had given the file its size at first."""

from __future__ import annotations

from ingest.common.filled import LEAST, filled_bytes
from ingest.image.jpeg import BASELINE, TABLES, segments
from ingest.image.repairs import END, chunks

_DENSE = {"AVIF", "HEIF", "JPEG2000"}
"""Formats whose pixels, of whatever colour, hold no long runs of one byte."""

_MAX_FILLED = 0.05
"""Share of the file that may be padding."""

_WEBP_PIXELS = (b"VP8 ", b"VP8L", b"ANMF")
"""The chunks with pixels; metadata may be padded, and transparency that changes slowly may be written as zeros."""

_BRIGHTNESS = 0x10
"""The class (1, AC coefficients) and number of the Huffman table that encoders use for the brightness."""


def unwritten_share(format_: str | None, data: bytes) -> float:
    """Return the share of the bytes of an image that were never written; 0 if they are few, or nobody can tell."""
    if format_ == "WEBP":
        content = b"".join(content for name, content in chunks(data) if name in _WEBP_PIXELS)
    else:
        content = data if format_ in _DENSE else _scan(data) if format_ in ("JPEG", "MPO") else b""
    filled = filled_bytes(content)
    return filled / len(data) if filled > max(LEAST, _MAX_FILLED * len(data)) else 0.0


def _scan(data: bytes) -> bytes:
    """The pixels of a JPEG if they cannot hold a long run of zeros; otherwise nothing.

    They can if the code of zeros stands for the end of a block: a part of one colour is such a run then.
    """
    is_baseline = False
    for marker, start, end in segments(data):
        is_baseline |= marker in BASELINE
        if marker == TABLES and not _are_dense(data[start:end]):
            return b""
    return data[end : max(data.find(END, end), 0)] if is_baseline else b""


def _are_dense(tables: bytes) -> bool:
    """Whether in the Huffman table of brightness the first code, zeros alone, is not the end of a block."""
    while len(tables) > 17:
        if tables[0] == _BRIGHTNESS and not tables[17] & 0x0F:
            return False
        tables = tables[17 + sum(tables[1:17]) :]
    return True
