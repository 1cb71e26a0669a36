"""Puts the words of a page into the cells of a grid of rules.

Words are in the form of `page.get_text("words")`.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

from ingest.pdf.geometry import Rule
from ingest.pdf.layout import join_lines
from ingest.pdf.table_words import TOLERANCE, divided, lines_of

MIN_COVERED = 0.5
"""Minimum share of the height of a row, or the width of a column, along which the border between two cells is drawn."""

MIN_LEADERS = 3
"""Number of cells of a row with nothing but dots from which on they lead the eye; fewer say that values are missing."""

_DOTS = re.compile(r"[.\s]+")
_LEADERS = re.compile(r"\.(\s+\.)+")


class Grid(NamedTuple):
    """The positions of the borders of rows and columns, and the rules, of which some may be shorter than the grid."""

    rows: list[float]
    columns: list[float]
    borders: Sequence[Rule]
    lines: Sequence[Rule]


class Cells(NamedTuple):
    """What is in a grid.

    Attributes:
        texts: by row and column, without empty ones. The text of a cell over several columns is in the first of them.
        merged: the same, but that the text of a cell over several rows is in the first of them.
        crossing: share of the lines of text that cross the border of a cell.
        others: words in the grid that are part of lines which begin or end beside it.
        rows: the borders of rows, also those that no rules divide.
    """

    texts: Mapping[tuple[int, int], str]
    merged: Mapping[tuple[int, int], str]
    crossing: float
    others: Sequence[tuple[Any, ...]]
    rows: Sequence[float]


def cells_of(grid: Grid, words: Sequence[tuple[Any, ...]]) -> Cells:
    """Put words into cells."""
    left, right = grid.columns[0], grid.columns[-1]
    within = [word for word in words if grid.rows[0] <= _middle(word, 1) < grid.rows[-1]]
    beside = {word[5:7] for word in within if not left <= _middle(word, 0) < right}
    inside = [word for word in within if left <= _middle(word, 0) < right]
    own = [word for word in inside if word[5:7] not in beside]
    others = [word for word in inside if word[5:7] in beside]
    rows = divided(grid.rows, grid.columns, own)
    placed: defaultdict[int, defaultdict[int, list[tuple[Any, ...]]]] = defaultdict(lambda: defaultdict(list))
    for word in own:
        row, column = bisect_right(rows, _middle(word, 1)) - 1, bisect_right(grid.columns, _middle(word, 0)) - 1
        placed[row][column].append(word)
    by_border = by_border_of(grid)
    texts: dict[tuple[int, int], str] = {}
    lines = crossed = len({word[5:7] for word in others})
    for row, by_column in placed.items():
        extents = _extents(by_column)
        starts = [0]
        for border, rules in enumerate(by_border, 1):
            whole = is_drawn(rules, rows[row], rows[row + 1]) or not any(
                first < border <= last for first, last in extents
            )
            starts.append(border if whole else starts[-1])
        lines += len(extents)
        crossed += sum(starts[first] != starts[last] for first, last in extents)
        cells: defaultdict[int, list[tuple[Any, ...]]] = defaultdict(list)
        for column in sorted(by_column):
            cells[starts[column]] += by_column[column]
        shown = {column: text for column, of_cell in cells.items() if (text := join_lines(lines_of(of_cell)))}
        texts.update({(row, column): text for column, text in _without_leaders(shown).items()})
    return Cells(texts, _in_first_rows(texts, grid, rows), crossed / max(lines, 1), others, rows)


def _in_first_rows(
    texts: Mapping[tuple[int, int], str], grid: Grid, rows: Sequence[float]
) -> dict[tuple[int, int], str]:
    """Move the text of each cell over several rows, in the middle of which it is drawn, to the first of them."""
    edges = set(grid.rows)
    moved: dict[tuple[int, int], str] = {}
    for column, (left, right) in enumerate(pairwise(grid.columns)):
        first, filled = 0, [row for row in range(len(rows) - 1) if (row, column) in texts]
        if not filled:
            continue
        groups: defaultdict[int, list[int]] = defaultdict(list)
        for row in range(filled[-1] + 1):
            if row and (rows[row] not in edges or is_drawn(near(grid.lines, rows[row]), left, right)):
                first = row
            if (row, column) in texts:
                groups[first].append(row)
        for start, of_group in groups.items():
            for row in of_group:
                moved[start if len(of_group) == 1 else row, column] = texts[row, column]
    return moved


def near(lines: Sequence[Rule], edge: float) -> list[Rule]:
    """Return the rules at an edge."""
    return [line for line in lines if abs(line.at - edge) <= 2 * TOLERANCE]


def _middle(word: tuple[Any, ...], axis: int) -> float:
    return float(word[axis] + word[axis + 2]) / 2


def by_border_of(grid: Grid) -> list[list[Rule]]:
    """Return the vertical rules at each border between two columns."""
    rules: list[list[Rule]] = [[] for _ in grid.columns]
    for rule in grid.borders:
        rules[min(range(len(grid.columns)), key=lambda index: abs(grid.columns[index] - rule.at))].append(rule)
    return rules[1:-1]


def is_drawn(rules: Sequence[Rule], start: float, stop: float) -> bool:
    """Whether rules cover enough of a border to divide the cells at both sides."""
    covered = sum(max(min(stop, rule.stop) - max(start, rule.start), 0) for rule in rules)
    return covered >= MIN_COVERED * (stop - start)


def _extents(by_column: Mapping[int, Sequence[tuple[Any, ...]]]) -> list[tuple[int, int]]:
    """Return the first and the last column of each line of text in a row; a dot that leads the eye is none."""
    columns: defaultdict[tuple[int, int], list[int]] = defaultdict(list)
    for column, words in by_column.items():
        for word in words:
            if not _DOTS.fullmatch(word[4]):
                columns[word[5:7]].append(column)
    return [(min(found), max(found)) for found in columns.values()]


def _without_leaders(cells: Mapping[int, str]) -> Mapping[int, str]:
    """Leave out dots that lead the eye from one cell to another."""
    many = sum(_DOTS.fullmatch(text) is not None for text in cells.values()) >= MIN_LEADERS
    leaders = _DOTS if many else _LEADERS
    return {column: text for column, text in cells.items() if not leaders.fullmatch(text)}
