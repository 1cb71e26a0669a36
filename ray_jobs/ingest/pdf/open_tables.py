"""Reads tables that no vertical rules divide: their columns are the stripes without text between their cells.

Words are in the form of `page.get_text("words")`.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from itertools import pairwise
from statistics import median

from ingest.pdf.geometry import Rule
from ingest.pdf.layout import Line, join_lines
from ingest.pdf.markdown_tables import as_markdown
from ingest.pdf.row_edges import row_edges
from ingest.pdf.table_titles import (
    LINE_HEIGHT,
    MIN_COLUMN_GAP,
    Stripe,
    Word,
    borders_of,
    middle_of,
    phrases_of,
    text_of,
    titles_of,
)
from ingest.pdf.table_words import TOLERANCE

MIN_CELL_GAP = 0.9
"""Minimum width of the gap between two cells of one row, in font sizes."""

MAX_HEAD = 5
"""Maximum number of lines of the titles of columns."""

MAX_WORDS = 3
"""Median number of words of a cell: at most one column has longer ones."""

MAX_TITLE = 100
"""Maximum number of characters of the title of a column."""

MAX_PITCH = 3.0
"""Largest distance between the lines of two rows that are typed, in font sizes."""

MIN_RULES = 3
"""Minimum number of rules of one extent."""

MIN_ROWS = 2
"""Minimum number of rows with several cells."""

MIN_DIVIDED, MIN_FILLED, MAX_CROSSING = 0.4, 0.4, 0.25
"""Minimum shares of lines with several cells and of cells with text, and largest share of lines whose only text crosses
columns."""

MIN_FRAMED = 0.7
"""Minimum of both shares if there are vertical rules, too."""

MAX_LEADING = 1.75
"""Largest distance between two lines of a cell, in font sizes."""


_TYPED = re.compile(" {3,}")
_PROGRAM = re.compile(r"\w_\w|[;{}=]")


def stacks_of(horizontal: Sequence[Rule]) -> list[list[Rule]]:
    """Return the rules of each extent, from top to bottom, if there are enough for a table."""
    stacks: list[list[Rule]] = []
    for rule in horizontal:
        for stack in stacks:
            if max(abs(rule.start - stack[0].start), abs(rule.stop - stack[0].stop)) <= 2 * TOLERANCE:
                if rule.at - stack[-1].at > TOLERANCE:
                    stack.append(rule)
                break
        else:
            stacks.append([rule])
    return [stack for stack in stacks if len(stack) >= MIN_RULES]


def tables_between(
    stack: Sequence[Rule], horizontal: Sequence[Rule], vertical: Sequence[Rule], words: Sequence[Word]
) -> Iterator[tuple[float, float, float, float, str]]:
    """Yield the box and the text of each table between rules of one extent.

    The titles of its columns are between the first two rules.
    """
    start, stop = stack[0].start - TOLERANCE, stack[0].stop + TOLERANCE
    inside = [word for word in words if start <= (word[0] + word[2]) / 2 <= stop]
    parts = [
        _rows_of_words([word for word in inside if top.at <= middle_of(word) < bottom.at])
        for top, bottom in pairwise(stack)
    ]
    edges = [rule for rule in vertical if start <= rule.at <= stop]
    first = 0
    while first < len(parts) - 1:
        head, last, found = parts[first], first + 1, ""
        partial = [
            rule
            for rule in horizontal
            if stack[first].at < rule.at < stack[first + 1].at and start <= rule.start < rule.stop <= stop
        ]
        while 0 < len(head) <= MAX_HEAD and last < len(parts):
            top, bottom = stack[first].at + 2 * TOLERANCE, stack[last + 1].at - 2 * TOLERANCE
            framed = any(rule.start < bottom and rule.stop > top for rule in edges)
            body = [row for part in parts[first + 1 : last + 1] for row in part]
            longer = _open_table(head, body, partial, framed)
            if not longer and (found or last > first + 1):
                break
            found, last = longer, last + 1
        if found:
            yield start, stack[first].at, stop, stack[last].at, found
        first = last if found else first + 1


def typed_tables(lines: Sequence[Line], words: Sequence[Word]) -> Iterator[tuple[float, float, float, float, str]]:
    """Yield the box and the text of each table whose columns are typed with spaces; its first row has the titles."""
    run: list[Line] = []
    for line in [*lines, None]:
        if run and (line is None or not (is_typed(line) and 0 < line.y1 - run[-1].y1 < MAX_PITCH * line.size)):
            x0, x1 = min(line.x0 for line in run), max(line.x1 for line in run)
            y0, y1 = run[0].y0, run[-1].y1
            inside = [word for word in words if y0 < middle_of(word) < y1 and x0 <= (word[0] + word[2]) / 2 <= x1]
            head, *body = _rows_of_words(inside) or [[]]
            columns = {len(_TYPED.split(line.text.strip())) for line in run}
            program = 3 * sum(_PROGRAM.search(line.text) is not None for line in run) > len(run)
            if (
                len(body) >= MIN_ROWS
                and len(columns) == 1
                and not program
                and (found := _open_table([head], body, [], framed=True))
            ):
                yield x0, y0, x1, y1, found
            run = []
        if line is not None and is_typed(line):
            run.append(line)


def is_typed(line: Line) -> bool:
    """Whether there are several spaces between words of a line."""
    return "   " in line.text.strip()


def _rows_of_words(words: Sequence[Word]) -> list[list[Word]]:
    """Return the words of each line, from top to bottom and from left to right."""
    rows: list[list[Word]] = []
    for word in sorted(words, key=lambda word: word[1] + word[3]):
        if rows and middle_of(word) - middle_of(rows[-1][0]) < 0.4 * (word[3] - word[1]):
            rows[-1].append(word)
        else:
            rows.append([word])
    return [sorted(row, key=lambda word: word[0]) for row in rows]


def _open_table(
    head: Sequence[Sequence[Word]],
    body: Sequence[Sequence[Word]],
    rules: Sequence[Rule],
    framed: bool,
) -> str:
    """Return a table as Markdown; "" if the lines of its body do not have columns.

    Args:
        head: the lines of the titles of columns.
        body: the other lines.
        rules: the rules between lines of the head: they show which columns a title belongs to.
        framed: there are vertical rules, too, which may be those of a drawing.
    """
    size = median([word[3] - word[1] for row in [*head, *body] for word in row] or [1.0]) / LINE_HEIGHT
    columns = _columns(body, size)
    if len(columns) < 2:
        return ""
    cells = [_cells(row, columns, size) for row in body]
    rows = list(_joined(cells, size))
    titles = titles_of(head, columns, rules, size)
    titled = sum(map(bool, titles[1:]))
    if not _is_table(rows, MIN_FRAMED if framed else MIN_FILLED) or 2 * (titled + 1) < len(columns) or not titled:
        return ""
    if max(map(len, map(" ".join, titles))) > MAX_TITLE:
        return ""
    return as_markdown([[join_lines("\n".join(cell)) for cell in row] for row in [titles, *rows]])


def _is_table(rows: Sequence[Sequence[Sequence[str]]], min_filled: float) -> bool:
    """Whether enough rows have several cells, enough cells have texts, and most of these are short."""
    columns = list(zip(*rows, strict=True))
    words = [median([len(" ".join(cell).split()) for cell in column if cell] or [0]) for column in columns]
    filled = [sum(map(bool, row)) for row in rows]
    return (
        len(rows) >= max(MIN_ROWS, 5 - len(columns))
        and sum(count > 1 for count in filled) >= min_filled * len(rows)
        and sum(filled) >= min_filled * len(rows) * len(columns)
        and sum(count > MAX_WORDS for count in words) <= 1
    )


def _columns(rows: Sequence[Sequence[Word]], size: float) -> list[Stripe]:
    """The columns of rows: a row of one text may cross them."""
    divided = [row for row in rows if len(list(phrases_of(row, MIN_CELL_GAP * size))) > 1]
    if len(divided) < max(MIN_ROWS, MIN_DIVIDED * len(rows)):
        return []
    columns: list[Stripe] = []
    for word in sorted([word for row in divided for word in row], key=lambda word: word[0]):
        if columns and word[0] - columns[-1].x1 < MIN_COLUMN_GAP * size:
            columns[-1] = Stripe(columns[-1].x0, max(columns[-1].x1, word[2]))
        else:
            columns.append(Stripe(word[0], word[2]))
    borders = borders_of(columns)
    crossing = sum(
        bisect_right(borders, row[0][0] + 0.1 * size) < bisect_right(borders, row[-1][2])
        for row in rows
        if row not in divided
    )
    return columns if crossing <= MAX_CROSSING * len(rows) else []


def _cells(row: Sequence[Word], columns: Sequence[Stripe], size: float) -> list[Line | None]:
    """The cells of a row by column; a text that crosses columns, or is in the middle of all, is in the first one."""
    borders = borders_of(columns)
    cells: list[list[Word]] = [[] for _ in columns]
    phrases = list(phrases_of(row, MIN_COLUMN_GAP * size))
    middle = (row[0][0] + row[-1][2] - columns[0].x0 - columns[-1].x1) / 2
    for phrase in phrases:
        column = bisect_right(borders, phrase[0][0] + 0.1 * size)
        is_central = abs(middle) <= size and abs(phrase[0][0] - columns[column].x0) > 1
        if len(phrases) == 1 and (is_central or phrase[-1][2] > [*borders, float("inf")][column]):
            column = 0
        cells[column] += phrase
    y = middle_of(row[0])
    return [Line(cell[0][0], y, cell[-1][2], y, text_of(cell), size, False) if cell else None for cell in cells]


def _joined(rows: Sequence[Sequence[Line | None]], size: float) -> Iterator[list[list[str]]]:
    """Join a line that goes on with the cells above, which it mostly has no first one beside."""
    columns = [[cell for cell in column if cell] for column in zip(*rows, strict=True)]
    tops = [cell.y1 for cell in columns[0]]
    edges = set(row_edges([column for column in columns if column], tops)) if tops else set()
    row: list[list[str]] = []
    last = 0.0
    for cells in rows:
        line = [[cell.text] if cell else [] for cell in cells]
        height = next(cell.y1 for cell in cells if cell)
        is_close = bool(row) and height - last <= MAX_LEADING * size
        if is_close and (cells[0].y1 not in edges if cells[0] else _goes_on(line, row)):
            row = [above + below for above, below in zip(row, line, strict=True)]
        else:
            if row:
                yield row
            row = line
        last = height
    if row:
        yield row


def _goes_on(line: Sequence[Sequence[str]], row: Sequence[Sequence[str]]) -> bool:
    """Whether a line has but a few texts, each below another one, and none in the first column."""
    texts = [(below[0], above) for below, above in zip(line, row, strict=True) if below]
    return (
        not line[0]
        and 2 * len(texts) <= sum(map(bool, row))
        and all(above and not (_is_number(below) and _is_number(above[-1])) for below, above in texts)
    )


def _is_number(text: str) -> bool:
    return sum(map(str.isdigit, text)) > sum(map(str.isalpha, text))
