"""Merges the text layer of a page with the text that OCR read from it."""

from __future__ import annotations

import re
from collections.abc import Sequence

from ingest.pdf.geometry import is_covered
from ingest.pdf.layout import Line, Paragraph, paragraph_of

_WORD = re.compile(r"\w{3,}")


def merge(layer: Sequence[Paragraph], read: Sequence[Paragraph], turned: bool) -> list[Paragraph]:
    """Join the paragraphs of a text layer with those that OCR read from the same page, without saying anything twice.

    Where both have a line, the text layer's is kept: it is exact. A line of the layer elsewhere on the page whose words
    OCR has read belongs to a layer at wrong positions, and is dropped.

    Args:
        layer: the paragraphs of the text layer.
        read: the result of `ocr_page`, in reading order.
        turned: whether the coordinates of `read` are those of the page after a turn.
    """
    exact = [line for paragraph in layer for line in paragraph.lines]
    boxes = [] if turned else [line[:4] for line in exact if _is_straight(line)]
    known = {_plain(line.text) for line in exact} - {""}
    rest: list[Paragraph] = []
    for paragraph in read:
        lines = [line for line in paragraph.lines if not is_covered(line[:4], boxes) and _plain(line.text) not in known]
        if lines:
            rest.append(paragraph if len(lines) == len(paragraph.lines) else paragraph_of(lines))
    words = set(_WORD.findall(" ".join(line.text for paragraph in rest for line in paragraph.lines).casefold()))
    kept: list[Paragraph] = []
    for paragraph in layer:
        own = _WORD.findall(paragraph.text.casefold())
        if len(own) < 3 or sum(word in words for word in own) < 0.8 * len(own):
            kept.append(paragraph)
    return _in_place(kept, rest) if not turned else kept + rest


def _in_place(layer: Sequence[Paragraph], read: Sequence[Paragraph]) -> list[Paragraph]:
    """Put the paragraphs of a layer between those of the page: each before the first one that begins below it."""
    merged = list(read)
    for paragraph in sorted(layer, key=lambda other: other.y0):
        below = (place for place, other in enumerate(merged) if other.y0 >= paragraph.y1 and other.x0 < paragraph.x1)
        merged.insert(next(below, len(merged)), paragraph)
    return merged


def _is_straight(line: Line) -> bool:
    """Whether a line can be horizontal or vertical: an oblique one has a box that is large in both directions."""
    return min(line.x1 - line.x0, line.y1 - line.y0) < 2.5 * max(line.size, 1)


def _plain(text: str) -> str:
    return "".join(character for character in text.casefold() if character.isalnum())
