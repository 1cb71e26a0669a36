"""Writes tables as Markdown."""

from __future__ import annotations

import re
from collections.abc import Sequence

from ingest.pdf.right_to_left import is_right_to_left

_BORDER = re.compile(r"(?<!\\)\|")


def is_reversed(rows: Sequence[Sequence[str]]) -> bool:
    """Whether the last column of a table is its first one."""
    return is_right_to_left([cell for row in rows for cell in row])


def rows_of(markdown: str) -> list[list[str]]:
    """Return the cells of a table as they are written, with its titles in the first row."""
    lines = markdown.split("\n")
    return [_BORDER.split(line)[1:-1] for line in [lines[0], *lines[2:]]]


def line_of(cells: Sequence[str]) -> str:
    """Write the cells of a row that `rows_of` has read."""
    return "|" + "|".join(cells) + "|"


def as_markdown(rows: Sequence[Sequence[str]]) -> str:
    """Write a table whose first row is its head; one in a right-to-left script begins with its last column."""
    if is_reversed(rows):
        rows = [row[::-1] for row in rows]
    lines = ["|" + "|".join([cell.replace("|", "\\|") for cell in row]) + "|" for row in rows]
    lines.insert(1, "|" + "---|" * len(rows[0]))
    return "\n".join(lines)
