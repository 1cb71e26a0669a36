"""Splits a table into parts that fit into a chunk, each below the titles of its columns."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

from ingest.pdf.layout import Place
from ingest.pdf.markdown_tables import line_of, rows_of

Count = Callable[[Sequence[str]], list[int]]
"""Returns the length of each text in tokens."""

Cut = Callable[[str], list[str]]
"""Cuts a text into pieces of at most a quarter of a part."""

MAX_HEAD = 0.5
"""Largest share of a part that the titles of its columns may take; if they take more, columns are divided too."""

MAX_HIGH_HEAD = 0.8
"""The same for titles in several rows, without which a number means nothing."""


def table_parts(
    markdown: str,
    count: Count,
    cut: Cut,
    limit: int,
    head: int = 1,
    covered: Sequence[tuple[Place, Place]] = (),
) -> Iterator[str]:
    """Split a table between rows and, if its rows or titles are too long, also between columns; no part comes twice.

    A part with some of the columns also has the first one: a number means nothing without its row and its column. A
    cell that is too long is cut. The text of a cell over several rows is repeated in the first row of each part.

    Args:
        markdown: the rows; the second is the line below the titles.
        count: the tokenizer.
        cut: the splitter.
        limit: maximum length of a part in tokens. Estimates, so that a part may be slightly longer.
        head: number of rows with titles; if they are too long, the upper ones come once, before the table.
        covered: each empty cell that is part of a larger one, and the place of that one's text.
    """
    lines = markdown.split("\n")
    sizes = [size + 1 for size in count(lines)]
    yield from dict.fromkeys(_parts(markdown, lines, sizes, (count, cut, limit), head, dict(covered)))


def _parts(
    markdown: str,
    lines: list[str],
    sizes: list[int],
    tools: tuple[Count, Cut, int],
    head: int,
    covered: Mapping[Place, Place],
) -> Iterator[str]:
    count, cut, limit = tools
    if sum(sizes) <= limit:
        yield markdown
        return
    rows = rows_of(markdown)
    titles = [(lines[0], sizes[0]), *zip(lines[2 : head + 1], sizes[2 : head + 1], strict=True)]
    left_out: list[str] = []
    while titles:
        top = sizes[1] + sum(size for _, size in titles)
        largest = MAX_HEAD if len(titles) == 1 else MAX_HIGH_HEAD
        if top <= largest * limit and top + max(sizes[head + 1 :], default=0) <= limit:
            break
        left_out.append(titles.pop(0)[0])
    if not titles:
        yield from _by_columns([_titles(rows[:head], covered), *_with_labels(rows, covered)[head:]], count, cut, limit)
        return
    if left_out:  # the titles next to the values say most
        text = "\n".join(left_out)
        yield from [text] if count([text])[0] <= limit else cut(text)
    shown = [titles[0][0], lines[1], *(line for line, _ in titles[1:])]
    repeated = {
        number: line for number, line in _repeated(rows, covered, head).items() if top + count([line])[0] < limit
    }
    of_head = [titles[0][1], sizes[1], *(size for _, size in titles[1:])]
    yield from _below_head(shown, lines[head + 1 :], [*of_head, *sizes[head + 1 :]], limit, repeated, count)


def _repeated(rows: Sequence[Sequence[str]], covered: Mapping[Place, Place], head: int) -> dict[int, str]:
    """Return the rows, counted below the head, with the texts of cells that begin in rows above them."""
    filled: dict[int, list[str]] = {}
    for (row, column), (first, text) in covered.items():
        if row >= head and head <= first < row and rows[first][text]:
            filled.setdefault(row - head, list(rows[row]))[column] = rows[first][text]
    return {row: line_of(cells) for row, cells in filled.items()}


def _titles(head: Sequence[Sequence[str]], covered: Mapping[Place, Place]) -> list[str]:
    """Return one title for each column: those above it, and above it and others."""
    titles: list[str] = []
    for column in range(len(head[0])):
        places = [covered.get((row, column), (row, column)) for row in range(len(head))]
        titles.append(" ".join([head[row][of] for row, of in dict.fromkeys(places) if row < len(head)]).strip())
    return titles


def _with_labels(rows: list[list[str]], covered: Mapping[Place, Place]) -> list[list[str]]:
    """Put the texts of cells over several rows into the first column of each of these rows: it is in all parts."""
    for (row, column), (first, text) in covered.items():
        if column == text == 0:
            rows[row][0] = rows[first][0]
    return rows


def _below_head(
    head: list[str],
    rows: Sequence[str],
    sizes: Sequence[int],
    limit: int,
    repeated: Mapping[int, str],
    count: Count,
) -> Iterator[str]:
    """Group rows into parts, each below the head.

    Args:
        head: the lines of the head.
        rows: the other lines.
        sizes: the lengths of the lines of the head and of the rows.
        limit: maximum length of a part.
        repeated: what the first row of a part is instead, for some of the rows.
        count: the tokenizer.
    """
    start = sum(sizes[: len(head)])
    part, filled = [*head], start
    for number, (row, size) in enumerate(zip(rows, sizes[len(head) :], strict=True)):
        if len(part) > len(head) and filled + size > limit:
            yield "\n".join(part)
            part, filled = [*head], start
            if number in repeated:
                part.append(repeated[number])
                filled += count([repeated[number]])[0] + 1
                continue
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
    yield from _below_head(head, lines, [size + 1 for size in count([*head, *lines])], limit, {}, count)


def _line(cells: Sequence[str]) -> str:
    return line_of(cells if cells[0] else cells[1:])
