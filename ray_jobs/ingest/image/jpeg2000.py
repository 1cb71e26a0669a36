"""Shows the channels of a JPEG 2000 as its header declares them (ISO/IEC 15444-1, I.5.3).

Pillow decodes tile by tile, for which OpenJPEG does not heed the definitions of channels, and knows one kind of YCC.
"""

from __future__ import annotations

import re
import struct
from typing import TYPE_CHECKING

from ingest.image.items import boxes, only
from ingest.image.repairs import CODESTREAM

if TYPE_CHECKING:
    from PIL.Image import Image
    from PIL.ImageFile import ImageFile

_YCC = re.compile(rb"colr\x01..\0\0\0([\x01\x03\x04\x18])", re.DOTALL)
_SYCC = b"\x12"
"""A box with a colour space of luminance and colour differences (15444-2, table M.25), and the one of 15444-1."""

_COLOUR, _OPACITIES = 0, (1, 2)
"""Types of channels."""


def as_declared(image: ImageFile, data: bytes) -> Image:
    """A decoded JPEG 2000 with its channels in order, and in RGB if its colours are YCC; without a header, as it is."""
    try:
        header = only(data, b"jp2h")
        definitions = _definitions(next((content for kind, content in boxes(header) if kind == b"cdef"), b""))
    except (ValueError, struct.error):
        return image
    return _in_order(image, definitions)


def with_known_colours(data: bytes) -> bytes:
    """The file with sYCC, which Pillow knows, in place of another kind of YCC that it declares."""
    found = _YCC.search(data, 0, max(data.find(CODESTREAM), 0)) if data[4:8] == b"jP  " else None
    return data[: found.start(1)] + _SYCC + data[found.end(1) :] if found else data


def _definitions(box: bytes) -> list[tuple[int, int, int]]:
    """The number, type and association of each channel."""
    count = int.from_bytes(box[:2], "big")
    return [struct.unpack_from(">HHH", box, 2 + 6 * index) for index in range(count)]


def _in_order(image: Image, definitions: list[tuple[int, int, int]]) -> Image:
    from PIL import Image as images

    if image.mode not in ("RGB", "RGBA") or len(definitions) != len(image.getbands()):
        return image
    places = {colour: number for number, kind, colour in definitions if kind == _COLOUR}
    if set(places) != {1, 2, 3} or not set(places.values()) <= {0, 1, 2, 3}:
        return image
    opacity = [number for number, kind, _ in definitions if kind in _OPACITIES]
    order = [places[1], places[2], places[3], *opacity]
    if order == list(range(len(image.getbands()))):
        return image
    channels = image.split()
    ordered = images.merge("RGBA" if opacity else "RGB", [channels[number] for number in order])
    ordered.info = image.info
    return ordered
