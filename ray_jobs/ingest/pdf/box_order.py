"""Orders the boxes of a page that are drawn in another order than they are read, as those of slides are."""

from __future__ import annotations

import re
from itertools import groupby

from ingest.common.text import CJK
from ingest.pdf.columns import MIN_GUTTER, bands_of, has_columns
from ingest.pdf.layout import Paragraph
from ingest.pdf.right_to_left import RIGHT_TO_LEFT

MAX_TOPS = 1.5
"""Largest distance between the upper edges of boxes that stand side by side, in font sizes."""

MIN_GAP = 0.4
"""Smallest distance between what stands alone and the rest of the page, in font sizes."""

MIN_UPRIGHT = 3
"""Number of characters of such a column."""

MAX_BOXES = 300
"""Number of paragraphs above which a page is a drawing or a form."""

_CHARACTER = re.compile(f"[{CJK}\u3000-\u303f\ufe10-\ufe4f\uff00-\uffef]")


def in_box_order(paragraphs: list[Paragraph]) -> list[Paragraph]:
    """Put what stands alone at the top of a page first, and what stands alone at its foot last.

    Between them, boxes that stand side by side are read from left to right if each is drawn in one go.
    """
    if not 1 < len(paragraphs) <= MAX_BOXES or has_columns(paragraphs):
        return paragraphs
    bands = bands_of(paragraphs)
    place = {id(part): number for number, part in enumerate(paragraphs)}
    start, stop = 0, len(bands)
    while start < stop and len(bands[start]) == 1 and not _comes_first(bands[start][0], paragraphs, place):
        start += 1
    while 0 < start < stop and _is_close(bands[start - 1], bands[start]):
        start -= 1
    rest = [part for band in bands[start:] for part in band]
    while stop > start and len(bands[stop - 1]) == 1 and not _comes_last(bands[stop - 1][0], rest, place):
        stop -= 1
    while start < stop < len(bands) and _is_close(bands[stop - 1], bands[stop]):
        stop += 1
    outer = {id(part) for band in bands[:start] + bands[stop:] for part in band}
    middle = _from_left_to_right([part for part in paragraphs if id(part) not in outer])
    return [*(band[0] for band in bands[:start]), *middle, *(band[0] for band in bands[stop:])]


def _comes_first(part: Paragraph, paragraphs: list[Paragraph], place: dict[int, int]) -> bool:
    """Whether a paragraph is drawn before those below it: it may begin a column, and another one be drawn before it."""
    below = [other for other in paragraphs if other.y0 > part.y0 and _is_in_column(part, other)]
    before = any(place[id(other)] < place[id(part)] for other in paragraphs if other.y0 > part.y0)
    return before and bool(below) and all(place[id(other)] > place[id(part)] for other in below)


def _comes_last(part: Paragraph, paragraphs: list[Paragraph], place: dict[int, int]) -> bool:
    """Whether a paragraph is drawn after those above it: it may end a column, and another one be drawn after it."""
    above = [other for other in paragraphs if other.y0 < part.y0 and _is_in_column(part, other)]
    behind = any(place[id(other)] > place[id(part)] for other in paragraphs if other.y0 < part.y0)
    return behind and bool(above) and all(place[id(other)] < place[id(part)] for other in above)


def _is_in_column(part: Paragraph, other: Paragraph) -> bool:
    return part.x0 < other.x1 and other.x0 < part.x1


def _is_close(above: list[Paragraph], below: list[Paragraph]) -> bool:
    gap = min(part.y0 for part in below) - max(part.y1 for part in above)
    return gap < MIN_GAP * below[0].lines[0].size


def _from_left_to_right(paragraphs: list[Paragraph]) -> list[Paragraph]:
    groups: list[list[Paragraph]] = []
    reach = float("-inf")
    for part in sorted(paragraphs, key=lambda part: part.x0):
        if part.x0 > reach + MIN_GUTTER * part.lines[0].size:
            groups.append([])
        groups[-1].append(part)
        reach = max(reach, part.x1)
    if len(groups) < 2:
        return paragraphs
    group_of = {id(part): number for number, group in enumerate(groups) for part in group}
    drawn = [(number, list(parts)) for number, parts in groupby(paragraphs, key=lambda part: group_of[id(part)])]
    tops = [min(part.y0 for part in group) for group in groups]
    size = max(part.lines[0].size for part in paragraphs)
    if len(drawn) > len(groups) or max(tops) - min(tops) > MAX_TOPS * size:
        return paragraphs
    right_to_left = 2 * sum(
        RIGHT_TO_LEFT.search(part.lines[0].text) is not None or _is_upright(part) for part in paragraphs
    )
    drawn.sort(key=lambda group: group[0], reverse=right_to_left > len(paragraphs))
    return [part for _, parts in drawn for part in parts]


def _is_upright(part: Paragraph) -> bool:
    """Whether a paragraph is a column of upright Chinese or Japanese characters: the next one stands at its left."""
    return len(part.lines) >= MIN_UPRIGHT and all(_CHARACTER.fullmatch(line.text.strip()) for line in part.lines)
