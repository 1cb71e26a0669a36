"""Puts tables without rules in rows whose producer draws them column by column.

Such a table looks like columns of prose: its lines are drawn from top to bottom, and the next column begins beside
them. Columns of prose have several words in each line, and lists in columns have the same kind of lines in each.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import pairwise
from statistics import median

from ingest.pdf.layout import Line, Paragraph, join_lines, paragraph_of
from ingest.pdf.markdown_tables import as_markdown
from ingest.pdf.row_edges import MAX_LEADING, MAX_SHIFT, row_edges

MIN_ROWS = 4
"""Minimum number of rows with a cell in the first column."""

MIN_GAP = 0.6
"""Minimum distance between two columns, in font sizes."""

MIN_MATCHED = 0.75
"""Minimum share of the rows with a cell in each of the other columns, and of the lines of these in line with a row."""

MAX_WORDS = 3
"""Median number of words of a cell; a table has at most one column with longer ones, or with cells of several lines."""

MIN_DIFFERENCE, MIN_RATIO = 0.5, 1.7
"""Difference between two columns in the share of cells with more digits than letters, and ratio of their lengths, from
which on the columns are of different kinds."""


def rows_of_columns(paragraphs: list[Paragraph]) -> list[Paragraph]:
    """Join the columns of each table that is drawn column by column; `paragraphs` are in the order of the file."""
    lines = [line for paragraph in paragraphs if not paragraph.table for line in paragraph.lines]
    jumps = [number for number, (before, line) in enumerate(pairwise(lines), 1) if _is_above(line, before)]
    runs = [lines[start:stop] for start, stop in pairwise([0, *jumps, len(lines)])]
    first = 0
    while first < len(runs) - 1:
        columns = _columns(runs, first) if len(runs[first]) >= MIN_ROWS <= len(runs[first + 1]) + 1 else []
        if columns and _is_table(columns):
            paragraphs = _with_table(paragraphs, columns)
            first += len(columns)
        else:
            first += 1
    return paragraphs


def _is_above(line: Line, before: Line) -> bool:
    return line.y1 < before.y1 - MAX_SHIFT * line.size and line.x0 > before.x0


def _columns(runs: Sequence[Sequence[Line]], first: int) -> list[list[Line]]:
    """Return the columns of the table that may begin in a run, each in one of the next runs; [] if there is none.

    Text above the table is in the run of its first column, and text below it in that of its last.
    """
    columns = [[*runs[first]]]
    for run in runs[first + 1 :]:
        column = _beside(run, columns[0])
        top = min((line.y1 for line in column), default=0.0)
        left = [line for other in columns for line in other if line.y1 >= top - MAX_SHIFT * line.size]
        if not (column and left) or min(line.x0 for line in column) < max(
            line.x1 + MIN_GAP * line.size for line in left
        ):
            break
        columns.append(column)
        if len(column) < len(run):
            break
    if len(columns) < 2:
        return []
    highest = min(line.y1 for column in columns[1:] for line in column)
    columns[0] = [line for line in columns[0] if line.y1 >= highest - MAX_SHIFT * line.size]
    return columns if columns[0] else []


def _beside(run: Sequence[Line], first: Sequence[Line]) -> list[Line]:
    """Return the lines of a run beside the first column, with those that go on in the last cell."""
    bottom = max(line.y1 + MAX_SHIFT * line.size for line in first)
    column: list[Line] = []
    for line in run:
        goes_on = column and abs(line.x0 - column[-1].x0) < 1 and line.y1 - column[-1].y1 < MAX_LEADING * line.size
        if not (line.y1 < bottom or goes_on):
            break
        column.append(line)
    return column


def _is_table(columns: Sequence[Sequence[Line]]) -> bool:
    cells = [_cells(column) for column in columns]
    tops, shift = [top for top, _ in cells[0]], MAX_SHIFT * columns[0][0].size
    filled = [sum(any(abs(top - other) <= shift for other, _ in column) for top in tops) for column in cells]
    long = [
        _words(column) > MAX_WORDS or count < MIN_MATCHED * len(column)
        for column, count in zip(cells, filled, strict=True)
    ]
    if len(tops) < MIN_ROWS or min(filled) < MIN_MATCHED * len(tops) or sum(long) > 1:
        return False
    if any(_is_broken(column) for column, is_long in zip(cells, [False, *long[1:]], strict=True) if not is_long):
        return False
    return _differ(cells) or (not any(long) and _have_heads(columns) and len({len(column) for column in cells}) == 1)


def _cells(column: Sequence[Line]) -> list[tuple[float, str]]:
    """Join the lines of a column on one baseline: the place of the baseline, and the text."""
    cells: list[tuple[float, str]] = []
    for line in sorted(column, key=lambda line: line.y1):
        if cells and line.y1 - cells[-1][0] <= MAX_SHIFT * line.size:
            cells[-1] = cells[-1][0], f"{cells[-1][1]} {line.text}"
        else:
            cells.append((line.y1, line.text))
    return cells


def _words(column: Sequence[tuple[float, str]]) -> float:
    return median([len(text.split()) for _, text in column])


def _is_broken(column: Sequence[tuple[float, str]]) -> bool:
    """Whether many lines of a column go on with a sentence or a word of the line above."""
    went_on = sum(
        before.rstrip().endswith("-") or (text.lstrip()[:1].islower() and " " in text.strip())
        for (_, before), (_, text) in pairwise(column)
    )
    return 3 * went_on > len(column)


def _differ(columns: Sequence[Sequence[tuple[float, str]]]) -> bool:
    """Whether two columns, without the titles above them, are of different kinds."""
    numbers = [sum(_is_number(text) for _, text in column[1:]) / max(len(column) - 1, 1) for column in columns]
    lengths = [median([len(text.strip()) for _, text in column[1:] or column]) for column in columns]
    return max(numbers) - min(numbers) >= MIN_DIFFERENCE or max(lengths) >= MIN_RATIO * max(min(lengths), 1)


def _is_number(text: str) -> bool:
    return sum(map(str.isdigit, text)) > sum(map(str.isalpha, text))


def _have_heads(columns: Sequence[Sequence[Line]]) -> bool:
    """Whether each column has a title that looks unlike its cells: bold, or in capitals."""
    return all(
        (head.bold and not any(line.bold for line in cells))
        or (head.text.isupper() and not any(line.text.isupper() for line in cells))
        for head, *cells in columns
    )


def _with_table(paragraphs: Sequence[Paragraph], columns: Sequence[Sequence[Line]]) -> list[Paragraph]:
    """Replace the cells of a table among paragraphs by the table."""
    cells = {id(line) for column in columns for line in column}
    kept: list[Paragraph] = []
    placed = False
    for paragraph in paragraphs:
        places = [index for index, line in enumerate(paragraph.lines) if id(line) in cells]
        if not places:
            kept.append(paragraph)
            continue
        above = paragraph.lines[: places[0]]
        below = [line for line in paragraph.lines[places[0] :] if id(line) not in cells]
        kept += [paragraph_of(above)] if above else []
        kept += [] if placed else [_table(columns)]
        kept += [paragraph_of(below)] if below else []
        placed = True
    return kept


def _table(columns: Sequence[Sequence[Line]]) -> Paragraph:
    rows = [[join_lines("\n".join(lines)) for lines in row] for row in _rows(columns)]
    return replace(paragraph_of([line for column in columns for line in column]), table=as_markdown(rows))


def _rows(columns: Sequence[Sequence[Line]]) -> Iterator[list[list[str]]]:
    """Yield the lines of the cells of each row. Lines between two rows belong to the upper one."""
    tops = row_edges(columns, [top for top, _ in _cells(columns[0])])
    edges = [top - MAX_SHIFT * columns[0][0].size for top in tops]
    for above, below in pairwise([float("-inf"), *edges, float("inf")]):
        row = [[line.text for line in column if above <= line.y1 < below] for column in columns]
        if any(row):
            yield row
