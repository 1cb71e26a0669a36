"""Finds the grids that the rules of a page make where they cross."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ingest.pdf.geometry import Rule
from ingest.pdf.table_cells import Grid
from ingest.pdf.table_shapes import with_open_rows
from ingest.pdf.table_words import TOLERANCE

MAX_LINES = 400
"""Maximum number of lines in one direction, after collinear ones are joined: more are a drawing or graph paper."""

MIN_EDGE = 0.2
"""Minimum share of the width of a table that the edge of a row has; boxes behind words are narrower."""


def rules_of(drawings: Iterable[dict[str, Any]], width: float, height: float) -> tuple[list[Rule], list[Rule]]:
    """Return the horizontal and the vertical lines of the drawings, including the edges of boxes."""
    horizontal: list[Rule] = []
    vertical: list[Rule] = []

    def add(x0: float, y0: float, x1: float, y1: float) -> None:
        if abs(y1 - y0) <= 1 < abs(x1 - x0):
            horizontal.append(Rule((y0 + y1) / 2, min(x0, x1), max(x0, x1)))
        elif abs(x1 - x0) <= 1 < abs(y1 - y0):
            vertical.append(Rule((x0 + x1) / 2, min(y0, y1), max(y0, y1)))

    for drawing in drawings:
        for item in drawing["items"]:
            if item[0] == "l":
                add(*item[1], *item[2])
            elif item[0] == "re":
                # On a page that was rotated by 180 degrees, the first corner is the lower right one.
                (x0, x1), (y0, y1) = sorted(item[1][::2]), sorted(item[1][1::2])
                if x1 - x0 > 0.95 * width and y1 - y0 > 0.95 * height:
                    continue  # the page's background
                if y1 - y0 <= TOLERANCE or x1 - x0 <= TOLERANCE:  # a box as thin as a line
                    middle_x, middle_y = (x0 + x1) / 2, (y0 + y1) / 2
                    add(*(x0, middle_y, x1, middle_y) if x1 - x0 > y1 - y0 else (middle_x, y0, middle_x, y1))
                else:
                    for edge in ((x0, y0, x1, y0), (x0, y1, x1, y1), (x0, y0, x0, y1), (x1, y0, x1, y1)):
                        add(*edge)
    return _join_collinear(horizontal), _join_collinear(vertical)


def _join_collinear(rules: list[Rule]) -> list[Rule]:
    """Join collinear lines that touch."""
    joined: list[Rule] = []
    rows: list[list[Rule]] = []
    for rule in sorted(rules):
        if rows and rule.at - rows[-1][0].at <= TOLERANCE:
            rows[-1].append(rule)
        else:
            rows.append([rule])
    for row in rows:
        row.sort(key=lambda rule: rule.start)
        start, stop = row[0].start, row[0].stop
        for rule in row[1:]:
            if rule.start > stop + TOLERANCE:
                joined.append(Rule(row[0].at, start, stop))
                start, stop = rule.start, rule.stop
            else:
                stop = max(stop, rule.stop)
        joined.append(Rule(row[0].at, start, stop))
    return joined


def grids_of(horizontal: list[Rule], vertical: list[Rule]) -> Iterable[Grid]:
    """Yield the grid of each group of crossing lines with at least two rows and two columns."""
    if not (3 <= len(horizontal) <= MAX_LINES and 3 <= len(vertical) <= MAX_LINES):
        return
    groups: list[tuple[set[int], set[int]]] = []
    for index, rule in enumerate(horizontal):
        crossing = {
            other
            for other, across in enumerate(vertical)
            if rule.start - TOLERANCE <= across.at <= rule.stop + TOLERANCE
            and across.start - TOLERANCE <= rule.at <= across.stop + TOLERANCE
        }
        if not crossing:
            continue
        rows, columns = {index}, crossing
        others = []
        for group in groups:
            if group[1] & columns:
                rows, columns = rows | group[0], columns | group[1]
            else:
                others.append(group)
        groups = [*others, (rows, columns)]
    for rows, columns in groups:
        if len(rows) >= 3 and len(columns) >= 3:
            borders = [vertical[column] for column in sorted(columns)]
            positions = _positions(border.at for border in borders)
            width = positions[-1] - positions[0]
            lines = [horizontal[row] for row in rows]
            edges = [edge for edge in _positions(line.at for line in lines) if _is_long(edge, lines, width)]
            if len(edges) >= 3 and len(positions) >= 3:
                yield with_open_rows(Grid(edges, positions, borders, lines))


def _is_long(edge: float, lines: Iterable[Rule], width: float) -> bool:
    """Whether the lines at the edge of a row are long enough not to be the box behind a word."""
    there = sum(line.stop - line.start for line in lines if abs(line.at - edge) <= 2 * TOLERANCE)
    return there >= MIN_EDGE * width


def _positions(values: Iterable[float]) -> list[float]:
    """Sort positions, and merge those of double lines."""
    positions: list[float] = []
    for value in sorted(values):
        if not positions or value - positions[-1] > 2 * TOLERANCE:
            positions.append(value)
    return positions
