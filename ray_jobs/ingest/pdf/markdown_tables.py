"""Writes tables as Markdown."""

from __future__ import annotations

from collections.abc import Sequence

from ingest.pdf.right_to_left import is_right_to_left


def as_markdown(rows: Sequence[Sequence[str]]) -> str:
    """Write a table whose first row is its head; one in a right-to-left script begins with its last column."""
    if is_right_to_left([cell for row in rows for cell in row]):
        rows = [row[::-1] for row in rows]
    lines = ["|" + "|".join([cell.replace("|", "\\|") for cell in row]) + "|" for row in rows]
    lines.insert(1, "|" + "---|" * len(rows[0]))
    return "\n".join(lines)
