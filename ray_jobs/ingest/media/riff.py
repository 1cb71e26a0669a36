"""Compares the length that a WAV, AVI or AIFF file declares for its media with the bytes that it holds."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

_UNKNOWN = 0x7FFF0000
"""Lengths from here on stand for an unknown one, as programs that write to a pipe declare it."""
_LOST = 0.02
"""Share of the declared bytes whose absence is a loss."""
_MAX_CHUNKS = 1000
_MIN_SURPLUS = 4096
"""Bytes behind the declared end that are more than padding."""


def is_cut_off(path: str, begin: int = 0) -> bool:
    """Whether a file, or the last recording in it, which begins at `begin`, ends before its media does."""
    start, length = _media_chunk(path, begin)
    return 0 < length < _UNKNOWN and start + length - Path(path).stat().st_size > _LOST * length


def is_whole_avi(path: str) -> bool:
    """Whether the one list that all media of an AVI file is in ends where the file does or before.

    Long files have further lists in further RIFF chunks, of which the first one does not tell.
    """
    start, length = _media_chunk(path)
    size = Path(path).stat().st_size
    with Path(path).open("rb") as file:
        head = file.read(12)
    return (
        (head[:4], head[8:]) == (b"RIFF", b"AVI ")
        and 0 < length < _UNKNOWN
        and start + length <= size < 8 + int.from_bytes(head[4:8], "little") + _MIN_SURPLUS
    )


def goes_on(path: str) -> bool:
    """Whether the samples of a WAV file go on behind their declared end.

    The length has 32 bits, so that programs write that of a file of more than 4 GiB too small by a multiple of it.
    """
    start, length = _media_chunk(path)
    end = start + length
    if not start or Path(path).stat().st_size - end < _MIN_SURPLUS:
        return False
    with Path(path).open("rb") as file:
        if file.read(4) != b"RIFF":
            return False
        file.seek(end)
        following = file.read(5)  # the identifier of a chunk, behind a byte of padding if the length is odd
    return not any(part.isascii() and part.decode("ascii").isprintable() for part in (following[:4], following[1:]))


def _media_chunk(path: str, begin: int = 0) -> tuple[int, int]:
    """Return where the media begins and its declared length, in bytes; (0, 0) if there is none."""
    with Path(path).open("rb") as file:
        file.seek(begin)
        head = file.read(12)
        if head[:4] not in (b"RIFF", b"FORM"):
            return 0, 0
        order: Literal["little", "big"] = "little" if head[:4] == b"RIFF" else "big"
        for _ in range(_MAX_CHUNKS):
            chunk = file.read(12)
            if len(chunk) < 8:
                break
            start, length = file.tell() - len(chunk) + 8, int.from_bytes(chunk[4:8], order)
            if chunk[:4] in (b"data", b"SSND") or (chunk[:4], chunk[8:]) == (b"LIST", b"movi"):
                return start, length
            file.seek(start + length + length % 2)
    return 0, 0
