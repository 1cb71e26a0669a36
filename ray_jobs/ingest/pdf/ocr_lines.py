"""Puts the lines that OCR has found on a page into order: level, whole, and in paragraphs."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from ingest.pdf.layout import Line, Paragraph, paragraph_of

LONG_LINE = 10
"""Ratio of the sides from which on a line shows where columns are, and how much a scan is skewed: the slant of a word
is that of its letters."""

MIN_SLANT, MAX_SLANT = 0.3, 20.0
"""Degrees by which a scan is skewed if its lines are to be levelled: less is no matter, and more is no mishap."""

COLUMN_LINES, COLUMN_HEIGHT = 3, 10
"""Minimum number of long lines of a column, and how far from another line they are, in heights of that line."""


class Slant(NamedTuple):
    """How a scan is skewed: by which angle in degrees, clockwise, about a place."""

    degrees: float
    x: float
    y: float

    def turned(self, points: np.ndarray, degrees: float) -> np.ndarray:
        """Points, of shape (..., 2), turned clockwise about the place."""
        cosine, sine = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
        found = (points - (self.x, self.y)) @ np.array([[cosine, sine], [-sine, cosine]]) + (self.x, self.y)
        return np.asarray(found, np.float32)

    def paragraphs(self, paragraphs: Iterable[Paragraph]) -> list[Paragraph]:
        """Paragraphs that were level, with boxes that hold their lines as they are shown."""
        shown = []
        for paragraph in paragraphs:
            lines = [Line._make((*self._shown(line), *line[4:])) for line in paragraph.lines]
            sides = np.array([line[:4] for line in lines])
            low, high = sides[:, :2].min(0).tolist(), sides[:, 2:].max(0).tolist()
            shown.append(replace(paragraph, x0=low[0], y0=low[1], x1=high[0], y1=high[1], lines=lines))
        return shown

    def _shown(self, line: Line) -> list[float]:
        x0, y0, x1, y1 = line[:4]
        points = self.turned(np.array([(x0, y0), (x1, y0), (x1, y1), (x0, y1)]), self.degrees)
        return [*points.min(0).tolist(), *points.max(0).tolist()]


def levelled(corners: np.ndarray) -> tuple[np.ndarray, Slant | None]:
    """Turn the corners of the lines of a skewed scan so that its lines are horizontal; without a slant, change nothing.

    The bounds of a line at a slant are as high as several lines, which would become one.
    """
    along, across = corners[:, 1] - corners[:, 0], corners[:, 3] - corners[:, 0]
    lengths = np.hypot(*along.T)
    is_long = lengths > LONG_LINE * np.hypot(*across.T)
    slants = np.degrees(np.arctan2(along[:, 1], along[:, 0]))[is_long]
    if not len(slants):
        return corners, None
    order = np.argsort(slants)
    reached = np.cumsum(lengths[is_long][order])
    degrees = float(slants[order][np.searchsorted(reached, reached[-1] / 2)])  # the median of the text
    if not MIN_SLANT < abs(degrees) < MAX_SLANT:
        return corners, None
    slant = Slant(degrees, *corners.mean((0, 1)).tolist())
    return slant.turned(corners, -degrees), slant


def paragraphs_of(lines: list[Line]) -> list[Paragraph]:
    """Group lines into paragraphs: same column, same size, and less than one line height apart."""
    paragraphs: list[list[Line]] = []
    for line in _rows(lines):
        for paragraph in reversed(paragraphs):
            last = paragraph[-1]
            height = min(last.size, line.size)
            if (
                -0.5 * height < line.y0 - last.y1 < 0.8 * height
                and min(last.x1, line.x1) - max(last.x0, line.x0) > 0.5 * min(last.x1 - last.x0, line.x1 - line.x0)
                and max(last.size, line.size) < 1.6 * height
            ):
                paragraph.append(line)
                break
        else:
            paragraphs.append([line])
    return [paragraph_of(paragraph) for paragraph in paragraphs]


def _rows(lines: list[Line]) -> list[Line]:
    """Sort lines from top to bottom, and join the pieces of a line that the text detector split."""
    rows: list[list[Line]] = []
    for line in sorted(lines, key=lambda line: (line.y0 + line.y1) / 2):
        if rows and (line.y0 + line.y1) / 2 - (rows[-1][0].y0 + rows[-1][0].y1) / 2 < 0.5 * min(
            line.size, rows[-1][0].size
        ):
            rows[-1].append(line)
        else:
            rows.append([line])
    joined: list[Line] = []
    long = np.array([line[:4] for line in lines if line.x1 - line.x0 > LONG_LINE * line.size]).reshape(-1, 4)
    for row in rows:
        row.sort()
        for index, line in enumerate(row):
            last = joined[-1] if index else None
            if (
                last is not None
                and line.x0 - last.x1 < 1.5 * min(line.size, last.size)
                and not _is_gutter_before(line, long)
            ):
                joined[-1] = last._replace(
                    y0=min(last.y0, line.y0),
                    x1=max(last.x1, line.x1),
                    y1=max(last.y1, line.y1),
                    text=f"{last.text} {line.text}",
                )
            else:
                joined.append(line)
    return joined


def _is_gutter_before(line: Line, long: np.ndarray) -> bool:
    """Whether a column of text begins with a line: above and below, long lines end before it or begin where it does.

    Args:
        line: the line.
        long: the boxes of all long lines of the page, of shape (n, 4).
    """
    near = long[np.abs(long[:, 1] - line.y0) < COLUMN_HEIGHT * line.size]
    ends, begins = near[:, 2] <= line.x0, np.abs(near[:, 0] - line.x0) < line.size
    return bool(min(ends.sum(), begins.sum()) >= COLUMN_LINES)
