"""Puts the values of form fields behind their labels: beside, above, or, of check marks, to their right.

The place of each value follows from the labels as the page has them. A label together with its value would reach over
the fields below it, and look like theirs.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum, auto

from ingest.pdf.geometry import Box
from ingest.pdf.layout import Line, Paragraph, paragraph_of

MAX_DISTANCE = 30
"""Largest distance between a label and the value to its right, in font sizes of the label."""

MAX_CLOSE = 3
"""Largest such distance, in font sizes, if there is a label above the field, too."""

MAX_ABOVE = 1.5
"""Largest distance between a label and the field below it, in font sizes of the label."""

MAX_BESIDE = 2.5
"""Largest distance between a check mark and the label to its right, in font sizes of the label."""

MIN_LINES = 3
"""Number of lines of a field from which on it is a text of its own, without a label to its left."""

MIN_SHARED = 0.4
"""Share of the lower height by which a label and a value in one row overlap."""

Place = tuple[int, int]
"""A line: the indices of its paragraph and of the line in it."""


@dataclass(frozen=True, slots=True)
class Field:
    """The box of a field, and the lines of its value; none if it is empty.

    `is_free`: it is a text typed onto the page, which need not have a label. `is_button`: it can be ticked.
    """

    box: Box
    lines: tuple[Line, ...]
    is_free: bool = False
    is_button: bool = False

    @property
    def is_mark(self) -> bool:
        text = self.lines[0].text.strip() if len(self.lines) == 1 else ""
        return len(text) == 1 and not text.isalnum()

    @property
    def row(self) -> Box:
        """The height at which its label stands beside it."""
        return self.lines[0][:4] if self.lines else self.box


class Side(Enum):
    """Where a label stands, seen from its field."""

    LEFT = auto()
    RIGHT = auto()
    ABOVE = auto()


@dataclass(slots=True)
class _Near:
    """The labels near a field, and the distance of each in points; the nearest first.

    `close`: the label to the left is that of the field, whatever is above.
    """

    left: Mapping[Place, float]
    right: Mapping[Place, float]
    above: Mapping[Place, float]
    close: bool


@dataclass(slots=True)
class _Values:
    """The values of a label, by where they stand in the text."""

    before: list[Line] = field(default_factory=list)
    behind: list[Line] = field(default_factory=list)
    below: list[Line] = field(default_factory=list)
    texts: list[Paragraph] = field(default_factory=list)


def place(fields: Sequence[Field], paragraphs: Sequence[Paragraph]) -> list[Paragraph]:
    """Put the values of fields behind their labels, or, without one, between the paragraphs above and below them."""
    labels = {
        (number, index): line
        for number, paragraph in enumerate(paragraphs)
        for index, line in enumerate(paragraph.lines)
    }
    ordered = sorted(fields, key=lambda field: (round(field.box[1] / 4), field.box[0]))
    near = [_near(field, labels) for field in ordered]
    # A label with a field beside it is not that of the field below it.
    beside = {next(iter(each.left)) for each in near if each.left and (each.close or not each.above)}
    buttons = [found for each, found in zip(ordered, near, strict=True) if each.is_button]
    beside |= {next(iter(each.right)) for each in buttons if each.right}
    # In a table, the titles of its columns are above the fields of the first row, and no labels of these.
    columns = {_column(each, found, labels) for each, found in zip(ordered, near, strict=True) if not found.above}
    values: dict[Place, _Values] = {}
    alone: list[Field] = []
    for each, found in zip(ordered, near, strict=True):
        if not each.lines:
            continue
        found.close = found.close or (bool(found.left) and _column(each, found, labels) in columns)
        if (chosen := _label_of(each, found, beside)) is None:
            alone.append(each)
            continue
        side, label = chosen
        of_label = values.setdefault(label, _Values())
        if side is Side.ABOVE and len(each.lines) >= MIN_LINES:
            of_label.texts.append(paragraph_of([*each.lines]))
        else:
            at = {Side.LEFT: of_label.behind, Side.RIGHT: of_label.before, Side.ABOVE: of_label.below}[side]
            at.extend(each.lines)
    result: list[Paragraph] = []
    for number, paragraph in enumerate(paragraphs):
        of_lines = [values.get((number, index)) for index in range(len(paragraph.lines))]
        result.append(_with_values(paragraph, of_lines) if any(of_lines) else paragraph)
        result += [text for found in of_lines if found is not None for text in found.texts]
    for each in alone:
        below = (number for number, paragraph in enumerate(result) if paragraph.y0 >= each.box[1])
        result.insert(next(below, len(result)), paragraph_of([*each.lines]))
    return result


def _near(field: Field, labels: Mapping[Place, Line]) -> _Near:
    x0, y0, x1, y1 = field.box
    labels = {at: line for at, line in labels.items() if line.y0 <= y1 and line.y1 > y0 - MAX_ABOVE * line.size}
    row = {at: line for at, line in labels.items() if len(field.lines) < MIN_LINES and _in_row(line[:4], field.row)}
    right = {at: line.x0 - x1 for at, line in row.items() if -2 <= line.x0 - x1 < MAX_BESIDE * line.size}
    left = _nearest({at: x0 - line.x1 for at, line in row.items() if -2 <= x0 - line.x1 < MAX_DISTANCE * line.size})
    above = {
        at: y0 - line.y1
        for at, line in labels.items()
        if -0.5 * line.size <= y0 - line.y1 < MAX_ABOVE * line.size and line.x0 < x1 and line.x1 > x0
    }
    close = any(distance <= MAX_CLOSE * labels[at].size for at, distance in left.items())
    return _Near(left, _nearest(right), _nearest(above), close)


def _column(field: Field, near: _Near, labels: Mapping[Place, Line]) -> tuple[int, ...]:
    """Where a field begins and ends, and the label to its left begins; the same for the fields of a table's column."""
    starts = [labels[next(iter(near.left))].x0] if near.left else []
    return tuple(map(round, (field.box[0], field.box[2], *starts)))


def _label_of(field: Field, near: _Near, beside: Collection[Place]) -> tuple[Side, Place] | None:
    above = [at for at in near.above if at not in beside]
    if field.is_mark and near.right:
        return Side.RIGHT, next(iter(near.right))
    if near.left and (near.close or not above):
        return Side.LEFT, next(iter(near.left))
    if above:
        return Side.ABOVE, above[0]
    if not field.is_free and (free := [at for at in near.right if at not in beside]):
        return Side.RIGHT, free[0]
    return (Side.ABOVE, next(iter(near.above))) if near.above else None


def _nearest(distances: Mapping[Place, float]) -> dict[Place, float]:
    return dict(sorted(distances.items(), key=lambda item: item[1]))


def _in_row(one: Box, other: Box) -> bool:
    return min(one[3], other[3]) - max(one[1], other[1]) > MIN_SHARED * min(one[3] - one[1], other[3] - other[1])


def _with_values(paragraph: Paragraph, values: Sequence[_Values | None]) -> Paragraph:
    """A paragraph with the values of its lines, of which some have none."""
    lines: list[Line] = []
    for line, found in zip(paragraph.lines, values, strict=True):
        if found is None:
            lines.append(line)
            continue
        parts = [*found.before, line, *found.behind]
        box = paragraph_of(parts)
        text = " ".join([part.text.strip() for part in parts])
        lines.append(line._replace(x0=box.x0, y0=box.y0, x1=box.x1, y1=box.y1, text=text))
        lines += found.below
    return replace(paragraph_of(lines), table=paragraph.table, shape=paragraph.shape)
