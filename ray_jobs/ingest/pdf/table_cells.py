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

MIN_THROUGH = 0.6
"""Minimum share of the height of a grid along which a border of columns is drawn that divides a line of text."""

MAX_UNDIVIDED = 0.1
"""Maximum share of the lines of text over several cells that have a rule in a word, if the others are cells: some lines
of prose have a space at each rule by chance."""

MAX_OVER = 0.5
"""Length in points by which the box of a word may stand across the border of its cell: it includes some space."""

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
    by_border, height = by_border_of(grid), grid.rows[-1] - grid.rows[0]
    texts: dict[tuple[int, int], str] = {}
    lines = crossed = len({word[5:7] for word in others})
    divisions: list[bool] = []
    for row, by_column in placed.items():
        of_lines = _of_lines(by_column)
        extents = [(min(line), max(line)) for line in of_lines]
        starts = [0]
        for border, rules in enumerate(by_border, 1):
            whole = is_drawn(rules, rows[row], rows[row + 1]) or not any(
                first < border <= last for first, last in extents
            )
            starts.append(border if whole else starts[-1])
        lines += len(extents)
        divisions += [
            _is_divided(line, by_border[first:last], height)
            for line, (first, last) in zip(of_lines, extents, strict=True)
            if starts[first] != starts[last]
        ]
        cells: defaultdict[int, list[tuple[Any, ...]]] = defaultdict(list)
        for column in sorted(by_column):
            cells[starts[column]] += by_column[column]
        shown = {column: text for column, of_cell in cells.items() if (text := join_lines(lines_of(of_cell)))}
        texts.update({(row, column): text for column, text in _without_leaders(shown).items()})
    undivided = divisions.count(False)
    crossed += undivided if undivided <= MAX_UNDIVIDED * len(divisions) else len(divisions)
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


def is_whole(grid: Grid) -> bool:
    """Whether all columns of a grid have a border between them along most of its height."""
    return _are_through(by_border_of(grid), grid.rows[-1] - grid.rows[0])


def _are_through(by_border: Sequence[Sequence[Rule]], height: float) -> bool:
    return all(sum(rule.stop - rule.start for rule in rules) >= MIN_THROUGH * height for rules in by_border)


def is_drawn(rules: Sequence[Rule], start: float, stop: float) -> bool:
    """Whether rules cover enough of a border to divide the cells at both sides."""
    covered = sum(max(min(stop, rule.stop) - max(start, rule.start), 0) for rule in rules)
    return covered >= MIN_COVERED * (stop - start)


def _of_lines(by_column: Mapping[int, Sequence[tuple[Any, ...]]]) -> list[Mapping[int, Sequence[tuple[Any, ...]]]]:
    """Return the words of each line of text in a row by column; a dot that leads the eye is none."""
    lines: defaultdict[tuple[int, int], defaultdict[int, list[tuple[Any, ...]]]]
    lines = defaultdict(lambda: defaultdict(list))
    for column, words in by_column.items():
        for word in words:
            if not _DOTS.fullmatch(word[4]):
                lines[word[5:7]][column].append(word)
    return list(lines.values())


def _is_divided(
    line: Mapping[int, Sequence[tuple[Any, ...]]], by_border: Sequence[Sequence[Rule]], height: float
) -> bool:
    """Whether the rules between the columns of a line stand between its words: cells close to each other are one line.

    Boxes behind words end with their rows, and in boxes for single letters, a word is written across them.
    """
    words = [word for of_column in line.values() for word in of_column]
    return (
        any(len(word[4]) > 1 for word in words)
        and 2 * sum(len(word[4]) == 1 for word in words) <= len(words)
        and _are_through(by_border, height)
        and not any(
            word[0] + MAX_OVER < rule.at < word[2] - MAX_OVER for rules in by_border for rule in rules for word in words
        )
    )


def _without_leaders(cells: Mapping[int, str]) -> Mapping[int, str]:
    """Leave out dots that lead the eye from one cell to another."""
    many = sum(_DOTS.fullmatch(text) is not None for text in cells.values()) >= MIN_LEADERS
    leaders = _DOTS if many else _LEADERS
    return {column: text for column, text in cells.items() if not leaders.fullmatch(text)}
