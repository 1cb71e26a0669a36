"""Where a page shows a figure that is drawn: charts, diagrams and plots, and not tables, rules and boxes around text.

PyMuPDF's own `cluster_drawings` compares all paths with all: 0.3 s for 5,000. Here what is drawn is painted into a
coarse raster, which is then cut along its empty rows and columns (the X-Y cut of Nagy and Seth, "Hierarchical
representation of optically scanned documents", 1984): the time is linear in the number of paths. The paths come from
`get_cdrawings` with a callback, one at a time: as a list, 200,000 take 330 MB. `get_bboxlog` is no cheaper (7 against
10 microseconds a path, and it has the text too) and does not tell a curve from a box, nor what is clipped away.
"""

from __future__ import annotations

import hashlib
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from pymupdf import Page

    from ingest.pdf.layout import Paragraph

MIN_SIDE, MIN_DRAWN = 64, 32
"""Points that a figure measures on its page with its labels, and without: what is smaller is an icon or an ornament."""

MIN_SEGMENTS, MAX_SEGMENTS = 3, 100_000
"""Lines, curves and boxes that a page draws, if its drawings are looked at one by one. A page with more is a map or a
construction drawing, and taken as a whole."""

CELL = 4
"""Points of a cell of the raster."""

GAP = 12
"""Empty points between two figures."""

THICK = 3
"""Points from which on a line is a box."""

MAX_RULE = 0.6
"""Share of the page's width or height: a longer line parts columns, or header and text."""

MAX_SHARE = 0.9
"""Share of the page's width and height: what is larger in both is a background or a frame of the page."""

BANNER = 0.2
"""Share of the page's height at its top and at its bottom where wide drawings are decoration."""

MIN_SHAPES, MANY_SHAPES = 2, 4
"""Curves and oblique lines of a diagram or a plot: with little text, and with more."""

MIN_BARS, RULES_PER_BAR = 5, 4
"""Boxes of different sizes without text of a chart that has neither curves nor oblique lines, and lines for each of
them at most: tables have empty cells, too."""

MAX_TEXT, MAX_FEW_TEXT, MAX_SHAPE_TEXT = 0.3, 0.15, 0.05
"""Share of its area that text covers in a figure, in one of few shapes or of bars alone, and in one of a single shape.
Framed text, forms and tables have more."""

MAX_LABEL = 80
"""Characters of a paragraph that may be a label of a figure."""

NEAR = 14
"""Points from a figure to a label beside it."""

MARGIN = 2
"""Points around a figure: the widths of its lines."""

WHITE = 0.97
"""Least value of the components of a colour that is not seen on paper."""

Box = tuple[float, float, float, float]

# An operator that adds to a path, after its last number (ISO 32000-1, table 59).
_SEGMENT = re.compile(rb"[\d.]\s+(?:re|[lcvy])\s")


class Region(NamedTuple):
    """A figure in points from the upper left corner of its upright page, and what two of the same share."""

    bbox: Box
    digest: bytes


class _Mark(NamedTuple):
    """The extent of something drawn, in whole points. `shape` has a curve or an oblique line, or is a line of steps."""

    x0: int
    y0: int
    x1: int
    y1: int
    kind: str


def count_segments(page: Page) -> int:
    """How much a page draws: told from its operators, in a hundredth of the time that it takes to follow them."""
    document, parts = page.parent, [page.read_contents()]
    parts += [document.xref_stream(xref) or b"" for xref in {form[0] for form in page.get_xobjects()}]
    return sum(1 for part in parts for _ in _SEGMENT.finditer(part))


