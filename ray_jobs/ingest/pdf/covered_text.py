"""Finds text that a box hides which is painted over it: a redaction, or the ground of text that replaces it.

The box may also be an image of one colour. An image that shows something hides no text: it may be a scan, over the text
that OCR has read from it.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ingest.pdf.contents import contents_of
from ingest.pdf.geometry import Box, intersection, shorter_side

if TYPE_CHECKING:
    from pymupdf import Document, Page

MIN_BOX = 4.0
"""Shorter side in points of the smallest box that hides text: less is a rule."""

MARGIN = 0.3
"""Share of the height and width of a glyph by which its box may be larger than its ink, at each side."""

MAX_COVERED = 0.5
"""Share of the glyphs of a page up to which they are hidden: more are the text layer of a page painted as a picture."""

MIN_RATIO, MIN_PIXELS = 50, 400
"""Ratio of the bytes of an image's pixels to those in the file from which on it may be of one colour, and the number of
pixels up to which every image may be."""

MAX_DARK = 0.3
"""Largest share of red, green and blue, of 1, in a colour that hides dark text which it marks."""

_NOWHERE: Box = (0, 0, -1, -1)
# A box after its width and height, in units that the contents may scale; and the operators that paint or drop a path.
_BOX = re.compile(rb" re\s+(?![W\d.-])")
_PAINT = re.compile(rb"\b[fFBbSsn]\b")
_SIDE = re.compile(rb"-?(?:\d{2,}|[4-9])(?:\.\d*)?")

GlyphPlace = tuple[str, float, float]
"""A character and its origin in points, to one decimal."""


class CoveredGlyphs(NamedTuple):
    """For each place, how many glyphs are covered there, and how many are drawn."""

    hidden: Counter[GlyphPlace]
    drawn: Counter[GlyphPlace]


def covered_glyphs(page: Page) -> CoveredGlyphs:
    """Return the glyphs of a page that an opaque box hides which is painted after them."""
    none = CoveredGlyphs(Counter(), Counter())
    boxes = list(_opaque_boxes(page)) if _may_cover(page) else []
    if not boxes:
        return none
    covered: Counter[GlyphPlace] = Counter()
    count = 0
    order, places = np.array([seqno for seqno, _ in boxes]), np.array([box for _, box in boxes])
    trace = page.get_texttrace()
    for span in trace:
        later = (order > span["seqno"]) & _meets(span["bbox"], places.T)
        over = [boxes[index][1] for index in np.flatnonzero(later)]
        count += len(span["chars"])
        for code, _, origin, bbox in span["chars"] if over else ():
            if any(_hides(box, bbox) for box in over):
                covered[glyph_place(chr(code), origin)] += 1
    if not covered or covered.total() > MAX_COVERED * count:
        return none
    drawn = Counter(glyph_place(chr(code), origin) for span in trace for code, _, origin, _ in span["chars"])
    return CoveredGlyphs(covered, drawn)


def glyph_place(character: str, origin: Sequence[float]) -> GlyphPlace:
    """Return the place of a glyph."""
    return character, round(origin[0], 1), round(origin[1], 1)


def _may_cover(page: Page) -> bool:
    """Whether a box may be painted over a text: looks for boxes after a text first, since few pages have any."""
    content = contents_of(page)
    if not (page.first_annot or _has_box(content, max(content.find(b"ET"), 0)) or _has_box_in_form(page, content)):
        return False
    painted = page.get_bboxlog()
    texts = np.array([bbox if kind == "fill-text" else _NOWHERE for kind, bbox in painted])
    return any(
        kind == "fill-path" and shorter_side(bbox) >= MIN_BOX and bool(_meets(bbox, texts[:index].T).any())
        for index, (kind, bbox) in enumerate(painted)
    )


def dark_highlights(page: Page) -> list[Box]:
    """Return the places of a page that are marked in a dark colour, as by people who want to redact them."""
    return [
        (*annotation.rect,)
        for annotation in (page.annots() if page.first_annot else ())
        if annotation.type[1] == "Highlight" and max(annotation.colors["stroke"] or (1.0,)) < MAX_DARK
    ]


def plain_images(page: Page) -> list[Box]:
    """Return the places of a page's images if one of them may be of one colour, and is painted after a text."""
    document = page.parent
    if not any(_may_be_plain(document, image) for image in page.get_images()):
        return []
    painted = page.get_bboxlog()
    first = next((index for index, (kind, _) in enumerate(painted) if kind == "fill-text"), len(painted))
    return [bbox for kind, bbox in painted[first:] if kind in ("fill-image", "fill-imgmask")]


def _may_be_plain(document: Document, image: tuple[Any, ...]) -> bool:
    number, _, width, height, bits = image[:5]
    length, compression = (document.xref_get_key(number, key)[1] for key in ("Length", "Filter"))
    small = length.isdigit() and int(length) * MIN_RATIO < width * height * bits / 8
    return small or compression == "null" or width * height <= MIN_PIXELS


def _has_box(content: bytes, start: int = 0) -> bool:
    """Whether the contents of a page or form fill a box from a place on, with sides of at least 4 units (MIN_BOX)."""
    for box in _BOX.finditer(content, start):
        sides = content[max(box.start() - 40, 0) : box.start()].split()[-2:]
        if all(_SIDE.fullmatch(side) for side in sides):
            painted = _PAINT.search(content, box.end())
            if painted and painted[0] in b"fFBb":
                return True
    return False


def _has_box_in_form(page: Page, content: bytes) -> bool:
    document = page.parent
    return b"Do" in content and any(_has_box(document.xref_stream(form[0]) or b"") for form in page.get_xobjects())


def _opaque_boxes(page: Page) -> Iterator[tuple[int, Box]]:
    """Yield the boxes that are filled with one opaque colour, cut by their clips, and their places in the order."""
    around: list[tuple[int, Box | None]] = []  # the clips and groups around a path; None: it may be seen through
    everything: Box = (-1e9, -1e9, 1e9, 1e9)
    for drawing in page.get_cdrawings(extended=True):
        level = drawing["level"]
        while around and around[-1][0] >= level:
            around.pop()
        box = around[-1][1] if around else everything
        if drawing["type"] == "group":
            plain = drawing["blendmode"] == "Normal" and drawing["opacity"] == 1
            around.append((level, box if plain else None))
        elif drawing["type"] == "clip":
            inside = intersection(box, drawing["scissor"]) if box and _is_box(drawing) else None
            around.append((level, inside))
        elif box and "f" in drawing["type"] and drawing["fill_opacity"] == 1 and _is_box(drawing):
            shown = intersection(box, drawing["rect"])
            if shorter_side(shown) >= MIN_BOX:
                yield drawing["seqno"], shown


def _is_box(drawing: dict[str, Any]) -> bool:
    return len(drawing["items"]) == 1 and drawing["items"][0][0] == "re"


def _meets(box: Box, others: Any) -> Any:
    """Whether a box has an area in common with other boxes, which are an array with a row for each side."""
    x0, y0, x1, y1 = others
    return (np.minimum(box[2], x1) - np.maximum(box[0], x0) > 1) & (np.minimum(box[3], y1) - np.maximum(box[1], y0) > 1)


def _hides(box: Box, glyph: Box) -> bool:
    x0, y0, x1, y1 = glyph
    across, down = MARGIN * (x1 - x0), MARGIN * (y1 - y0)
    return box[0] <= x0 + across and box[2] >= x1 - across and box[1] <= y0 + down and box[3] >= y1 - down
