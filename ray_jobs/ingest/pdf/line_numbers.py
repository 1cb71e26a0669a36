"""Removes the line numbers in the margins of court documents, transcripts and manuscripts.

A column of numbers may as well belong to a table or a list. Line numbers differ in that they count on at regular
distances beside prose, whose lines are full and often begin within a sentence, and do so again on the next page.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import pairwise
from statistics import median
from typing import TYPE_CHECKING

from ingest.pdf.layout import Line, Paragraph, paragraph_of, paragraphs_of
from ingest.pdf.structure import RawPage

if TYPE_CHECKING:
    from pymupdf import Document

MIN_LINES = 10
"""Minimum number of lines that a column of line numbers counts, unless it goes on from the page before."""

MIN_NUMBERS = 4
"""Minimum number of numbers in such a column, where only every second, fifth or tenth line has one."""

STEPS = (1, 2, 5, 10)
"""Distances between the numbers of a column."""

NEIGHBOURS = (1, -1, 2, -2)
"""Pages on which the numbers must come again, in the order in which they are looked at."""

MARGIN_SHARE = 0.2
"""Share of the lines of a page that may extend into the margin, such as a letterhead beside the numbers."""

MIN_REGULAR = 0.6
"""Minimum share of the distances between numbers that are alike; headings and formulas interrupt a column."""

MIN_FULL, FULL = 0.5, 0.75
"""Minimum share of lines of prose that reach this far across the text."""

MIN_CONTINUED = 0.25
"""Minimum share of lines of prose that begin with a small letter, in scripts that have them."""

MIN_LENGTH = 25
"""Minimum length of a typical line of prose in characters."""

MAX_CELLS, CELL = 0.3, 15
"""Maximum share of lines with a piece of text shorter than this beside another one, as the cells of a table are."""

_NUMBER = re.compile(r"\s*\d{1,5}\s*")


@dataclass(frozen=True, slots=True)
class Column:
    """Numbers below each other in a margin. `prose`: the text beside them is prose."""

    lines: Sequence[Line]
    first: int
    last: int
    step: int
    prose: bool

    @property
    def begins(self) -> bool:
        """Whether the column begins like those of a document that counts the lines of each page anew."""
        return self.first in (1, self.step)

    @property
    def long(self) -> bool:
        return self.last - self.first + 1 >= MIN_LINES and len(self.lines) >= MIN_NUMBERS


class LineNumbers:
    """Finds the line numbers of a document, page by page.

    Args:
        document: the document.
        first: the first page of which `without` is called, from 1.
        text_before: returns the horizontal paragraphs of a page before `first`.
        columns: the columns of the pages that were read already.
    """

    def __init__(
        self,
        document: Document,
        first: int = 1,
        text_before: Callable[[int], list[Paragraph]] | None = None,
        columns: Mapping[int, Column | None] | None = None,
    ) -> None:
        self._document = document
        self._first, self._text_before = first, text_before
        self._columns = dict(columns or {})

    def without(self, number: int, paragraphs: list[Paragraph]) -> list[Paragraph]:
        """Return the paragraphs of a page without its line numbers.

        Args:
            number: of the page, from 1.
            paragraphs: the horizontal paragraphs of the page.
        """
        self._columns[number] = _column(paragraphs)
        return self._dropped(number, paragraphs)

    def remove_from_scans(self, pages: Sequence[RawPage]) -> None:
        """Remove the line numbers from the pages of a document that OCR has read, when all of them are read."""
        scans = [page for page in pages if page.kind == "ocr"]
        self._columns |= {page.number: _column(page.paragraphs) for page in scans}
        for page in scans:
            page.paragraphs = self._dropped(page.number, page.paragraphs)

    def _dropped(self, number: int, paragraphs: list[Paragraph]) -> list[Paragraph]:
        column = self._columns[number]
        if column is None or not self._comes_again(number, column):
            return paragraphs
        dropped = {id(line) for line in column.lines}
        kept = []
        for paragraph in paragraphs:
            lines = [line for line in paragraph.lines if id(line) not in dropped]
            if len(lines) == len(paragraph.lines):
                kept.append(paragraph)
            elif lines:
                kept.append(paragraph_of(lines))
        return kept

    def _comes_again(self, number: int, column: Column) -> bool:
        for distance in NEIGHBOURS:
            other = self.of_page(number + distance)
            if other is None or other.step != column.step or not (column.prose or other.prose):
                continue
            before, after = (column, other) if distance > 0 else (other, column)
            goes_on = abs(distance) == 1 and after.first == before.last + before.step
            if (goes_on and before.long) or (column.begins and other.begins and column.long and other.long):
                return True
        return False

    def of_page(self, number: int) -> Column | None:
        """Return the column of a page, at which this looks if it has not been read; None if there is no such page."""
        if number not in self._columns and 1 <= number <= self._document.page_count:
            self._columns[number] = None
            before = self._text_before if number < self._first else None
            for read in filter(None, (before, self._glance)):
                with suppress(Exception):  # a damaged page
                    self._columns[number] = _column(read(number))
                    break
        return self._columns.get(number)

    def _glance(self, number: int) -> list[Paragraph]:
        page = self._document[number - 1]
        return [] if page.rotation else paragraphs_of(page.get_text("dict", flags=0))[0]


def _column(paragraphs: Sequence[Paragraph]) -> Column | None:
    """Return the longest column of numbers in a margin."""
    lines = [line for paragraph in paragraphs for line in paragraph.lines]
    numbers = [line for line in lines if _NUMBER.fullmatch(line.text)]
    texts = [line for line in lines if not _NUMBER.fullmatch(line.text)]
    if len(numbers) < 2 or len(texts) < 2:
        return None
    count = len(texts) - 1
    left = sorted(line.x0 for line in texts)[int(MARGIN_SHARE * count)]
    right = sorted(line.x1 for line in texts)[count - int(MARGIN_SHARE * count)]
    columns = [
        _run([line for line in numbers if line.x1 < left]),
        _run([line for line in numbers if line.x0 > right]),
    ]
    run = max(columns, key=len)
    if len(run) < 2:
        return None
    first, last = int(run[0].text), int(run[-1].text)
    return Column(run, first, last, int(run[1].text) - first, _is_prose(texts, run, left, right))


def _run(numbers: Sequence[Line]) -> list[Line]:
    """Return the longest run of numbers below each other that count on at regular distances."""
    if not numbers:
        return []
    middle = median(line.x0 + line.x1 for line in numbers) / 2
    below = sorted(
        (line for line in numbers if abs((line.x0 + line.x1) / 2 - middle) < line.size), key=lambda line: line.y0
    )
    best: list[Line] = []
    run: list[Line] = []
    step = 0
    for line in below:
        found = int(line.text) - int(run[-1].text) if run else 0
        if len(run) > 1 and found == step:
            run.append(line)
        elif run and found in STEPS:
            run, step = [run[-1], line], found
        else:
            run = [line]
        best = max(best, run, key=len)
    distances = [after.y0 - before.y0 for before, after in pairwise(best)]
    usual = median(distances) if distances else 0.0
    regular = sum(abs(distance - usual) < 0.25 * usual for distance in distances)
    return list(best) if regular >= MIN_REGULAR * len(distances) else []


def _is_prose(texts: Sequence[Line], run: Sequence[Line], left: float, right: float) -> bool:
    """Whether the text beside numbers is prose."""
    beside = [line for line in texts if run[0].y0 - 1 < (line.y0 + line.y1) / 2 < run[-1].y1 + 1]
    rows: list[list[Line]] = []
    for line in sorted(beside, key=lambda line: line.y1):
        if rows and line.y1 - rows[-1][0].y1 < 0.4 * line.size:
            rows[-1].append(line)
        else:
            rows.append([line])
    if not rows:
        return False
    full = sum(max(line.x1 for line in row) >= left + FULL * (right - left) for row in rows)
    cells = sum(len(row) > 1 and min(len(line.text) for line in row) < CELL for row in rows)
    starts = [min(row).text.lstrip()[:1] for row in rows]
    continued = sum(start.islower() for start in starts)
    caseless = sum(start.isalpha() and start.lower() == start.upper() for start in starts)
    length = median(sum(len(line.text) for line in row) for row in rows)
    if 2 * caseless > len(rows):
        continued, length = len(rows), 2 * length
    return (
        full >= MIN_FULL * len(rows)
        and cells <= MAX_CELLS * len(rows)
        and continued >= MIN_CONTINUED * len(rows)
        and length >= MIN_LENGTH
    )
