"""Tells an error of the parsers that means a lack of memory from the others."""

from __future__ import annotations

import re

_LACK = re.compile(
    r"alloc\b.*failed|out of memory|insufficient memory|bad_alloc|fail\w* to alloc|can.?t alloc|cannot alloc"
    r"|failed to map seg",
    re.I,
)


def check_memory(error: Exception) -> None:
    """Raise MemoryError if MuPDF or OpenVINO ran out of memory: they report "malloc (52 bytes) failed"."""
    if isinstance(error, MemoryError) or _LACK.search(str(error)):
        raise MemoryError(str(error)) from None
