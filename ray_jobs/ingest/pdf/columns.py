"""Reading order: sorts the paragraphs of a page by column."""

from __future__ import annotations

import re
from collections.abc import Sequence
from statistics import median

from ingest.common.text import CJK
from ingest.pdf.layout import Line, Paragraph, paragraph_of
from ingest.pdf.right_to_left import RIGHT_TO_LEFT

MAX_SORTED = 300
"""Number of paragraphs above which a page is not examined for columns: it is a drawing or a form."""

MIN_GUTTER = 1.2
"""Minimum width of the space between columns, in font sizes; a number before a heading is closer to it."""

MIN_LINES = 3
"""Minimum number of lines of a column."""

# Several words, or a script without spaces: a column of dates or numbers is none of prose.
_WORDS = re.compile(f"\\S\\s|[{CJK}\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff]")


def reading_order(paragraphs: list[Paragraph]) -> tuple[list[Paragraph], int]:
    """Sort paragraphs by column if the page has columns of prose; otherwise keep the order of the file.

    Most files are in reading order, and any sorting would tear a table without rules into columns. Therefore only
    columns of prose are moved.

    Returns:
        The paragraphs, and the number of lines beside other lines: 0 if there are neither columns nor a table.
    """
    if len(paragraphs) > MAX_SORTED:
        return paragraphs, sum(len(paragraph.lines) for paragraph in paragraphs)
    parts = [part for paragraph in paragraphs for part in _split_into_columns(paragraph)]
    side_by_side = sum(len(part.lines) for band in bands_of(parts) if len(band) > 1 for part in band)
    if side_by_side < 2 * MIN_LINES:
        return paragraphs, side_by_side
    right_to_left = 2 * sum(RIGHT_TO_LEFT.search(part.lines[0].text) is not None for part in parts) > len(parts)
    return _by_columns(parts, right_to_left) or paragraphs, side_by_side


def has_columns(paragraphs: list[Paragraph]) -> bool:
    """Whether a vertical stripe without text divides a page into columns of prose."""
    return _gutter(paragraphs) is not None


def _split_into_columns(paragraph: Paragraph) -> list[Paragraph]:
    """Split a paragraph into the columns that it spans: some files are written line by line across columns."""
    if paragraph.table or len(paragraph.lines) < 2:
        return [paragraph]
    columns: list[list[Line]] = []
    reach = float("-inf")
    for line in sorted(paragraph.lines, key=lambda line: line.x0):
        if line.x0 > reach + MIN_GUTTER * line.size:
            columns.append([])
        columns[-1].append(line)
        reach = max(reach, line.x1)
    if len(columns) == 1:
        return [paragraph]
    return [paragraph_of(sorted(column, key=lambda line: line.y0)) for column in columns]


def _is_prose(lines: Sequence[Line]) -> bool:
    """Whether lines look like a column of prose: there are several, and most of them fill its width."""
    if len(lines) < MIN_LINES:
        return False
    width = max(line.x1 for line in lines) - min(line.x0 for line in lines)
    return (
        median([line.x1 - line.x0 for line in lines]) > 0.6 * width
        and median([len(line.text) for line in lines]) > 9
        and 2 * sum(_WORDS.search(line.text.strip()) is not None for line in lines) >= len(lines)
    )


def _by_columns(parts: list[Paragraph], right_to_left: bool) -> list[Paragraph] | None:
    """Sort the parts of a region by column; None if it has no columns.

    A gutter is a vertical stripe that no part crosses. If some part does, such as a title or a wide figure, the region
    is cut into horizontal bands, and consecutive bands that share a gutter are read as one.
    """
    gutter = _gutter(parts)
    if gutter is not None:
        left = [part for part in parts if part.x0 < gutter]
        right = [part for part in parts if part.x0 >= gutter]
        sides = [right, left] if right_to_left else [left, right]
        return [part for side in sides for part in _by_columns(side, right_to_left) or _downwards(side)]
    bands = bands_of(parts)
    if len(bands) < 2 or max(map(len, bands)) < 2:
        return None
    ordered: list[Paragraph] = []
    found = False
    start = 0
    while start < len(bands):
        stop = _end_of_shared_gutter(bands, start)
        together = [part for band in bands[start:stop] for part in band]
        inner = _by_columns(together, right_to_left) if stop - start < len(bands) else None
        found = found or inner is not None
        ordered.extend(inner or together)
        start = stop
    return ordered if found else None


def _downwards(parts: list[Paragraph]) -> list[Paragraph]:
    """Sort parts of a column from top to bottom, unless some are side by side."""
    bands = bands_of(parts)
    return [band[0] for band in bands] if len(bands) == len(parts) else parts


def _end_of_shared_gutter(bands: list[list[Paragraph]], start: int) -> int:
    """Return the end of the longest sequence of bands from `start` that share a gutter; at least `start + 1`."""
    stop = start + 1
    stripes: list[tuple[float, float]] = []  # parts of the width that text covers
    for end, band in enumerate(bands[start:], start + 1):
        for part in band:
            x0, x1 = part.x0, part.x1
            separate = [stripe for stripe in stripes if stripe[1] < x0 or stripe[0] > x1]
            touching = [stripe for stripe in stripes if not (stripe[1] < x0 or stripe[0] > x1)]
            joined = (min([x0, *(s[0] for s in touching)]), max([x1, *(s[1] for s in touching)]))
            stripes = [*separate, joined]
        if len(stripes) > 1:
            stop = end
        elif end > stop and stop > start + 1:
            break
    # A page number below the columns may stand in the gutter.
    for end in range(stop, max(stop - 2, start + 1), -1):
        if _gutter([part for band in bands[start:end] for part in band]) is not None:
            return end
    return start + 1


def bands_of(parts: list[Paragraph]) -> list[list[Paragraph]]:
    """Split the parts, from top to bottom, wherever a horizontal line crosses none of them."""
    rest = sorted(enumerate(parts), key=lambda item: item[1].y0)
    bands: list[list[tuple[int, Paragraph]]] = []
    bottom = float("-inf")
    for item in rest:
        if item[1].y0 >= bottom - 1:
            bands.append([])
        bands[-1].append(item)
        bottom = max(bottom, item[1].y1)
    return [[part for _, part in sorted(band, key=lambda item: item[0])] for band in bands]


def _gutter(parts: list[Paragraph]) -> float | None:
    """Return the right edge of a stripe without text that has prose on both sides, or None."""
    reach = float("-inf")
    ordered = sorted(parts, key=lambda part: part.x0)
    for index, part in enumerate(ordered):
        if index and part.x0 > reach + 4 and _is_column(ordered[:index]) and _is_column(ordered[index:]):
            return part.x0
        reach = max(reach, part.x1)
    return None


def _is_column(parts: Sequence[Paragraph]) -> bool:
    return _is_prose([line for part in parts for line in part.lines])
