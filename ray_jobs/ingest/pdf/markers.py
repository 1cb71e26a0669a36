"""Puts the markers of list items before their items, in files that draw all markers before or after the text."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from ingest.pdf.layout import Line, Paragraph, paragraph_of

MAX_DISTANCE = 6.0
"""Largest gap between a marker and its item, in font sizes."""

MAX_SHIFT = 0.4
"""Largest distance between the lower edges of a marker and its line, in font sizes: a bullet may be smaller."""

MIN_FREE = 1.2
"""Smallest gap between a marker and text at its left, in font sizes."""

_MARKER = re.compile(r"[-•◦▪▫●○■□◆◇‣⁃∙·*–—►➢➤✓✔❖]|\(?(?:\d{1,3}|[a-z]|[ivxlc]{1,6})[.)]", re.I)


def join_markers(paragraphs: list[Paragraph]) -> list[Paragraph]:
    """Put each line that is only a marker before the text at its right, unless that text is the next line."""
    lines = [line for paragraph in paragraphs for line in paragraph.lines]
    if not any(_MARKER.fullmatch(line.text.strip()) for line in lines):
        return paragraphs
    items = {id(item): marker for marker, item in _misplaced(lines)}
    if not items:
        return paragraphs
    moved = {id(marker) for marker in items.values()}
    joined = []
    for paragraph in paragraphs:
        kept = [
            line._replace(text=f"{items[id(line)].text.strip()} {line.text}") if id(line) in items else line
            for line in paragraph.lines
            if id(line) not in moved
        ]
        if kept:
            joined.append(paragraph_of(kept) if kept != paragraph.lines else paragraph)
    return joined


def _misplaced(lines: Sequence[Line]) -> Iterator[tuple[Line, Line]]:
    """Yield the markers whose items are not the lines behind them, with these items."""
    for index, marker in enumerate(lines):
        if not _MARKER.fullmatch(marker.text.strip()):
            continue
        beside = [line for line in lines if line is not marker and _is_beside(marker, line)]
        item = min(beside, key=lambda line: line.x0, default=None)
        if item is None or item in lines[index + 1 : index + 2] or _MARKER.fullmatch(item.text.strip()):
            continue
        if not any(_ends_column(marker, line) for line in lines):
            yield marker, item


def _ends_column(marker: Line, line: Line) -> bool:
    """Whether a line shows that a marker is at the right end of something, as the number of an equation is."""
    same_row = abs(line.y1 - marker.y1) <= MAX_SHIFT * marker.size and line.x0 < marker.x0
    return (same_row and marker.x0 - line.x1 < MIN_FREE * marker.size) or (
        line.x0 < marker.x0 and abs(line.x1 - marker.x1) < 2 and not _MARKER.fullmatch(line.text.strip())
    )


def _is_beside(marker: Line, line: Line) -> bool:
    size = max(line.size, marker.size)
    return (
        -0.1 * size < line.x0 - marker.x1 < MAX_DISTANCE * size
        and abs(line.y1 - marker.y1) <= MAX_SHIFT * size
        and marker.size <= 1.3 * line.size
    )
