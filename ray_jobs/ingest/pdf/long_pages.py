"""Cuts the image of a page that is much longer than wide between its lines: a receipt, a banner, or a screenshot of a
web site, of which an image of usual size would show nothing that can be read."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import numpy as np

MAX_OCR_SIDE = 2000
"""Maximum pixels of the longer side of what is read at once, for pages larger than A3: RapidOCR itself scales larger
images down to this."""

LONG = 3
"""Ratio of the sides from which on a page is read in stretches, unless it is wide and legible as a whole: a page with
several lines may have no place at which a cut leaves all of them whole."""

_USUAL = 1.5
"""Ratio of the sides of a usual page, which a stretch should not be larger than."""

_MOST_PIXELS = 16 * MAX_OCR_SIDE
"""Maximum pixels of the longer side of a page that is read in stretches: OpenCV takes at most 32,767."""

_WINDOW, _WIDE_WINDOW = MAX_OCR_SIDE // 4, MAX_OCR_SIDE // 2
"""Pixels before the end of a stretch in which it may be cut, between lines and between words."""

_ROUNDING = 2
"""Pixels by which a page is larger than its scale says: MuPDF renders every pixel that the page touches."""


def largest_scale(width: float, height: float) -> float:
    """The most pixels per point that OCR takes for a page of these sides, in points."""
    shorter, longer = sorted((max(width, 1), max(height, 1)))
    if longer <= LONG * shorter:
        return MAX_OCR_SIDE / longer
    return min(MAX_OCR_SIDE / (_USUAL * shorter), _MOST_PIXELS / longer)


def stretches(image: np.ndarray) -> Iterator[tuple[np.ndarray, tuple[int, int]]]:
    """The parts of an image, uint8 of shape (height, width, 3), along its longer side, each with its x and y.

    None is longer than `MAX_OCR_SIDE` pixels, but for rounding. An image that is no longer than this is its only part.
    """
    across = image.shape[1] > image.shape[0]
    length, cuts = max(image.shape[:2]), [0]
    while length - cuts[-1] > MAX_OCR_SIDE + _ROUNDING:
        cuts.append(_emptiest(image, across, cuts[-1] + MAX_OCR_SIDE))
    for start, end in pairwise([*cuts, length]):
        yield _part(image, across, start, end), (start, 0) if across else (0, start)


def _emptiest(image: np.ndarray, across: bool, end: int) -> int:
    """The middle of the widest gap before `end` between lines, or between words of lines as long as the image."""
    start = end - (_WIDE_WINDOW if across else _WINDOW)
    window = _part(image, across, start, end).astype(np.int16)
    # Edges of letters, not shades: a scan may have a shadow along its side.
    edges = np.abs(np.diff(window, axis=0 if across else 1)).mean(axis=(0 if across else 1, 2))
    empty = np.concatenate([[False], edges <= 1.25 * edges.min() + 0.5, [False]])
    starts, ends = np.flatnonzero(empty[1:] & ~empty[:-1]), np.flatnonzero(empty[:-1] & ~empty[1:])
    widest = len(starts) - 1 - np.argmax((ends - starts)[::-1])  # the last one of equals, for fewer stretches
    return start + int(starts[widest] + ends[widest]) // 2


def _part(image: np.ndarray, across: bool, start: int, end: int) -> np.ndarray:
    return np.ascontiguousarray(image[:, start:end] if across else image[start:end])
