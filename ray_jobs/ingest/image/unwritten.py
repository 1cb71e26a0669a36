"""Finds out how much of an image was never written: a download or copy had given the file its size at first."""

from __future__ import annotations

from ingest.common.filled import LEAST, filled_bytes
from ingest.image.repairs import chunks

_DENSE = {"AVIF", "HEIF", "JPEG2000"}
"""Formats whose pixels, of whatever colour, hold no long runs of one byte."""

_MAX_FILLED = 0.05
"""Share of the file that may be padding."""

_WEBP_PIXELS = (b"VP8 ", b"VP8L", b"ALPH", b"ANMF")
"""The chunks with pixels; metadata may be padded."""

_BASELINE, _TABLES, _SCAN, _END = (0xC0, 0xC1), 0xC4, 0xDA, b"\xff\xd9"
"""Markers of a JPEG (ITU-T T.81, table B.1)."""

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
    at, is_baseline = 2, False
    while at + 4 <= len(data) and data[at] == 0xFF:
        marker, size = data[at + 1], int.from_bytes(data[at + 2 : at + 4], "big")
        if marker == _SCAN:
            return data[at : max(data.find(_END, at), 0)] if is_baseline else b""
        is_baseline |= marker in _BASELINE
        if marker == _TABLES and not _are_dense(data[at + 4 : at + 2 + size]):
            return b""
        at += 2 + size
    return b""


def _are_dense(tables: bytes) -> bool:
    """Whether in the Huffman table of brightness the first code, zeros alone, is not the end of a block."""
    while len(tables) > 17:
        if tables[0] == _BRIGHTNESS and not tables[17] & 0x0F:
            return False
        tables = tables[17 + sum(tables[1:17]) :]
    return True
