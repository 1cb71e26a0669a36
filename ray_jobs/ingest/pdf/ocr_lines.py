"""Puts the lines that OCR has found on a page into order: level, whole, and in paragraphs."""

from __future__ import annotations

import numpy as np

from ingest.pdf.layout import Line, Paragraph, paragraph_of

LONG = 10
"""Ratio of the sides from which on a line shows where columns are, and how much a scan is skewed: the slant of a word
is that of its letters."""

MIN_SLANT, MAX_SLANT = 0.3, 20.0
"""Degrees by which a scan is skewed if its lines are to be levelled: less is no matter, and more is no mishap."""

COLUMN_LINES, COLUMN_HEIGHT = 3, 10
"""Minimum number of long lines of a column, and how far from another line they are, in heights of that line."""


def levelled(corners: np.ndarray) -> np.ndarray:
    """Turn the corners of the lines of a skewed scan about their centre, so that its lines are horizontal.

    The bounds of a line at a slant are as high as several lines, which would become one.
    """
    along, across = corners[:, 1] - corners[:, 0], corners[:, 3] - corners[:, 0]
    lengths = np.hypot(*along.T)
    is_long = lengths > LONG * np.hypot(*across.T)
    slants = np.degrees(np.arctan2(along[:, 1], along[:, 0]))[is_long]
    if not len(slants):
        return corners
    order = np.argsort(slants)
    reached = np.cumsum(lengths[is_long][order])
    slant = float(slants[order][np.searchsorted(reached, reached[-1] / 2)])  # the median of the text
    if not MIN_SLANT < abs(slant) < MAX_SLANT:
        return corners
    cosine, sine = np.cos(np.radians(slant)), np.sin(np.radians(slant))
    centre = corners.mean((0, 1))
    return ((corners - centre) @ np.array([[cosine, -sine], [sine, cosine]], np.float32) + centre).astype(np.float32)


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
    long = np.array([line[:4] for line in lines if line.x1 - line.x0 > LONG * line.size]).reshape(-1, 4)
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
