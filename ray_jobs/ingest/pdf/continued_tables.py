"""Gives tables that go on on the next page the titles and labels of their first part."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

from ingest.pdf.layout import Paragraph, TableShape
from ingest.pdf.markdown_tables import line_of, rows_of
from ingest.pdf.table_shapes import is_value

if TYPE_CHECKING:
    from ingest.pdf.structure import RawPage

MAX_SHIFT = 3.0
"""Largest distance in points between the edges of a column on two pages."""

MAX_TOP = 0.25
"""Share of the height of a page above which the rest of a table begins."""

MIN_VALUES = 0.7
"""Minimum share of values among the texts of a column of values."""


def continue_tables(pages: Sequence[RawPage], margin: float, longest: int) -> None:
    """Put the titles of a table above the rows that the next page begins with, if these have none, in place.

    Nothing may be between the two parts but texts of at most `longest` characters in the margins of the pages, which
    are a share of their height.
    """
    for before, after in pairwise(pages):
        last = next(
            (p for p in reversed(before.paragraphs) if p.table or not _is_marginal(p, before, margin, longest)), None
        )
        place = next(
            (n for n, p in enumerate(after.paragraphs) if p.table or not _is_marginal(p, after, margin, longest)), None
        )
        if last is None or place is None or not last.shape.lefts or not after.paragraphs[place].shape.lefts:
            continue
        rest = after.paragraphs[place]
        if rest.y0 <= MAX_TOP * after.height and (columns := _columns(last, rest)):
            _continue(last, rest, columns)


def _is_marginal(paragraph: Paragraph, page: RawPage, margin: float, longest: int) -> bool:
    beside = paragraph.y1 <= margin * page.height or paragraph.y0 >= (1 - margin) * page.height
    return beside and sum(len(line.text) for line in paragraph.lines) <= longest


def _columns(table: Paragraph, rest: Paragraph) -> list[int]:
    """The column of a table for each column of what may be its rest; [] if it is not.

    Columns without text or rules, as a label that goes on over all of the page, may be missing.
    """
    lefts = table.shape.lefts
    if min(abs(edge - rest.x1) for edge in (table.x1, *lefts)) > MAX_SHIFT:
        return []
    found = [
        next((number for number, edge in enumerate(lefts) if abs(edge - left) <= MAX_SHIFT), -1)
        for left in rest.shape.lefts
    ]
    return found if -1 not in found and len(set(found)) == len(found) else []


def _continue(table: Paragraph, rest: Paragraph, columns: Sequence[int]) -> None:
    """Write the rest of a table below the titles of the table, and the label of a cell that goes on in its first row.

    Args:
        table: the table.
        rest: its rest.
        columns: the column of the table for each column of its rest.
    """
    rows, others = rows_of(table.table), rows_of(rest.table)
    width, head = len(rows[0]), table.shape.head
    body: list[list[str]] = []
    for row in others:
        body.append([""] * width)
        for column, text in zip(columns, row, strict=True):
            body[-1][column] = text
    repeats = body[:head] == rows[:head]
    if any(is_value(cell) for row in rows[:head] for cell in row) or (
        not repeats and _has_titles(rest, rows[head:], body)
    ):
        return
    start, added = (head, 0) if repeats else (0, head)
    shown = [*rows[:head], *body[start:]]
    own = [
        ((row + added, columns[column]), (first + added, columns[text]))
        for (row, column), (first, text) in rest.shape.covered
        if row >= start
    ]
    covered = [*(found for found in table.shape.covered if found[0][0] < head), *own]
    origins, empty = dict(table.shape.covered), [column for column in range(width) if column not in columns]
    for column, cell in enumerate(shown[head] if len(shown) > head else ()):
        first, _ = origins.get((len(rows) - 1, column), (0, 0))
        if first >= head and not cell:  # a cell over several rows goes on
            shown[head][column] = rows[first][column]
            if column in empty:
                covered += [((row, column), (head, column)) for row in range(head + 1, len(shown))]
    lines = list(map(line_of, shown))
    lines.insert(1, "|" + "---|" * width)
    rest.table = "\n".join(lines)
    rest.shape = TableShape(head, covered, table.shape.lefts, rest.shape.bottom)


def _has_titles(rest: Paragraph, rows: Sequence[Sequence[str]], body: Sequence[Sequence[str]]) -> bool:
    """Whether the first row of a table has titles of its own: in bold, or no value above those of a column."""
    first = [line for line in rest.lines if (line.y0 + line.y1) / 2 < rest.shape.bottom]
    others = [line for line in rest.lines if (line.y0 + line.y1) / 2 >= rest.shape.bottom]
    if first and others and all(line.bold for line in first) and not all(line.bold for line in others):
        return True
    values = [
        column
        for column, texts in enumerate(zip(*rows, strict=True))
        if sum(map(is_value, texts)) >= MIN_VALUES * max(sum(map(bool, texts)), 1)
    ]
    shown = [body[0][column] for column in values if body[0][column]]
    return bool(shown) and 2 * sum(map(is_value, shown)) < len(shown)
