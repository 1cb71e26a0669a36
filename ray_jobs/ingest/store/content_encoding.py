"""Undo the Content-Encoding of an object, as a browser does for its owner."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterator
from typing import BinaryIO

from ingest.common.errors import ObjectError
from ingest.common.failures import Failure

_NO_COMPRESSION = {"", "identity", "none", "utf-8", "binary", "base64", "aws-chunked"}
"""`aws-chunked` belongs to the upload, and some stores keep it by mistake; the others are mistakes of their owners."""

_GZIP = {"gzip", "x-gzip"}
_GZIP_MAGIC = b"\x1f\x8b"

PIECE_BYTES = 1 << 20
"""The most bytes that are decompressed at once, against objects that explode."""


def encodings(header: str | None) -> list[str]:
    """The compressions in a header Content-Encoding, in the order in which they were applied."""
    return [name for part in (header or "").lower().split(",") if (name := part.strip()) not in _NO_COMPRESSION]


def decode(content: BinaryIO, target: BinaryIO, header: str | None, max_bytes: float) -> None:
    """Copy an object's content with its Content-Encoding undone.

    Many headers are wrong: content that is not compressed, although the header says so, is copied as it is.

    Raises:
        ObjectError: the encoding is unknown, the content is damaged, or it becomes larger than `max_bytes`.
    """
    names = encodings(header)
    if len(names) != 1 or names[0] not in {*_GZIP, "deflate"}:
        raise ObjectError(Failure.UNKNOWN_ENCODING, f"its Content-Encoding is {', '.join(names)!r}")
    start = content.read(2)
    content.seek(0)
    if names[0] in _GZIP:
        pieces = _gunzipped(content) if start == _GZIP_MAGIC else iter(lambda: content.read(PIECE_BYTES), b"")
    else:
        pieces = _inflated(content)
    size = 0
    try:
        for piece in pieces:
            size += len(piece)
            if size > max_bytes:
                problem = f"the size of the object is over the limit of {max_bytes / 1e6:.0f} MB when decompressed"
                raise ObjectError(Failure.TOO_LARGE, problem, limit=max_bytes)
            target.write(piece)
    except (gzip.BadGzipFile, zlib.error, EOFError) as error:
        if not size or not str(error).startswith("Not a gzipped file"):  # otherwise something follows its end
            raise ObjectError(Failure.DAMAGED, f"its Content-Encoding cannot be undone ({error})") from None


def _gunzipped(content: BinaryIO) -> Iterator[bytes]:
    with gzip.GzipFile(fileobj=content) as file:
        while piece := file.read(PIECE_BYTES):
            yield piece


def _inflated(content: BinaryIO) -> Iterator[bytes]:
    """HTTP's `deflate`, which is zlib's format (RFC 9110, section 8.4.1.2), and of some programs without its header."""
    start = content.read(2)
    content.seek(0)
    has_header = len(start) == 2 and start[0] & 15 == 8 and int.from_bytes(start, "big") % 31 == 0
    inflater = zlib.decompressobj(zlib.MAX_WBITS if has_header else -zlib.MAX_WBITS)
    while data := content.read(PIECE_BYTES):
        while data:
            yield inflater.decompress(data, PIECE_BYTES)
            data = inflater.unconsumed_tail
    yield inflater.flush()
    if not inflater.eof:
        raise EOFError("its end is missing")
