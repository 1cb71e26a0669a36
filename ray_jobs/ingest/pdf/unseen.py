"""Finds text between the words of a page that nobody sees: invisible, tiny, or in the colour of its ground.

Producers fill gaps and mark their work with it, leave the text of a template below that which replaces it, and some
hide instructions for language models in it. The invisible text of an OCR layer stands over an image of the page, that
of outlines over their ink, and white text mostly on a ground of another colour. The ink of other text is none of them.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import numpy as np

from ingest.pdf.contents import contents_of
from ingest.pdf.covered_text import MIN_BOX, dark_highlights, plain_images
from ingest.pdf.doubled import CAP_HEIGHT
from ingest.pdf.geometry import Box, bounding_box, is_covered
from ingest.pdf.glyph_lines import PAINTED, UNSEEN
from ingest.pdf.layout import is_unreadable
from ingest.pdf.rendering import render

if TYPE_CHECKING:
    from pymupdf import Page

MIN_PALE = 0xF0
"""Smallest share of red, green and blue, of 255, in a colour that may vanish on paper."""

MIN_SIZE, MIN_RELATIVE_SIZE = 1.0, 0.0015
"""Smallest size of letters that people can read, in points and in heights of the page."""

# The end of a box; patterns that begin with its numbers take seconds, since contents are full of numbers.
_BOX_END = re.compile(rb"\sre\s+(?:h\s+)?(?=[fFbB]|([\d.\s]{1,60}\s(?:rg|g|scn?)\s+)[fFbB])")
_WINDOW = 120
"""Number of bytes before the end of a box that hold it, and the colour that may stand right before it."""

_COLORS = {b"g": 1, b"rg": 3, b"sc": 3, b"scn": 3}
"""Operators that set the colour that fills boxes, and the largest number of their operands that is looked at."""

MAX_SIDE = 2000
"""Longest side in pixels of the image in which ink is looked for, at one pixel per point."""

MAX_SPREAD = 4
"""Difference in brightness, of 255, up to which there is no ink at a place, or a text is not seen on its ground."""


def mark_unseen(page: Page, content: dict[str, Any]) -> bool:
    """Mark the spans of `page.get_text("dict")` that nobody sees; return whether there are any.

    A page with no other text is left as it is: it may be an OCR layer without its scan.
    """
    limit = min(MIN_SIZE, MIN_RELATIVE_SIZE * page.rect.height)
    grounds = _grounds(page)
    faint: list[tuple[Box, dict[str, Any]]] = []
    unseen: list[dict[str, Any]] = []
    written: list[dict[str, Any]] = []
    plain = plain_images(page) + dark_highlights(page)
    covered: list[tuple[Box, dict[str, Any]]] = []
    count = 0
    for block in content["blocks"]:
        for line in block.get("lines", ()):
            for span in line["spans"]:
                if span["text"].isspace():
                    continue
                count += 1
                if span["size"] < limit:
                    unseen.append(span)
                elif not _is_painted(span) or _may_vanish(span["color"], grounds):
                    faint.append((_place(span, line["dir"] == (1.0, 0.0)), span))
                elif plain and is_covered(span["bbox"], plain):
                    covered.append((_place(span, line["dir"] == (1.0, 0.0)), span))
                else:
                    written.append(span)
    if not (faint or unseen or covered):
        return False
    if covered:
        unseen += [span for _, span in _without_ink(page, covered, [])]
    blank = _without_ink(page, faint, written) if faint else []
    if blank:
        images = [bbox for kind, bbox in page.get_bboxlog() if kind in ("fill-image", "fill-imgmask")]
        unseen += [span for place, span in blank if not is_covered(place, images)]
    if len(unseen) == count:
        return False
    for span in unseen:
        span[UNSEEN] = True
    return bool(unseen)


def _is_painted(span: dict[str, Any]) -> bool:
    return bool(span["char_flags"] & PAINTED and span["alpha"])


def _is_read(text: str) -> bool:
    """Whether a text says what it shows: invisible text may stand for letters that have no Unicode values."""
    return not is_unreadable(text) and any(map(str.isalnum, text))


def _may_vanish(color: int, grounds: set[tuple[int, ...]]) -> bool:
    parts = (color >> 16, color >> 8 & 0xFF, color & 0xFF)
    return min(parts) >= MIN_PALE or any(
        max(abs(one - other) for one, other in zip(parts, ground, strict=True)) <= 1 for ground in grounds
    )


def _grounds(page: Page) -> set[tuple[int, ...]]:
    """The colours of the boxes that the contents of a page fill, of 255, if set right before or behind them."""
    content = contents_of(page)
    found = set()
    for end in _BOX_END.finditer(content):
        *before, _, _, width, height = [b""] * 8 + content[max(end.start() - _WINDOW, 0) : end.start()].split()
        color = _color(end[1].split() if end[1] else before)
        if color and _is_large(width) and _is_large(height):
            found.add(color)
    return found


def _color(tokens: list[bytes]) -> tuple[int, ...]:
    """The colour that the last token sets, as red, green and blue; () if it sets none."""
    parts: list[int] = []
    for token in reversed(tokens[:-1][-_COLORS.get(tokens[-1], 0) :] if tokens[-1] in _COLORS else []):
        try:
            parts.insert(0, round(255 * min(float(token), 1.0)))
        except ValueError:
            break
    return tuple(parts * 3 if len(parts) == 1 else parts) if len(parts) in (1, 3) else ()


def _is_large(side: bytes) -> bool:
    try:
        return abs(float(side)) >= MIN_BOX
    except ValueError:
        return False


def _place(span: dict[str, Any], horizontal: bool) -> Box:
    """The box of a span: in a horizontal line, without the room above and below that it may share with others."""
    x0, y0, x1, y1 = span["bbox"]
    baseline = span["origin"][1]
    return (x0, baseline - CAP_HEIGHT * span["size"], x1, baseline) if horizontal else (x0, y0, x1, y1)


def _without_ink(
    page: Page, faint: list[tuple[Box, dict[str, Any]]], written: list[dict[str, Any]]
) -> list[tuple[Box, dict[str, Any]]]:
    """The spans at whose places the page shows one colour, apart from text that is written there."""
    import pymupdf

    scale = min(1.0, MAX_SIDE / max(page.rect.width, page.rect.height, 1))
    clip = pymupdf.Rect(bounding_box([place for place, _ in faint])) & page.rect
    if clip.is_empty:
        return []
    image = render(page, matrix=pymupdf.Matrix(scale, scale), colorspace=pymupdf.csGRAY, alpha=False, clip=clip)
    pixels = np.frombuffer(image.samples, np.uint8).reshape(image.h, image.w)
    ground = np.ones_like(pixels, np.bool_)
    for x0, y0, x1, y1 in (span["bbox"] for span in written if _is_read(span["text"])):
        left, top, right, bottom = (round(side * scale) for side in (x0, y0, x1, y1))
        rows = slice(max(top - image.y, 0), max(bottom - image.y + 1, 0))
        ground[rows, max(left - image.x - 1, 0) : max(right - image.x + 2, 0)] = False
    blank = []
    for place, span in faint:
        x0, y0, x1, y1 = (round(side * scale) for side in place)
        rows = slice(max(y0 - image.y, 0), max(y1 - image.y, 0))
        # Without the edges, which its neighbours may touch.
        columns = slice(max(x0 - image.x + 1, 0), max(x1 - image.x - 1, 0))
        seen = pixels[rows, columns]
        if seen.size and (_is_plain(seen) or _is_below(span, seen, ground[rows, columns])):
            blank.append((place, span))
    return blank


def _is_plain(pixels: np.ndarray) -> bool:
    return not pixels.size or int(pixels.max()) - int(pixels.min()) <= MAX_SPREAD


def _is_below(span: dict[str, Any], pixels: np.ndarray, ground: np.ndarray) -> bool:
    """Whether all ink at the place of a span is that of other text, and not its own in another colour."""
    if ground.all() or not _is_plain(pixels[ground]):
        return False
    color = span["color"]
    brightness = 0.299 * (color >> 16) + 0.587 * (color >> 8 & 0xFF) + 0.114 * (color & 0xFF)
    return not _is_painted(span) or abs(int(np.bincount(pixels.ravel()).argmax()) - brightness) <= MAX_SPREAD
