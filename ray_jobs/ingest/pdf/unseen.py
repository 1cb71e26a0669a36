"""Finds text between the words of a page that nobody sees: invisible or white, with nothing drawn at its place.

Producers fill gaps and mark their work with it, and some hide instructions for language models in it. The invisible
text of an OCR layer stands over an image of the page, that of outlines over their ink, and white text on a ground of
another colour.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ingest.pdf.doubled import CAP_HEIGHT
from ingest.pdf.geometry import Box, bounding_box, is_covered
from ingest.pdf.glyph_lines import PAINTED, UNSEEN

if TYPE_CHECKING:
    from pymupdf import Page

WHITE = 0xFFFFFF

MAX_SIDE = 2000
"""Longest side in pixels of the image in which ink is looked for, at one pixel per point."""

MAX_SPREAD = 4
"""Difference in brightness, of 255, up to which there is no ink at a place."""


def mark_unseen(page: Page, content: dict[str, Any]) -> bool:
    """Mark the spans of `page.get_text("dict")` that nobody sees; return whether there are any.

    A page with no other text is left as it is: it may be an OCR layer without its scan.
    """
    faint: list[tuple[Box, dict[str, Any]]] = []
    clear = False
    for block in content["blocks"]:
        for line in block.get("lines", ()):
            for span in line["spans"]:
                if span["color"] != WHITE and span["char_flags"] & PAINTED and span["alpha"]:
                    clear = clear or not span["text"].isspace()
                elif not span["text"].isspace():
                    faint.append((_place(span, line["dir"] == (1.0, 0.0)), span))
    if not (faint and clear):
        return False
    blank = _on_one_colour(page, faint)
    if blank:
        images = [bbox for kind, bbox in page.get_bboxlog() if kind in ("fill-image", "fill-imgmask")]
        blank = [(place, span) for place, span in blank if not is_covered(place, images)]
    for _, span in blank:
        span[UNSEEN] = True
    return bool(blank)


def _place(span: dict[str, Any], horizontal: bool) -> Box:
    """The box of a span: in a horizontal line, without the room above and below that it may share with others."""
    x0, y0, x1, y1 = span["bbox"]
    baseline = span["origin"][1]
    return (x0, baseline - CAP_HEIGHT * span["size"], x1, baseline) if horizontal else (x0, y0, x1, y1)


def _on_one_colour(page: Page, places: list[tuple[Box, dict[str, Any]]]) -> list[tuple[Box, dict[str, Any]]]:
    """The spans at whose places the page shows one colour."""
    import pymupdf

    scale = min(1.0, MAX_SIDE / max(page.rect.width, page.rect.height, 1))
    clip = pymupdf.Rect(bounding_box([place for place, _ in places])) & page.rect
    if clip.is_empty:
        return []
    image = page.get_pixmap(matrix=pymupdf.Matrix(scale, scale), colorspace=pymupdf.csGRAY, alpha=False, clip=clip)
    pixels = np.frombuffer(image.samples, np.uint8).reshape(image.h, image.w)
    blank = []
    for place, span in places:
        x0, y0, x1, y1 = (round(side * scale) for side in place)
        rows = slice(max(y0 - image.y, 0), max(y1 - image.y, 0))
        # Without the edges, which its neighbours may touch.
        seen = pixels[rows, max(x0 - image.x + 1, 0) : max(x1 - image.x - 1, 0)]
        if seen.size and int(seen.max()) - int(seen.min()) <= MAX_SPREAD:
            blank.append((place, span))
    return blank
