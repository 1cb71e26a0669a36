"""Splits a table into parts that fit into a chunk, each below the titles of its columns."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence

Count = Callable[[Sequence[str]], list[int]]
"""Returns the length of each text in tokens."""

Cut = Callable[[str], list[str]]
"""Cuts a text into pieces of at most a quarter of a part."""

MAX_HEAD = 0.5
"""Largest share of a part that the titles of its columns may take; if they take more, columns are divided too."""

_BORDER = re.compile(r"(?<!\\)\|")


def table_parts(markdown: str, count: Count, cut: Cut, limit: int) -> Iterator[str]:
    """Split a table between rows and, if its rows or titles are too long, also between columns; no part comes twice.

    A part with some of the columns also has the first one: a number means nothing without its row and its column. A
    cell that is too long is cut.

    Args:
        markdown: the rows; the second is the line below the titles.
        count: the tokenizer.
        cut: the splitter.
        limit: maximum length of a part in tokens. Estimates, so that a part may be slightly longer.
    """
    lines = markdown.split("\n")
    sizes = [size + 1 for size in count(lines)]
    if sum(sizes[:2]) <= MAX_HEAD * limit and sum(sizes[:2]) + max(sizes[2:], default=0) <= limit:
        parts = _below_head(lines[:2], lines[2:], sizes, limit)
    else:
        rows = [_BORDER.split(line)[1:-1] for line in [lines[0], *lines[2:]]]
        parts = _by_columns(rows, count, cut, limit)
    yield from dict.fromkeys(parts)


def _below_head(head: list[str], rows: Sequence[str], sizes: Sequence[int], limit: int) -> Iterator[str]:
    """Group rows into parts, each below the head; `sizes` are those of the lines of the head and of the rows."""
    start = sum(sizes[: len(head)])
    part, filled = [*head], start
    for row, size in zip(rows, sizes[len(head) :], strict=True):
        if len(part) > len(head) and filled + size > limit:
            yield "\n".join(part)
            part, filled = [*head], start
        part.append(row)
        filled += size
    if part:
        yield "\n".join(part)


def _by_columns(rows: list[list[str]], count: Count, cut: Cut, limit: int) -> Iterator[str]:
    """Divide the columns among parts; `rows` begins with the titles."""
    width = max(map(len, rows))
    rows = [[*row, *[""] * (width - len(row))] for row in rows]
    flat = iter(count([f"{cell}|" for row in rows for cell in row]))
    sizes = [[next(flat) for _ in row] for row in rows]
    (below_title,) = count(["---|"])
    labels = [row[0] if size[0] <= limit / 4 else f"{cut(row[0])[0]}…" for row, size in zip(rows, sizes, strict=True)]
    label_size = min(max(size[0] for size in sizes), limit // 4)
    groups: list[list[int]] = [[0]] if labels != [row[0] for row in rows] or width == 1 else []
    grouped: list[int] = []
    for column in range(1, width):
        columns = [*grouped, column]
        head = sum(sizes[0][index] + below_title for index in columns) + label_size + below_title + 4
        longest = max((sum(size[index] for index in columns) for size in sizes[1:]), default=0) + label_size + 2
        if grouped and (head > MAX_HEAD * limit or head + longest > limit):
            groups.append(grouped)
            columns = [column]
        grouped = columns
    groups += [grouped] if grouped else []
    for number, columns in enumerate(groups):
        shown = [
            ["" if columns == [0] else label, *(row[index] for index in columns)]
            for label, row in zip(labels, rows, strict=True)
        ]
        # A row without anything in these columns only has to be in the first part.
        shown = [shown[0], *(row for row in shown[1:] if number == 0 or any(row[1:]))]
        yield from _below_titles(shown, count, cut, limit)


def _below_titles(rows: list[list[str]], count: Count, cut: Cut, limit: int) -> Iterator[str]:
    """Yield the parts of some columns; `rows` begins with the titles, each row with its label or "" without one."""
    titles, *others = rows
    head = [_line(titles), "|" + "---|" * (len(titles) - (not titles[0]))]
    if sum(count(head)) > MAX_HEAD * limit:  # a single long title comes once
        yield from cut(" ".join(filter(None, titles)))
        head = []
    room = limit - sum(count(head))
    lines: list[str] = []
    for row, size in zip(others, count([_line(row) for row in others]), strict=True):
        if size < room:
            lines.append(_line(row))
        else:
            lines += [_line([row[0], piece]) for piece in cut(" ".join(filter(None, row[1:])))]
    yield from _below_head(head, lines, [size + 1 for size in count([*head, *lines])], limit)


def _line(cells: Sequence[str]) -> str:
    return "|" + "|".join(cells if cells[0] else cells[1:]) + "|"
