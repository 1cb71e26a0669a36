"""Boxes and rules on a page, in points from the upper left corner; a box is (x0, y0, x1, y1)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

Box = tuple[float, float, float, float]


class Rule(NamedTuple):
    """A horizontal or vertical line at the coordinate `at`, from `start` to `stop` in the other coordinate."""

    at: float
    start: float
    stop: float


def intersection(one: Box, other: Box) -> Box:
    """Return the common part of two boxes; if there is none, the result ends before it starts."""
    return (max(one[0], other[0]), max(one[1], other[1]), min(one[2], other[2]), min(one[3], other[3]))


def bounding_box(boxes: Sequence[Box]) -> Box:
    """Return the smallest box that contains all boxes."""
    return (
        min(box[0] for box in boxes),
        min(box[1] for box in boxes),
        max(box[2] for box in boxes),
        max(box[3] for box in boxes),
    )


def area(box: Box) -> float:
    """Return the area of a box in square points; 0 if it ends before it starts."""
    return max(box[2] - box[0], 0) * max(box[3] - box[1], 0)


def shorter_side(box: Box) -> float:
    """Return the shorter side of a box in points."""
    return min(box[2] - box[0], box[3] - box[1])


def has_centre_in(box: Box, other: Box) -> bool:
    """Whether the centre of a box is in the other box."""
    x, y = (box[0] + box[2]) / 2, (box[1] + box[3]) / 2
    return other[0] <= x <= other[2] and other[1] <= y <= other[3]


def is_covered(box: Box, boxes: Iterable[Box]) -> bool:
    """Whether a box lies in another one by its centre, or by more than half of it."""
    return any(
        has_centre_in(box, other) or area(intersection(box, other)) > area(box) / 2
        for other in boxes
        if min(other[2], box[2]) > max(other[0], box[0]) and min(other[3], box[3]) > max(other[1], box[1])
    )
