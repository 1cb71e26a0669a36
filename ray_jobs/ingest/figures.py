"""Pictures of a PDF that are worth a caption, each once."""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ingest.pdf import check_memory

if TYPE_CHECKING:
    import pymupdf

MAX_FIGURES = 100
"""Of one document; the largest are kept."""

MAX_SIDE = 768
"""Pixels of a figure's longer side: more than the captioning models look at."""

MIN_SIDE = 64
"""Points that a figure measures on its page, and pixels that it has: what is smaller is an icon or an ornament."""

MAX_ASPECT = 8.0
"""How many times longer than wide a figure may be; a banner or a rule is longer."""

MAX_REPEATS = 2
"""Pages that a figure may be on: a logo or a background is on more."""

QUALITY = 85
"""Of the JPEG."""


@dataclass(frozen=True, slots=True)
class Figure:
    """A picture as it is seen on its page: a JPEG of `width` x `height` pixels, none over MAX_SIDE.

    `page` is the first that shows it, from 1; `metadata` has its `bbox` there in points from the upper left corner.
    """

    page: int
    image: bytes
    width: int
    height: int
    metadata: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Place:
    page: int
    bbox: tuple[float, float, float, float]

    @property
    def area(self) -> float:
        return (self.bbox[2] - self.bbox[0]) * (self.bbox[3] - self.bbox[1])


class Figures:
    """Collects where pictures are, page by page, and renders those that are chosen at the end."""

    def __init__(self, document: pymupdf.Document) -> None:
        self._document = document
        self._pages: Counter[bytes] = Counter()
        self._places: dict[bytes, _Place] = {}

    def add(self, page: pymupdf.Page, scanned: bool) -> None:
        """Note the pictures of a page; the picture of a scanned page is no figure."""
        if scanned or not page.get_images():
            return
        digests = set()
        for image in page.get_image_info(hashes=True):
            bbox = page.rect & image["bbox"]
            if min(bbox.width, bbox.height, image["width"], image["height"]) < MIN_SIDE:
                continue
            if max(bbox.width, bbox.height) > MAX_ASPECT * min(bbox.width, bbox.height):
                continue
            digests.add(image["digest"])
            self._places.setdefault(image["digest"], _Place(page.number, tuple(bbox)))
        self._pages.update(digests)

    def chosen(self) -> list[Figure]:
        """The figures in the order of their pages. One that cannot be rendered is left out."""
        places = [place for digest, place in self._places.items() if self._pages[digest] <= MAX_REPEATS]
        places = sorted(places, key=lambda place: -place.area)[:MAX_FIGURES]
        figures: dict[bytes, Figure] = {}
        for place in sorted(places, key=lambda place: (place.page, place.bbox[1], place.bbox[0])):
            try:
                figure = self._render(place)
            except Exception as error:
                check_memory(error)
                continue
            figures.setdefault(hashlib.sha256(figure.image).digest(), figure)
        return list(figures.values())

    def _render(self, place: _Place) -> Figure:
        """As it is on its page: with its mask, its colours, the way it is turned, and what is written over it."""
        import pymupdf

        page = self._document[place.page]
        clip = pymupdf.Rect(place.bbox)
        scale = (MAX_SIDE - 1) / max(clip.width, clip.height)  # the edges are rounded outwards
        picture = page.get_pixmap(matrix=pymupdf.Matrix(scale, scale), clip=clip, colorspace=pymupdf.csRGB, alpha=False)
        bbox = [round(value, 1) for value in place.bbox]
        return Figure(place.page + 1, picture.tobytes("jpeg", QUALITY), picture.width, picture.height, {"bbox": bbox})