def drawn_figures(page: Page, paragraphs: Sequence[Paragraph], segments: int) -> list[Region]:
    """The figures that are drawn on a page of so many `segments` whose text and tables are in `paragraphs`."""
    if segments < MIN_SEGMENTS:
        return []
    if segments > MAX_SEGMENTS:
        return [Region((0, 0, page.rect.width, page.rect.height), hashlib.sha256(page.read_contents()).digest())]
    marks = _marks(page)
    if not marks:
        return []
    width, height = float(page.rect.width), float(page.rect.height)
    grid = np.zeros((int(height / CELL) + 1, int(width / CELL) + 1), np.bool_)
    for x0, y0, x1, y1, _ in marks:
        grid[y0 // CELL : y1 // CELL + 1, x0 // CELL : x1 // CELL + 1] = True
    owners = np.zeros(grid.shape, np.int32)
    for number, (left, top, right, bottom) in enumerate(_cut(grid, 0, 0)):
        owners[top:bottom, left:right] = number
    parts: defaultdict[int, list[_Mark]] = defaultdict(list)
    for mark in marks:
        parts[int(owners[mark.y0 // CELL, mark.x0 // CELL])].append(mark)
    labels = [line[:4] for paragraph in paragraphs if len(paragraph.text) <= MAX_LABEL for line in paragraph.lines]
    lines = [line[:4] for paragraph in paragraphs for line in paragraph.lines]
    tables = [(table.x0, table.y0, table.x1, table.y1) for table in paragraphs if table.table]
    found = []
    for part in parts.values():
        bbox = around(part)
        if _is_figure(bbox, part, lines, tables) and not _is_banner(bbox, page):
            for _ in range(2):  # numbers beside an axis, and what it is called beside them
                bbox = around([bbox, *(label for label in labels if _reach(bbox, label))])
            wider = (bbox[0] - MARGIN, bbox[1] - MARGIN, bbox[2] + MARGIN, bbox[3] + MARGIN)
            bbox = common(wider, (0, 0, width, height))
            if _side(bbox) >= MIN_SIDE:
                found.append(Region(bbox, _digest(part)))
    return found


def _marks(page: Page) -> list[_Mark]:
    """What is seen of the page's drawings, each once."""
    width, height = float(page.rect.width), float(page.rect.height)
    clips: dict[int, Box] = {}
    marks: set[_Mark] = set()

    def add(kind: str, bbox: Box) -> None:
        for clip in clips.values():
            bbox = common(bbox, clip)
        x0, y0, x1, y1 = common(bbox, (0, 0, width, height))
        if x1 < x0 or y1 < y0 or (x1 - x0 > MAX_SHARE * width and y1 - y0 > MAX_SHARE * height):
            return
        if kind != "shape" and min(x1 - x0, y1 - y0) < THICK:
            if x1 - x0 > MAX_RULE * width or y1 - y0 > MAX_RULE * height:
                return
            kind = "rule"
        marks.add(_Mark(int(x0), int(y0), round(x1 + 0.5), round(y1 + 0.5), kind))

    def follow(drawing: dict[str, Any]) -> None:
        level = drawing["level"]
        for ended in [other for other in clips if other >= level]:
            del clips[ended]
        if drawing["type"] == "clip":
            clips[level] = drawing["scissor"]
        elif drawing["type"] != "group" and _is_seen(drawing):
            if _is_shape(drawing["items"]):
                add("shape", drawing["rect"])
                return
            boxes, others = _boxes(drawing["items"])
            for x0, y0, x1, y1 in boxes:
                add("box", (min(x0, x1), min(y0, y1), max(x0, x1), max(y0, y1)))
            if others:
                add("line", drawing["rect"])

    page.get_cdrawings(extended=True, callback=follow)
    return sorted(marks)


def _boxes(items: Sequence[tuple[Any, ...]]) -> tuple[list[Box], bool]:
    """The boxes of a path of level lines, and whether there is more in it.

    What is drawn as a box is four lines where its page was turned.
    """
    boxes: list[Box] = []
    lines: list[tuple[Any, ...]] = []
    others = False
    for item in items:
        if item[0] != "l" or (lines and lines[-1][2] != item[1]):
            others, lines = others or bool(lines), []
        if item[0] == "re":
            boxes.append(item[1])
        elif item[0] == "l":
            lines.append(item)
            if len(lines) == 4 and item[2] == lines[0][1]:
                boxes.append((*lines[0][1], *lines[1][2]))
                lines = []
        else:
            others = True
    return boxes, others or bool(lines)


def _is_seen(drawing: dict[str, Any]) -> bool:
    paints = (("f", "fill", "fill_opacity"), ("s", "color", "stroke_opacity"))
    return any(
        kind in drawing["type"] and min(drawing.get(colour) or (1.0,)) < WHITE and drawing.get(opacity, 1) > 0
        for kind, colour, opacity in paints
    )


def _is_shape(items: Sequence[tuple[Any, ...]]) -> bool:
    steps = 0
    end = None
    for item in items:
        if item[0] == "c":
            return True
        if item[0] == "l":
            (x0, y0), (x1, y1) = item[1:3]
            if abs(x1 - x0) > 1 and abs(y1 - y0) > 1:
                return True
            steps += item[1] == end
            end = item[2]
        elif item[0] == "qu":
            corners = item[1]
            if len({round(x) for x, _ in corners}) > 2 or len({round(y) for _, y in corners}) > 2:
                return True
    return steps > MIN_BARS


def _cut(grid: NDArray[np.bool_], left: int, top: int) -> Iterator[tuple[int, int, int, int]]:
    """The parts of a raster that no empty stripe goes through, from `left` and `top` on, in cells."""
    rows, columns = np.flatnonzero(grid.any(1)), np.flatnonzero(grid.any(0))
    for used, axis in ((rows, 0), (columns, 1)):
        starts = [0, *(np.flatnonzero(np.diff(used) > GAP // CELL) + 1).tolist(), len(used)]
        if len(starts) > 2:
            for start, stop in pairwise(starts):
                first, last = int(used[start]), int(used[stop - 1]) + 1
                if axis == 0:
                    yield from _cut(grid[first:last], left, top + first)
                else:
                    yield from _cut(grid[:, first:last], left + first, top)
            return
    yield left + int(columns[0]), top + int(rows[0]), left + int(columns[-1]) + 1, top + int(rows[-1]) + 1


def _is_figure(bbox: Box, marks: Sequence[_Mark], lines: Iterable[Box], tables: Iterable[Box]) -> bool:
    if _side(bbox) < MIN_DRAWN:
        return False
    size = area(bbox)
    written = [line for line in lines if area(common(line, bbox)) > 0]
    text = sum(area(common(line, bbox)) for line in written) / size
    if text > MAX_TEXT:
        return False
    shapes = [mark for mark in marks if mark.kind == "shape"]
    large = [mark for mark in shapes if area(mark) > size / 2]
    frames = sum(any(_centre_in(line, mark) for line in written) for mark in large)
    if len(shapes) - frames >= (MIN_SHAPES if text <= MAX_FEW_TEXT else MANY_SHAPES):
        return True
    if large and text <= MAX_SHAPE_TEXT:
        return True
    if text > MAX_FEW_TEXT or any(area(common(bbox, table)) > size / 2 for table in tables):
        return False
    bars = {
        (mark.x1 - mark.x0, mark.y1 - mark.y0)
        for mark in marks
        if mark.kind == "box" and not any(_centre_in(line, mark) or _centre_in(mark, line) for line in written)
    }
    rules = sum(mark.kind == "rule" for mark in marks)
    return len(bars) >= max(MIN_BARS, rules / RULES_PER_BAR)


def _is_banner(bbox: Box, page: Page) -> bool:
    x0, y0, x1, y1 = bbox
    width, height = page.rect.width, page.rect.height
    return bool(x1 - x0 > width / 2 and (y1 < BANNER * height or y0 > (1 - BANNER) * height))


def _reach(bbox: Box, label: Box) -> bool:
    x0, y0, x1, y1 = bbox
    return x0 - NEAR <= label[0] and y0 - NEAR <= label[1] and label[2] <= x1 + NEAR and label[3] <= y1 + NEAR


def _digest(marks: Sequence[_Mark]) -> bytes:
    left, top = min(mark.x0 for mark in marks), min(mark.y0 for mark in marks)
    moved = [(x0 - left, y0 - top, x1 - left, y1 - top, kind) for x0, y0, x1, y1, kind in marks]
    return hashlib.sha256(repr(moved).encode()).digest()


def common(one: Box, other: Box) -> Box:
    """What two boxes share; where that is nothing, it ends before it starts."""
    return (max(one[0], other[0]), max(one[1], other[1]), min(one[2], other[2]), min(one[3], other[3]))


def area(box: Box | _Mark) -> float:
    """Of a box, in square points; 0 where it ends before it starts."""
    return max(box[2] - box[0], 0) * max(box[3] - box[1], 0)


def _side(box: Box) -> float:
    return min(box[2] - box[0], box[3] - box[1])


def around(boxes: Sequence[Box | _Mark]) -> Box:
    """The least box that holds all."""
    return (
        min(box[0] for box in boxes),
        min(box[1] for box in boxes),
        max(box[2] for box in boxes),
        max(box[3] for box in boxes),
    )


def _centre_in(box: Box | _Mark, other: Box | _Mark) -> bool:
    x, y = (box[0] + box[2]) / 2, (box[1] + box[3]) / 2
    return other[0] <= x <= other[2] and other[1] <= y <= other[3]
