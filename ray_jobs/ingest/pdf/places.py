"""Where a text stands on its page: the boxes of its lines, and of the rows of its tables.

A box is (x0, y0, x1, y1) in points from the upper left corner of the page as viewers show it, turned by its /Rotate and
cut to its CropBox. These are PyMuPDF's coordinates of a page that `as_displayed` returns.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from functools import cached_property
from itertools import accumulate
from typing import TYPE_CHECKING, Any, NamedTuple

from ingest.common.text import as_typed
from ingest.pdf.geometry import Box, bounding_box

if TYPE_CHECKING:
    from ingest.pdf.layout import Line, Paragraph

Size = tuple[float, float]
"""Width and height of a page in points."""

PLACE = "place"
"""The key in the metadata of a row that has the result of `place_on`. Rows made before there were places lack it."""

MAX_BOXES = 200
"""Most boxes of a text: as JSON, they take less than 8 KB of the 64 KB of a row's metadata."""

SAME_EDGE = 1.0
"""Largest distance in points between the edges of lines that are one block of text."""

MAX_GAP = 0.7
"""Largest gap between lines of a block, in heights of the lower one."""

NO_PAGE = (0.0, 0.0)
"""The size of a page whose text has no places: a form that is drawn by its software, or a page of an attached file."""

_OTHERS = re.compile(r"[\W_]+")
_ASCII_OTHERS = {code: None for code in range(128) if not chr(code).isalnum()}


class TextBox(NamedTuple):
    """A box, and the line of text in it; of a table, the row of its Markdown, or "" if it has all of the table."""

    x0: float
    y0: float
    x1: float
    y1: float
    text: str


def boxes_of(paragraph: Paragraph, lines: Sequence[Line], size: Size) -> list[TextBox]:
    """Return the boxes of a block.

    Args:
        paragraph: the last paragraph of the block, or its table.
        lines: its lines.
        size: width and height of the page.
    """
    if paragraph.table:
        return _boxes_of_table(paragraph, size)
    if any(line.turns for line in lines):
        return [TextBox(*_upright(line[:4], line.turns, size), line.text) for line in lines]
    return [TextBox(line.x0, line.y0, line.x1, line.y1, line.text) for line in lines]


class TextPlaces:
    """Finds the boxes of parts of a block.

    Letters and digits are counted, since line breaks, hyphens and spaces are not those of the lines any more.

    Args:
        boxes: the boxes of the block.
        text: its text.
    """

    def __init__(self, boxes: Sequence[TextBox], text: str) -> None:
        self._boxes, self._text = boxes, text
        self._offset = self._before = 0

    def boxes_between(self, start: int, end: int) -> Sequence[TextBox]:
        """Return the boxes of the lines that `text[start:end]` comes from."""
        if len(self._boxes) < 2 or (start <= 0 and end >= len(self._text)):
            return self._boxes
        ends, total = self._ends
        # The numbers agree, unless characters were combined across lines.
        scale = ends[-1] / total if total else 1.0
        first, last = scale * self._letters_before(max(start, 0)), scale * self._letters_before(end)
        return [
            box
            for box, begin, stop in zip(self._boxes, [0, *ends], ends, strict=False)
            if (begin < last and stop > first) or first <= begin == stop <= last
        ]

    @cached_property
    def _ends(self) -> tuple[list[int], int]:
        """The number of letters up to the end of each line, and in the whole text."""
        total = _count(self._text)
        counts = [_count(box.text) for box in self._boxes]
        if sum(counts) != total:
            counts = [_count(as_typed(box.text)) for box in self._boxes]
        return list(accumulate(counts)), total

    def _letters_before(self, offset: int) -> int:
        """The number of letters before an offset, counted from the last one: parts mostly come in their order."""
        if offset >= self._offset:
            self._before += _count(self._text[self._offset : offset])
        else:
            self._before -= _count(self._text[offset : self._offset])
        self._offset = offset
        return self._before


class TablePlaces:
    """Finds the boxes of the parts of a table, which come in the order of its rows.

    Args:
        boxes: the boxes of the table.
        markdown: its text.
        head: number of rows with titles.
    """

    def __init__(self, boxes: Sequence[TextBox], markdown: str, head: int) -> None:
        self._boxes = boxes
        self._rows = markdown.split("\n")
        self._next = self._below = head + 1  # the line below the first row of titles is none of them

    def boxes_of(self, part: str) -> Sequence[TextBox]:
        """Return the boxes of the rows that a part shows; all boxes if it has rows that are divided."""
        if len(self._boxes) < 2:
            return self._boxes
        found: set[int] = set()
        for line in part.split("\n"):
            number = self._place_of(line)
            if number is None:
                return self._boxes
            found.add(number)
        missing = len(self._rows) - len(self._boxes)  # the titles may be those of the page before
        return [self._boxes[number - missing] for number in sorted(found) if number >= missing]

    def _place_of(self, line: str) -> int | None:
        if self._next < len(self._rows) and _shows(line, self._rows[self._next]):
            self._next += 1
            return self._next - 1
        return next((number for number, row in enumerate(self._rows[: self._below]) if row == line), None)


