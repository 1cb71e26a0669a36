"""Finds the vector figures of a page: charts, diagrams and plots, but not tables, rules and boxes around text.

PyMuPDF's own `cluster_drawings` compares every path with every other: 0.3 s for 5,000 paths. This module paints the
paths into a coarse raster and cuts it along its empty rows and columns (the X-Y cut of Nagy and Seth, "Hierarchical
representation of optically scanned documents", 1984), in time linear in the number of paths. `get_cdrawings` passes the
paths to a callback one at a time: as a list, 200,000 paths take 330 MB. `get_bboxlog` is hardly cheaper (7 against 10
microseconds per path, and it includes the text), and distinguishes neither curves from boxes nor clipped paths.
"""

from __future__ import annotations

import hashlib
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ingest.pdf.geometry import Box, area, bounding_box, has_centre_in, intersection, shorter_side

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from pymupdf import Page

    from ingest.pdf.layout import Paragraph

MIN_SIDE, MIN_DRAWN = 64, 32
"""Minimum side of a figure in points, with and without its labels: a smaller one is an icon or an ornament."""

MIN_PAGE_SEGMENTS, MAX_PAGE_SEGMENTS = 3, 100_000
"""Number of lines, curves and boxes of a page whose paths are examined one by one. A page with more is a map or a
construction drawing, and the whole page is the figure."""

CELL = 4
"""Side of a raster cell in points."""

GAP = 12
"""Minimum distance between two figures in points."""

MIN_BOX_SIDE = 3
"""Thickness in points from which a line counts as a box."""

MAX_RULE = 0.6
"""Maximum length of a line relative to the page: a longer one separates columns, or the header from the text."""

MAX_SHARE = 0.9
"""Share of the page's width and height above which a drawing is the background or the frame of the page."""

BANNER_HEIGHT = 0.2
"""Share of the page's height at its top and bottom where wide drawings are decoration."""

MIN_SHAPES, MANY_SHAPES = 2, 4
"""Minimum number of curves and oblique lines of a diagram or a plot, with little text and with more."""

MIN_BARS, RULES_PER_BAR = 5, 4
"""A chart without curves and oblique lines has at least MIN_BARS boxes of different sizes without text, and at most
RULES_PER_BAR lines for each: tables have empty cells, too."""

MAX_TEXT, MAX_FEW_TEXT, MAX_SHAPE_TEXT = 0.3, 0.15, 0.05
"""Maximum share of a figure's area that text covers: in general, with few shapes or only bars, and with a single shape.
Framed text, forms and tables have more."""

MAX_LABEL = 80
"""Maximum number of characters of a paragraph that may be a label of a figure."""

MAX_LABEL_DISTANCE = 14
"""Maximum distance in points between a figure and a label."""

FIGURE_MARGIN = 2
"""Margin around a figure in points, for the widths of its lines."""

WHITE = 0.97
"""Minimum value of the components of a colour that is invisible on paper."""

# An operator that constructs a path, after its last operand (ISO 32000-1, table 59).
_SEGMENT = re.compile(rb"[\d.]\s+(?:re|[lcvy])\s")


class Region(NamedTuple):
    """The box of a figure on the page as displayed, and a digest of its drawing, which equal figures share."""

    bbox: Box
    digest: bytes


class _Mark(NamedTuple):
    """Something that is drawn, with its box in whole points.

    Its kind is "shape" (it has a curve or an oblique line, or is a line of steps), "box", "rule" or "line".
    """

    x0: int
    y0: int
    x1: int
    y1: int
    kind: str

    @property
    def box(self) -> Box:
        return self[:4]


def count_segments(page: Page) -> int:
    """Count the segments of a page's paths by their operators: takes a hundredth of the time of following them."""
    document, parts = page.parent, [page.read_contents()]
    parts += [document.xref_stream(xref) or b"" for xref in {form[0] for form in page.get_xobjects()}]
    return sum(1 for part in parts for _ in _SEGMENT.finditer(part))


