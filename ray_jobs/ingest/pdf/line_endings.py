"""Restores a PDF that was transferred as text, which puts a carriage return before every line feed.

The streams of such a file are damaged and its tables point beside their objects. Taking the carriage returns out again
gives the file as it was, and its own pointers tell whether that is so.
"""

from __future__ import annotations

import re

TAIL = 2048
"""Number of bytes at the end of a file in which the pointer to its table is looked for."""

_POINTER = re.compile(rb"startxref\s+(\d+)")
_TABLE = re.compile(rb"xref\b|\d+\s+\d+\s+obj\b")


def as_sent(data: bytes | memoryview) -> bytes | memoryview:
    """Return a PDF without the carriage returns that a transfer put into it; the same object if there were none."""
    tail = bytes(data[-TAIL:])
    if b"\r\n" not in tail or _points_to_table(data, tail):
        return data
    whole = bytes(data)
    if whole.count(b"\n") != whole.count(b"\r\n"):
        return data
    restored = whole.replace(b"\r\n", b"\n")
    return restored if _points_to_table(restored, restored[-TAIL:]) else data


def _points_to_table(data: bytes | memoryview, tail: bytes) -> bool:
    pointers = _POINTER.findall(tail)
    start = int(pointers[-1]) if pointers and len(pointers[-1]) < 19 else len(data)
    return _TABLE.match(bytes(data[start : start + 40])) is not None
