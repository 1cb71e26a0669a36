"""Pictures and drawings of a PDF that are worth a caption, each once."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import groupby
from typing import TYPE_CHECKING, Any

from ingest.pdf.drawings import MIN_SIDE, Box, Region, area, around, common, count_segments, drawn_figures
from ingest.pdf.reader import check_memory

if TYPE_CHECKING:
    import pymupdf

    from ingest.pdf.structure import RawPage

REVISION = 2
"""Raise it when other figures are found in the same PDF: with captions, every object is then processed anew."""

MAX_FIGURES = 100
"""Of one document; the largest are kept."""

MAX_SIDE = 768
"""Pixels of a figure's longer side: more than the captioning models look at."""

MAX_ASPECT = 8.0
"""How many times longer than wide a figure may be; a banner or a rule is longer."""

MAX_REPEATS = 2
"""Pages that a figure may be on: a logo or a background is on more."""

MAX_SEGMENTS = 1_000_000
"""Lines, curves and boxes of a document that are looked at, from its first page on: some 10 s. On pages after that only
pictures are figures."""

OVERLAP = 0.5
"""Share of the smaller of a picture and a drawing that both cover if they are one figure."""

QUALITY = 85
"""Of the JPEG."""


@dataclass(frozen=True, slots=True)
class Figure:
    """A figure as it is seen on its page: a JPEG of `width` x `height` pixels, none over MAX_SIDE.

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
    bbox: Box
    drawn: bool


class Figures:
    """Collects where pictures and drawings are, page by page, and renders those that are chosen at the end."""

    def __init__(self, document: pymupdf.Document) -> None:
        self._document = document
        self._pages: Counter[bytes] = Counter()
        self._places: dict[bytes, _Place] = {}
        self._segments = 0

    def add(self, page: pymupdf.Page, read: RawPage) -> None:
        """Note the figures of a page; the picture of a scanned page is none."""
        if read.kind == "ocr":
            return
        found: dict[bytes, tuple[Box, bool]] = {}
        extent = (0, 0, page.rect.width, page.rect.height)
        for image in page.get_image_info(hashes=True) if page.get_images() else []:
            bbox = common(image["bbox"], extent)
            if min(bbox[2] - bbox[0], bbox[3] - bbox[1], image["width"], image["height"]) >= MIN_SIDE:
                found.setdefault(image["digest"], (bbox, False))
        for region in self._drawn(page, read):
            found.setdefault(region.digest, (region.bbox, True))
        for digest, (bbox, drawn) in found.items():
            width, height = bbox[2] - bbox[0], bbox[3] - bbox[1]
            if max(width, height) <= MAX_ASPECT * min(width, height):
                self._pages[digest] += 1
                self._places.setdefault(digest, _Place(page.number, bbox, drawn))

    def _drawn(self, page: pymupdf.Page, read: RawPage) -> list[Region]:
        """None where a drawing cannot be followed: the text of its page was read all the same."""
        try:
            segments = count_segments(page)
            if self._segments + segments > MAX_SEGMENTS:
                return []
            self._segments += segments
            return drawn_figures(page, read.paragraphs, segments)
        except Exception as error:
            check_memory(error)
            return []

    def chosen(self) -> list[Figure]:
        """The figures in the order of their pages. One that cannot be rendered is left out."""
        seen = sorted(
            (place for digest, place in self._places.items() if self._pages[digest] <= MAX_REPEATS),
            key=lambda place: (place.page, -area(place.bbox)),
        )
        places = [place for _, others in groupby(seen, lambda place: place.page) for place in _united(others)]
        places = sorted(places, key=lambda place: -area(place.bbox))[:MAX_FIGURES]
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


def _united(places: Iterable[_Place]) -> list[_Place]:
    """The places of a page, a picture and a drawing over it as one."""
    united: list[_Place] = []
    for place in places:
        bbox, drawn = place.bbox, place.drawn
        apart = []
        for other in united:
            covered = area(common(bbox, other.bbox))
            if (drawn or other.drawn) and covered > OVERLAP * min(area(bbox), area(other.bbox)):
                bbox = around((bbox, other.bbox))
                drawn = True
            else:
                apart.append(other)
        united = [*apart, _Place(place.page, bbox, drawn)]
    return united
