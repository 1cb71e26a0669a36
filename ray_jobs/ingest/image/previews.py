"""Finds the pictures behind the first one of a TIFF: raw photos begin with a thumbnail, and have previews behind it."""

from __future__ import annotations

import io
import struct
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from ingest.image.picture import TIFF_PHOTOMETRIC
from ingest.image.tiff_pages import KIND, PIXELS, directories, picture_page

WIDTH, HEIGHT, COMPRESSION, STRIPS, STRIP_BYTES = 256, 257, 259, 273, 279
"""Tags of TIFF 6.0."""

JPEG_START, JPEG_BYTES, OLD_JPEG = 513, 514, 6
"""JPEGInterchangeFormat and its length, and the value of Compression that goes with them."""

RAW, DNG_VERSION, CANON = {32803, 34892}, 50706, b"CR\2"
"""Values of PhotometricInterpretation for the pixels of a sensor, a tag of DNG 1.4, and bytes of Canon's CR2."""

IS_MASK = 4
"""A bit of NewSubfileType."""

THUMBNAIL = 4
"""A picture of which another has more than this many times the pixels is its thumbnail or preview."""


@dataclass(frozen=True, slots=True)
class Previews:
    """The pictures of a TIFF that are not among its pages, and if it is a raw photo all of them.

    Attributes:
        is_raw: whether the file holds the pixels of a sensor, which are not decoded here.
        pixels: width times height of the largest, decodable or not; 0 if there is none.
        contents: the pixels of those that may be decodable, and a file of each; the largest first.
    """

    is_raw: bool
    pixels: int
    contents: list[tuple[int, bytes]]

    def loss(self, width: int, height: int, side: int) -> str:
        """Say that a picture is a thumbnail of the largest one, where sides of `side` pixels are needed; "" if not."""
        if width * height * THUMBNAIL >= self.pixels or min(width, height) >= side:
            return ""
        return (
            f"only a preview of {width} x {height} pixels can be read, because the picture itself is in a form that is "
            "not supported; export it as JPEG or PNG"
        )


def old_jpeg(data: bytes) -> bytes:
    """The JPEG that the picture of a TIFF is, if it is one as a whole: copiers write such; b"" if not."""
    with suppress(Exception):  # it is no TIFF, or cut off
        _, tags = picture_page(data)
        start = tags.get(JPEG_START, 0)
        content = data[start : start + tags.get(JPEG_BYTES, 0)]
        if tags.get(COMPRESSION) == OLD_JPEG and content.startswith(b"\xff\xd8"):
            return content
    return b""


def find_previews(data: bytes) -> Previews:
    """The previews in a file; none if it is no TIFF, or if all its pictures are pages of their own."""
    found: list[tuple[int, bool, Mapping[int, Any]]] = []
    if data[:4] in (b"II*\0", b"MM\0*"):
        with suppress(Exception):  # the file is cut off between its directories
            found.extend(directories(data))
    is_raw = data[8:11] == CANON or any(tags.get(TIFF_PHOTOMETRIC) in RAW or DNG_VERSION in tags for *_, tags in found)
    shown = [
        (offset, tags) for offset, is_page, tags in found if (is_raw or not is_page) and not tags.get(KIND, 0) & IS_MASK
    ]
    contents = [content for offset, tags in shown if (content := _content(data, offset, tags))]
    contents.sort(key=lambda content: -content[0])
    return Previews(is_raw, max((_pixels(tags) for _, tags in shown), default=0), contents)


def _pixels(tags: Mapping[int, Any]) -> int:
    return int(tags.get(WIDTH, 0)) * int(tags.get(HEIGHT, 0))


def _content(data: bytes, offset: int, tags: Mapping[int, Any]) -> tuple[int, bytes] | None:
    """The pixels of a directory's picture, and a file of it; None if it is a sensor's or there is none."""
    from PIL import Image

    start, length = tags.get(JPEG_START), tags.get(JPEG_BYTES)
    if start is None and tags.get(COMPRESSION) == OLD_JPEG and len(tags.get(STRIPS, ())) == 1:
        (start,), (length,) = tags[STRIPS], tags[STRIP_BYTES]
    if start is not None and length is not None:
        content = data[start : start + length]
        with suppress(Exception), Image.open(io.BytesIO(content), formats=["JPEG"]) as image:
            return image.width * image.height, content
        return None
    if tags.get(TIFF_PHOTOMETRIC) in RAW or not tags.keys() & PIXELS:
        return None
    return _pixels(tags), data[:4] + struct.pack("<I" if data[:1] == b"I" else ">I", offset) + data[8:]
