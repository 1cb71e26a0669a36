"""Finds what a HEIF or AVIF file declares of its picture, among its items, which have properties of their own.

A gain map, which turns the picture into one of high dynamic range, has the colours of that (ISO/IEC 23008-12, 6.6).
"""

from __future__ import annotations

from collections.abc import Iterator

_COLOURS = b"colrnclx"

_HEADERS = 1 << 16
"""Bytes at the beginning of a file in which its colours are declared."""


def transfer_of_primary(data: bytes) -> int:
    """The transfer characteristics (ITU-T H.273) of the picture; 0 if none are declared."""
    try:
        meta = only(data, b"meta")[4:]
        properties = only(meta, b"iprp")
        number = _primary(only(meta, b"pitm"))
        contents = [kind + content for kind, content in boxes(only(properties, b"ipco"))]
        own = [contents[index - 1] for index in _properties(only(properties, b"ipma"), number) if index]
    except (IndexError, ValueError):  # a sequence of pictures has one of them in another place
        place = data.find(_COLOURS, 0, _HEADERS)
        own = [data[place:]] if place > 0 else []
    found = [content for content in own if content.startswith(_COLOURS)]
    return int.from_bytes(found[0][10:12], "big") if found else 0  # ISO/IEC 14496-12, 12.1.5


def boxes(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield the types and contents of boxes (ISO/IEC 14496-12, 4.2)."""
    at = 0
    while at + 8 <= len(data):
        size, head = int.from_bytes(data[at : at + 4], "big"), 8
        if size == 1:
            size, head = int.from_bytes(data[at + 8 : at + 16], "big"), 16
        size = size or len(data) - at
        if size < head:
            return
        yield data[at + 4 : at + 8], data[at + head : at + size]
        at += size


def only(data: bytes, kind: bytes) -> bytes:
    """The content of the first box of a type. Raises ValueError if there is none."""
    for found, content in boxes(data):
        if found == kind:
            return content
    raise ValueError(f"there is no box {kind!r}")


def _primary(box: bytes) -> int:
    """The number of the item that is the picture (8.11.4)."""
    return int.from_bytes(box[4 : 8 if box[0] else 6], "big")


def _properties(box: bytes, item: int) -> Iterator[int]:
    """Yield the numbers of an item's properties, from 1 (ISO/IEC 23008-12, 9.3)."""
    number, width = 4 if box[0] else 2, 2 if box[3] & 1 else 1
    at = 8
    for _ in range(int.from_bytes(box[4:8], "big")):
        found, count = int.from_bytes(box[at : at + number], "big"), box[at + number]
        at += number + 1
        if found == item:
            for place in range(at, at + count * width, width):
                yield int.from_bytes(box[place : place + width], "big") & (1 << 8 * width - 1) - 1
        at += count * width
