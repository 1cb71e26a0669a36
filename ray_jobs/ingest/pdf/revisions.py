"""Finds a file that is cut off within its last revision, which changes objects of those before it (ISO 32000-1, 7.5.6).

A reader finds the table of the revision before, and shows an old version without a word.
"""

from __future__ import annotations

import re

END, TAIL = 1024, 4_000_000
"""Number of bytes at the end of a file in which its last revision ends, and in which the one before does otherwise."""

REBUILD = b"\nstartxref\n0\n%%EOF\n"
"""An end that points to no table, so that MuPDF looks for all objects, of which later ones replace earlier ones."""

_END, _POINTER, _OBJECT_END = b"%%EOF", b"startxref", b"endobj"
_OBJECT = re.compile(rb"\d\s+\d+\s+obj\b")


def is_cut_off(data: bytes | memoryview) -> bool:
    """Whether objects without a pointer to their table follow the end of a revision."""
    for length in (END, TAIL):
        _, end, rest = bytes(data[-length:]).rpartition(_END)
        if end:
            return _POINTER not in rest and _OBJECT.search(rest) is not None
    return False


def up_to_cut(data: bytes | memoryview) -> bytes:
    """Return a file that is cut off, with its whole objects, so that MuPDF finds the last ones."""
    found = bytes(data)
    return found[: max(found.rfind(end) + len(end) for end in (_END, _OBJECT_END))] + REBUILD
