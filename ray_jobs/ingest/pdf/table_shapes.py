"""Tells from the rules of a table which of its rows hold titles, and which empty cells are part of larger ones."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from itertools import pairwise

from ingest.pdf.layout import Place, TableShape
from ingest.pdf.table_cells import Grid, by_border_of, is_drawn, near
from ingest.pdf.table_words import TOLERANCE

MAX_HEAD = 3
"""Largest number of rows with titles of columns."""

MIN_OPEN_ROW, MAX_OPEN_ROWS = 6.0, 3.0
"""Smallest height in points of a row that no rule closes, and its largest one in heights of the highest other row."""

_YEAR = re.compile(r"\W*(?:19|20)\d\d\W*")


def with_open_rows(grid: Grid) -> Grid:
    """Add the borders of a first or last row that its columns alone bound: a page ends in the middle of a table."""
    ends = [[rule for rule in grid.borders if abs(rule.at - column) <= 2 * TOLERANCE] for column in grid.columns]
    top = max(min(rule.start for rule in rules) for rules in ends)
    bottom = min(max(rule.stop for rule in rules) for rules in ends)
    highest = MAX_OPEN_ROWS * max(below - above for above, below in pairwise(grid.rows))
    rows = grid.rows
    if MIN_OPEN_ROW <= rows[0] - top <= highest:
        rows = [top, *rows]
    if MIN_OPEN_ROW <= bottom - rows[-1] <= highest:
        rows = [*rows, bottom]
    return grid._replace(rows=rows)


def shape_of(
    grid: Grid, edges: Sequence[float], texts: Mapping[Place, str], rows: Sequence[int], columns: Sequence[int]
) -> TableShape:
    """Return the shape of a table.

    Args:
        grid: its rules.
        edges: the borders of its rows.
        texts: its texts by row and column of the grid.
        rows: the rows that are shown.
        columns: the columns that are shown, in the order in which they are.
    """
    covered = _covered(grid, edges, texts)
    row_of, column_of = ({place: number for number, place in enumerate(places)} for places in (rows, columns))
    shown = {
        (row_of[row], column_of[column]): (row_of[first], column_of[text])
        for (row, column), (first, text) in covered.items()
        if {row, first} <= row_of.keys() and {column, text} <= column_of.keys()
    }
    cells = [[texts.get((row, column), "") for column in columns] for row in rows]
    lefts = [grid.columns[column] for column in columns]
    return TableShape(_head(cells, shown), sorted(shown.items()), lefts, edges[rows[0] + 1])


def _covered(grid: Grid, edges: Sequence[float], texts: Mapping[Place, str]) -> dict[Place, Place]:
    """For each empty cell that no rule divides from the one above it, or from a text to its left, the first of them."""
    ruled, by_border = set(grid.rows), by_border_of(grid)
    covered: dict[Place, Place] = {}
    for row, (top, bottom) in enumerate(pairwise(edges)):
        above = near(grid.lines, top) if row and top in ruled else None
        for column, (left, right) in enumerate(pairwise(grid.columns)):
            place = row, column
            if place in texts:
                continue
            beside = row, column - 1
            if above is not None and not is_drawn(above, left, right):
                covered[place] = covered.get((row - 1, column), (row - 1, column))
            elif (beside in texts or covered.get(beside) in texts) and not is_drawn(by_border[column - 1], top, bottom):
                covered[place] = covered.get(beside, beside)
    return covered


def _head(cells: Sequence[Sequence[str]], covered: Mapping[Place, Place]) -> int:
    """The number of rows with titles: below a title over several columns, or beside one over several rows, is another.

    Rows with values are none, but a year may be the title of a column.
    """
    head = 1
    while head < min(MAX_HEAD, len(cells) - 1):
        above = head - 1
        wide = any(row == above and of_row == above and column != of for (row, column), (of_row, of) in covered.items())
        high = any(row == head and of_row < head for (row, _), (of_row, _) in covered.items())
        longer = any(row == MAX_HEAD and of_row < head for (row, _), (of_row, _) in covered.items())
        titles = [cell for cell in cells[head] if cell]
        if longer or not (wide or high) or not titles or any(is_value(cell) for cell in titles):
            break
        head += 1
    return head


def is_value(cell: str) -> bool:
    """Whether a cell has a number, which is no title of a column, unlike a year."""
    return sum(map(str.isdigit, cell)) > sum(map(str.isalpha, cell)) and not _YEAR.fullmatch(cell)
