"""Collects the figures of a PDF, images and vector drawings, each once."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import groupby
from typing import TYPE_CHECKING, Any

from ingest.pdf.drawings import MIN_SIDE, Region, count_segments, vector_figures
from ingest.pdf.geometry import Box, area, bounding_box, intersection
from ingest.pdf.memory import check_memory
from ingest.pdf.page_boxes import as_displayed
from ingest.pdf.places import PLACE, place_on
from ingest.pdf.rendering import render
from ingest.pdf.text_layer import MIN_SCAN_COVERAGE, image_coverage, may_have_images

if TYPE_CHECKING:
    import pymupdf

    from ingest.pdf.structure import RawPage

REVISION = 3
"""Raise it when the same PDF yields other figures: runs with captions then process every object again."""

MAX_FIGURES = 100
"""Maximum number of figures of a document; the largest are kept."""

MAX_FIGURE_SIDE = 768
"""Maximum pixels of a figure's longer side: more than the input of the captioning models."""

MAX_FIGURE_ASPECT = 8.0
"""Maximum ratio of a figure's longer to its shorter side; banners and rules exceed it."""

MAX_REPEATS = 2
"""Maximum number of pages with the same figure: logos and backgrounds are on more."""

MAX_DOCUMENT_SEGMENTS = 1_000_000
"""Maximum number of lines, curves and boxes of a document that are examined, from its first page: some 10 s. On later
pages, only images are figures."""

OVERLAP = 0.5
"""Share of the smaller one by which an image and a drawing overlap if they are one figure."""

QUALITY = 85
"""JPEG quality."""


@dataclass(frozen=True, slots=True)
class Figure:
    """A figure as its page shows it: a JPEG of `width` x `height` pixels, neither above MAX_FIGURE_SIDE.

    `page` is the first page with the figure, counted from 1. `metadata` holds its `bbox` on that page, in points from
    the upper left corner, and its `place` (`place_on`).
    """

    page: int
    image: bytes
    width: int
    height: int
    metadata: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Place:
    """The place of a figure. `page` counts from 0; `digest` is that of the image or drawing, which equal ones share."""

    page: int
    digest: bytes
    bbox: Box
    drawn: bool


class FigureCollector:
    """Finds the places of images and drawings page by page; `segments` were examined on the pages before."""

    def __init__(self, segments: int = 0) -> None:
        self._segments = segments

    def of_page(self, page: pymupdf.Page, read: RawPage) -> list[Place]:
        """Return the places on a page; the image of a scanned page is none, but a photo with letters on it is one."""
        segments = _segments_of(page)
        examined = self._segments + segments <= MAX_DOCUMENT_SEGMENTS
        self._segments += segments if examined else 0
        if read.kind == "ocr" and image_coverage(page) >= MIN_SCAN_COVERAGE:
            return []
        found: dict[bytes, tuple[Box, bool]] = {}
        extent = (0, 0, page.rect.width, page.rect.height)
        for image in page.get_image_info(hashes=True) if may_have_images(page) else []:
            bbox = intersection(image["bbox"], extent)
            if min(bbox[2] - bbox[0], bbox[3] - bbox[1], image["width"], image["height"]) >= MIN_SIDE:
                found.setdefault(image["digest"], (bbox, False))
        for region in _vector_figures(page, read, segments) if examined else []:
            found.setdefault(region.digest, (region.bbox, True))
        places = []
        for digest, (bbox, drawn) in found.items():
            width, height = bbox[2] - bbox[0], bbox[3] - bbox[1]
            if max(width, height) <= MAX_FIGURE_ASPECT * min(width, height):
                places.append(Place(page.number, digest, bbox, drawn))
        return places


def examined_before(document: pymupdf.Document) -> list[int]:
    """For each page, the number of segments that are examined on the pages before it."""
    found = [0]
    for number in range(document.page_count):
        segments = 0
        with suppress(RuntimeError, ValueError):  # the page is damaged
            segments = _segments_of(document[number])
        found.append(found[-1] + (segments if found[-1] + segments <= MAX_DOCUMENT_SEGMENTS else 0))
    return found[:-1]


def _segments_of(page: pymupdf.Page) -> int:
    try:
        return count_segments(page)
    except Exception as error:
        check_memory(error)
        return 0


def _vector_figures(page: pymupdf.Page, read: RawPage, segments: int) -> list[Region]:
    """Return the vector figures; none if MuPDF fails on the drawings, since the text is read anyway."""
    try:
        return vector_figures(page, read.paragraphs, segments)
    except Exception as error:
        check_memory(error)
        return []


def render_figures(document: pymupdf.Document, found: Sequence[Place]) -> list[Figure]:
    """Render the figures of a document in page order, from its places in that order, except those that fail."""
    pages = Counter(place.digest for place in found)
    first: dict[bytes, Place] = {}
    for place in found:
        first.setdefault(place.digest, place)
    seen = sorted(
        (place for digest, place in first.items() if pages[digest] <= MAX_REPEATS),
        key=lambda place: (place.page, -area(place.bbox)),
    )
    places = [place for _, others in groupby(seen, lambda place: place.page) for place in _merged(others)]
    places = sorted(places, key=lambda place: -area(place.bbox))[:MAX_FIGURES]
    figures: dict[bytes, Figure] = {}
    for place in sorted(places, key=lambda place: (place.page, place.bbox[1], place.bbox[0])):
        try:
            figure = _rendered(document, place)
        except Exception as error:
            check_memory(error)
            continue
        figures.setdefault(hashlib.sha256(figure.image).digest(), figure)
    return list(figures.values())


def _rendered(document: pymupdf.Document, place: Place) -> Figure:
    """Render a figure from its page: with its mask, colours, rotation, and the text over it."""
    import pymupdf

    page = as_displayed(document[place.page])
    clip = pymupdf.Rect(place.bbox)
    scale = (MAX_FIGURE_SIDE - 1) / max(clip.width, clip.height)  # MuPDF rounds the edges outwards
    picture = render(page, matrix=pymupdf.Matrix(scale, scale), clip=clip, colorspace=pymupdf.csRGB, alpha=False)
    bbox = [round(value, 1) for value in place.bbox]
    on_page = place_on((page.rect.width, page.rect.height), [place.bbox])
    metadata = {"bbox": bbox, PLACE: on_page}
    return Figure(place.page + 1, picture.tobytes("jpeg", QUALITY), picture.width, picture.height, metadata)


def _merged(places: Iterable[Place]) -> list[Place]:
    """Merge each image on a page with a drawing over it."""
    merged: list[Place] = []
    for place in places:
        bbox, drawn = place.bbox, place.drawn
        others = []
        for other in merged:
            covered = area(intersection(bbox, other.bbox))
            if (drawn or other.drawn) and covered > OVERLAP * min(area(bbox), area(other.bbox)):
                bbox = bounding_box((bbox, other.bbox))
                drawn = True
            else:
                others.append(other)
        merged = [*others, Place(place.page, place.digest, bbox, drawn)]
    return merged
