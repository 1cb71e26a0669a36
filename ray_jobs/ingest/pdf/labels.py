"""Puts values beside their labels, in files that draw all labels before or after all values."""

from __future__ import annotations

from collections.abc import Sequence

from ingest.pdf.layout import Line, Paragraph, paragraph_of

MAX_LABEL = 40
"""Maximum number of characters of a label."""

MAX_DISTANCE = 30.0
"""Largest gap between a label and its value, in font sizes."""

MAX_SHIFT = 0.4
"""Largest distance between the lower edges of a label and its value, in font sizes."""


def join_values(paragraphs: list[Paragraph]) -> list[Paragraph]:
    """Move the line beside each label to the label, if the labels are drawn one after the other.

    A label is a short line that ends in a colon. A line of prose may do so, too, but not the next one as well.
    """
    lines = [line for paragraph in paragraphs for line in paragraph.lines]
    labels = {id(line) for line in lines if _is_label(line)}
    values: dict[int, Line] = {}
    for index, line in enumerate(lines):
        neighbours = [*lines[max(index - 1, 0) : index], *lines[index + 1 : index + 2]]
        if id(line) not in labels or not any(id(other) in labels for other in neighbours):
            continue
        value = min((other for other in lines if _is_beside(line, other)), key=lambda other: other.x0, default=None)
        if value is not None and id(value) not in labels and value not in lines[index + 1 : index + 2]:
            values[id(line)] = value
    if len(values) < 2:
        return paragraphs
    moved = {id(value) for value in values.values()}
    joined = []
    for paragraph in paragraphs:
        kept = _with_values([line for line in paragraph.lines if id(line) not in moved], values)
        if kept:
            joined.append(paragraph_of(kept))
    return joined


def _is_label(line: Line) -> bool:
    text = line.text.strip()
    return 2 < len(text) <= MAX_LABEL and text.endswith((":", "："))


def _is_beside(label: Line, line: Line) -> bool:
    gap = line.x0 - label.x1
    return 0 <= gap < MAX_DISTANCE * label.size and abs(line.y1 - label.y1) <= MAX_SHIFT * label.size


def _with_values(lines: Sequence[Line], values: dict[int, Line]) -> list[Line]:
    return [
        line._replace(text=f"{line.text.strip()} {value.text.strip()}", x1=value.x1)
        if (value := values.get(id(line))) is not None
        else line
        for line in lines
    ]
