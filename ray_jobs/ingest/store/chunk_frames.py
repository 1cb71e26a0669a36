"""Undo the chunk frames of an upload, which a few stores keep in the object's body by mistake."""

from __future__ import annotations

import os
import re
from typing import BinaryIO

_HEAD = re.compile(rb"([0-9a-fA-F]{1,15})(;[\w-]+=[\w*]+)?\r\n")
_HEAD_BYTES = 256
_END = re.compile(rb"([\w-]+:[^\r\n]*\n?\r\n)*(\r\n)?")
"""The trailers, such as `x-amz-checksum-crc32:…`, and the empty line behind the last chunk."""

_END_BYTES = 4096
_PIECE_BYTES = 1 << 20


def remove_frames(file: BinaryIO) -> None:
    """Leave only the data of a file in the format `aws-chunked` (Amazon S3 API reference, "Signature calculations:
    transferring a payload in multiple chunks"), in place. If the frames do not fit it from its first to its last byte,
    it stays as it is. Afterwards, reading begins at its first byte.
    """
    pieces = _pieces(file)
    if pieces is not None:
        end = 0
        for start, length in pieces:
            for offset in range(0, length, _PIECE_BYTES):
                file.seek(start + offset)
                data = file.read(min(_PIECE_BYTES, length - offset))
                file.seek(end)
                end += file.write(data)
        file.truncate(end)
    file.seek(0)


def _pieces(file: BinaryIO) -> list[tuple[int, int]] | None:
    """Start and length of each chunk's data; None if the file is not framed."""
    size = file.seek(0, os.SEEK_END)
    found: list[tuple[int, int]] = []
    start = 0
    while start < size:
        file.seek(start)
        head = _HEAD.match(file.read(_HEAD_BYTES))
        if not head:
            return None
        start, length = start + head.end(), int(head[1], 16)
        file.seek(start + length)
        if not length:
            return found if size - start <= _END_BYTES and _END.fullmatch(file.read()) else None
        if file.read(2) != b"\r\n":
            return None
        found.append((start, length))
        start += length + 2
    return None
