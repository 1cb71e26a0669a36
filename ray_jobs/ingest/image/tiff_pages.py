"""Finds the page of a TIFF that is the picture: the first one may be a thumbnail of it, or a mask."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from PIL.ImageFile import ImageFile

KIND, OLD_KIND, PIXELS = 254, 255, {273, 324}
"""NewSubfileType, SubfileType, and StripOffsets or TileOffsets, tags of TIFF 6.0 (page 36)."""

REDUCED_OR_MASK, OLD_REDUCED = 0b101, 2
"""Bits of the first for a reduced-resolution version and a transparency mask, and a value of the second."""

_PALETTE = 320
"""ColorMap, a tag of TIFF 6.0."""

SUBDIRECTORIES = 330
"""SubIFDs, a tag of TIFF/EP: pictures that are no pages of their own."""

MAX_DIRECTORIES = 100
"""Directories among which pictures are looked for."""


def show_picture(image: ImageFile, data: bytes) -> None:
    """Seek the page that is the picture.

    Raises:
        Exception: Pillow cannot read that page.
    """
    if image.format == "TIFF" and _is_by_product(getattr(image, "tag_v2", {})):
        image.seek(picture_page(data)[0])
    if image.format == "TIFF" and image.mode == "P":
        _scale_palette(image)


def _scale_palette(image: ImageFile) -> None:
    """Show the colours of a palette that ends at 255 instead of TIFF's 65535, as some programs write it."""
    from PIL import ImagePalette

    colours = getattr(image, "tag_v2", {}).get(_PALETTE, (0,))
    if 0 < max(colours) < 1 << 8:
        image.palette = ImagePalette.raw("RGB;L", bytes(colours))


def picture_page(data: bytes) -> tuple[int, Mapping[int, Any]]:
    """The index and the tags of the page that is the picture; of the first one if the file says so of none."""
    pages = []
    with suppress(Exception):  # the file is cut off between its pages
        for _, is_page, page in directories(data):
            if not is_page or not page.keys() & PIXELS:  # the last page came before, or the file is cut off here
                break
            pages.append(page)
            if not _is_by_product(page):
                return len(pages) - 1, page
    return 0, pages[0] if pages else {}


def other_pages(data: bytes) -> int:
    """The number of pages beside the picture that are neither smaller versions nor masks, up to MAX_DIRECTORIES."""
    count = 0
    with suppress(Exception):  # the file is cut off between its pages
        for _, is_page, page in directories(data):
            count += is_page and bool(page.keys() & PIXELS) and not _is_by_product(page)
    return max(count - 1, 0)


def _is_by_product(tags: Mapping[int, Any]) -> bool:
    kind = tags.get(KIND, 0)
    return bool(isinstance(kind, int) and kind & REDUCED_OR_MASK) or tags.get(OLD_KIND) == OLD_REDUCED


def directories(data: bytes) -> Iterator[tuple[int, bool, Mapping[int, Any]]]:
    """The offset of each directory, whether it is a page of its own, and its tags; first the pages in their order.

    Raises:
        Exception: the file is cut off between its directories.
    """
    from PIL.TiffImagePlugin import ImageFileDirectory_v2

    file, header = io.BytesIO(data), data[: 16 if b"+" in data[2:4] else 8]  # the header of a BigTIFF is longer
    seen: set[int] = set()
    waiting = [(ImageFileDirectory_v2(header).next, True)]
    while waiting and len(seen) < MAX_DIRECTORIES:
        offset, is_page = waiting.pop()
        if not offset or offset in seen:
            continue
        seen.add(offset)
        tags = ImageFileDirectory_v2(header)
        file.seek(offset)
        tags.load(file)
        waiting += [(each, False) for each in np.atleast_1d(tags.get(SUBDIRECTORIES, ())).astype(int).tolist()]
        waiting.append((tags.next, is_page))
        yield offset, is_page, tags