def vector_figures(page: Page, paragraphs: Sequence[Paragraph], segments: int) -> list[Region]:
    """Find the vector figures of a page.

    Args:
        page: the page, with its rotation applied.
        paragraphs: its text and tables.
        segments: the result of `count_segments`.
    """
    if segments < MIN_PAGE_SEGMENTS:
        return []
    if segments > MAX_PAGE_SEGMENTS:
        return [Region((0, 0, page.rect.width, page.rect.height), hashlib.sha256(page.read_contents()).digest())]
    marks = _visible_marks(page)
    if not marks:
        return []
    width, height = float(page.rect.width), float(page.rect.height)
    grid = np.zeros((int(height / CELL) + 1, int(width / CELL) + 1), np.bool_)
    for x0, y0, x1, y1, _ in marks:
        grid[y0 // CELL : y1 // CELL + 1, x0 // CELL : x1 // CELL + 1] = True
    owners = np.zeros(grid.shape, np.int32)
    for number, (left, top, right, bottom) in enumerate(_xy_cut(grid, 0, 0)):
        owners[top:bottom, left:right] = number
    parts: defaultdict[int, list[_Mark]] = defaultdict(list)
    for mark in marks:
        parts[int(owners[mark.y0 // CELL, mark.x0 // CELL])].append(mark)
    labels = [line[:4] for paragraph in paragraphs if len(paragraph.text) <= MAX_LABEL for line in paragraph.lines]
    lines = [line[:4] for paragraph in paragraphs for line in paragraph.lines]
    tables = [(table.x0, table.y0, table.x1, table.y1) for table in paragraphs if table.table]
    found = []
    for part in parts.values():
        bbox = bounding_box([mark.box for mark in part])
        if _is_figure(bbox, part, lines, tables) and not _is_banner(bbox, page):
            for _ in range(2):  # the numbers of an axis, and then its title beside them
                bbox = bounding_box([bbox, *(label for label in labels if _is_label_of(bbox, label))])
            wider = (bbox[0] - FIGURE_MARGIN, bbox[1] - FIGURE_MARGIN, bbox[2] + FIGURE_MARGIN, bbox[3] + FIGURE_MARGIN)
            bbox = intersection(wider, (0, 0, width, height))
            if shorter_side(bbox) >= MIN_SIDE:
                found.append(Region(bbox, _digest(part)))
    return found


def _visible_marks(page: Page) -> list[_Mark]:
    """Return the visible drawings of a page without duplicates."""
    width, height = float(page.rect.width), float(page.rect.height)
    clips: dict[int, Box] = {}
    marks: set[_Mark] = set()

    def add(kind: str, bbox: Box) -> None:
        for clip in clips.values():
            bbox = intersection(bbox, clip)
        x0, y0, x1, y1 = intersection(bbox, (0, 0, width, height))
        if x1 < x0 or y1 < y0 or (x1 - x0 > MAX_SHARE * width and y1 - y0 > MAX_SHARE * height):
            return
        if kind != "shape" and min(x1 - x0, y1 - y0) < MIN_BOX_SIDE:
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
        elif drawing["type"] != "group" and _is_visible(drawing):
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
    """Return the boxes of a path of horizontal and vertical lines, and whether it contains more than boxes.

    On a rotated page, a box consists of four lines.
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


def _is_visible(drawing: dict[str, Any]) -> bool:
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


def _xy_cut(grid: NDArray[np.bool_], left: int, top: int) -> Iterator[tuple[int, int, int, int]]:
    """Yield the parts of a raster without an empty stripe, as boxes in cells offset by `left` and `top`."""
    rows, columns = np.flatnonzero(grid.any(1)), np.flatnonzero(grid.any(0))
    for used, axis in ((rows, 0), (columns, 1)):
        starts = [0, *(np.flatnonzero(np.diff(used) > GAP // CELL) + 1).tolist(), len(used)]
        if len(starts) > 2:
            for start, stop in pairwise(starts):
                first, last = int(used[start]), int(used[stop - 1]) + 1
                if axis == 0:
                    yield from _xy_cut(grid[first:last], left, top + first)
                else:
                    yield from _xy_cut(grid[:, first:last], left + first, top)
            return
    yield left + int(columns[0]), top + int(rows[0]), left + int(columns[-1]) + 1, top + int(rows[-1]) + 1


def _is_figure(bbox: Box, marks: Sequence[_Mark], lines: Iterable[Box], tables: Iterable[Box]) -> bool:
    if shorter_side(bbox) < MIN_DRAWN:
        return False
    size = area(bbox)
    written = [line for line in lines if area(intersection(line, bbox)) > 0]
    text = sum(area(intersection(line, bbox)) for line in written) / size
    if text > MAX_TEXT:
        return False
    shapes = [mark for mark in marks if mark.kind == "shape"]
    large = [mark for mark in shapes if area(mark.box) > size / 2]
    frames = sum(any(has_centre_in(line, mark.box) for line in written) for mark in large)
    if len(shapes) - frames >= (MIN_SHAPES if text <= MAX_FEW_TEXT else MANY_SHAPES):
        return True
    if large and text <= MAX_SHAPE_TEXT:
        return True
    if text > MAX_FEW_TEXT or any(area(intersection(bbox, table)) > size / 2 for table in tables):
        return False
    boxes = [mark.box for mark in marks if mark.kind == "box"]
    bars = {
        (box[2] - box[0], box[3] - box[1])
        for box in boxes
        if not any(has_centre_in(line, box) or has_centre_in(box, line) for line in written)
    }
    rules = sum(mark.kind == "rule" for mark in marks)
    return len(bars) >= max(MIN_BARS, rules / RULES_PER_BAR)


def _is_banner(bbox: Box, page: Page) -> bool:
    x0, y0, x1, y1 = bbox
    width, height = page.rect.width, page.rect.height
    return bool(x1 - x0 > width / 2 and (y1 < BANNER_HEIGHT * height or y0 > (1 - BANNER_HEIGHT) * height))


def _is_label_of(bbox: Box, label: Box) -> bool:
    x0, y0, x1, y1 = bbox
    reach = (x0 - MAX_LABEL_DISTANCE, y0 - MAX_LABEL_DISTANCE, x1 + MAX_LABEL_DISTANCE, y1 + MAX_LABEL_DISTANCE)
    return reach[0] <= label[0] and reach[1] <= label[1] and label[2] <= reach[2] and label[3] <= reach[3]


def _digest(marks: Sequence[_Mark]) -> bytes:
    left, top = min(mark.x0 for mark in marks), min(mark.y0 for mark in marks)
    moved = [(x0 - left, y0 - top, x1 - left, y1 - top, kind) for x0, y0, x1, y1, kind in marks]
    return hashlib.sha256(repr(moved).encode()).digest()