def _shows(line: str, row: str) -> bool:
    """Whether a line of a part is a row of its table; it may have texts of cells above the row, too."""
    if line == row:
        return True
    shown, own = line.split("|"), row.split("|")
    return (
        any(own) and len(shown) == len(own) and all(cell in ("", other) for cell, other in zip(own, shown, strict=True))
    )


def place_on(size: Size, boxes: Iterable[TextBox | Box]) -> dict[str, Any]:
    """Return a place as JSON: `page`, the page's width and height, and `boxes`, in points to one decimal.

    Lines with the same edges are one box. Without a page, there are only `boxes`, and they are empty.
    """
    if size == NO_PAGE:
        return {"boxes": []}
    width, height = size
    joined: list[Box] = []
    left = top = right = bottom = -2 * SAME_EDGE  # of the last box
    for box in boxes:
        x0, y0, x1, y1 = box[:4]
        if x0 < 0 or y0 < 0 or x1 > width or y1 > height:
            x0, y0, x1, y1 = max(x0, 0.0), max(y0, 0.0), min(x1, width), min(y1, height)
        if x0 >= x1 or y0 >= y1:
            continue
        is_below = abs(x0 - left) <= SAME_EDGE >= abs(x1 - right) and 0 <= y0 - top <= bottom - top + MAX_GAP * (
            y1 - y0
        )
        is_beside = abs(y0 - top) <= SAME_EDGE >= abs(y1 - bottom) and 0 <= x0 - right <= y1 - y0
        if is_below or is_beside:
            left, top, right, bottom = min(left, x0), min(top, y0), max(right, x1), max(bottom, y1)
            joined[-1] = (left, top, right, bottom)
        else:
            left, top, right, bottom = x0, y0, x1, y1
            joined.append((x0, y0, x1, y1))
    while len(joined) > MAX_BOXES:
        joined = [bounding_box(joined[start : start + 2]) for start in range(0, len(joined), 2)]
    return {"page": _rounded(size), "boxes": [_rounded(box) for box in joined]}


def _rounded(values: Iterable[float]) -> list[float]:
    return [int(10 * value + 0.5) / 10 for value in values]  # `round` takes five times as long


def _boxes_of_table(paragraph: Paragraph, size: Size) -> list[TextBox]:
    """Return a box for each row of a table, as wide as the table; one for all of it if its lines are not in rows.

    The titles have none if they are those of the page before. The line below the titles has the box of the row above.
    """
    turns = paragraph.lines[0].turns if paragraph.lines else 0
    x0, x1 = paragraph.x0, paragraph.x1
    whole = [TextBox(*_upright((x0, paragraph.y0, x1, paragraph.y1), turns, size), "")]
    rows = paragraph.table.split("\n")
    lines = sorted(paragraph.lines, key=lambda line: line.y0 + line.y1)
    sizes = [_count(as_typed(line.text)) for line in lines]
    wanted = [_count(row) for row in rows]
    below = paragraph.shape.head + 1
    first = next((start for start in (0, below) if sum(wanted[start:]) == sum(sizes)), None)
    if first is None:
        return whole
    found: list[TextBox] = []
    place = 0
    top = bottom = paragraph.y0
    for row, letters in zip(rows[first:], wanted[first:], strict=True):
        of_row = []
        while place < len(lines) and letters > 0:
            of_row.append(lines[place][:4])
            letters -= sizes[place]
            place += 1
        if letters:
            return whole
        if of_row:
            _, top, _, bottom = bounding_box(of_row)
        found.append(TextBox(*_upright((x0, top, x1, bottom), turns, size), row))
    return found


def _count(text: str) -> int:
    """Return the number of letters and digits of a text."""
    return len(text.translate(_ASCII_OTHERS) if text.isascii() else _OTHERS.sub("", text))


def _upright(box: Box, turns: int, size: Size) -> Box:
    """Return the place on a page of a box on that page after counter-clockwise quarter turns."""
    height, width = size if turns % 2 else size[::-1]
    for _ in range(turns):
        x0, y0, x1, y1 = box
        box = (height - y1, x0, height - y0, x1)
        width, height = height, width
    return box
