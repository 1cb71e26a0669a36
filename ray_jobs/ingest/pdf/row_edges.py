"""Finds where the rows of a table without rules begin whose cells have several lines, also those of the first column.

A line of the first column begins no row where the sentence beside it goes on, or where it is as close to the line above
as the lines of a sentence are, and other rows are farther apart.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from statistics import median

from ingest.pdf.layout import SENTENCE_ENDS, Line, first_word

MAX_SHIFT = 0.4
"""Largest distance between the baselines of the cells of a row, in font sizes."""

MAX_LEADING = 1.6
"""Largest distance between the baselines of the lines of a cell, in font sizes."""

CLOSE, APART = 1.15, 1.25
"""Distance of two baselines up to which they are those of a cell, and from which on they are those of two rows, as a
ratio of the distance of the lines of a sentence."""

MIN_WORDS, MIN_GOING_ON, MIN_FULL = 4, 3, 0.9
"""Median number of words of a line, number of lines that are followed by the rest of their sentence, and share of these
without room for the next word, of a column of sentences. At least half of the rests begin with no capital letter."""


def row_edges(columns: Sequence[Sequence[Line]], tops: Sequence[float]) -> list[float]:
    """Return those of the baselines of the first column on which a row begins.

    Args:
        columns: the lines of each column.
        tops: the baselines of the first column.
    """
    if len(columns) < 2:
        return list(tops)
    sorted_columns = [sorted(column, key=lambda line: line.y1) for column in columns]
    sentences = max(sorted_columns[1:], key=lambda column: median([len(line.text.split()) for line in column]))
    leading = _leading(sentences)
    if not leading:
        return list(tops)
    apart = {top: _distance_above(sorted_columns, top) >= APART * leading for top in tops[1:]}
    by_distance = 2 * sum(apart.values()) >= len(apart)
    return [
        top
        for top in tops
        if top not in apart
        or not (
            (by_distance and _distance_above(sorted_columns, top) <= CLOSE * leading)
            or _goes_on(sorted_columns, sentences, top, leading)
        )
    ]


def _leading(column: Sequence[Line]) -> float:
    """The distance of the lines of a column of sentences; 0 if it is none."""
    if median([len(line.text.split()) for line in column]) < MIN_WORDS:
        return 0.0
    gaps = [gap for above, line in pairwise(column) if (gap := line.y1 - above.y1) > MAX_SHIFT * line.size]
    leading = min(gaps, default=0.0)
    if leading > MAX_LEADING * column[0].size:
        return 0.0
    open_ended = [
        (above, line) for above, line in pairwise(column) if line.y1 - above.y1 <= CLOSE * leading and not _ends(above)
    ]
    full = sum(_is_full(above, line, column) for above, line in open_ended)
    inside = sum(line.text.lstrip()[:1].isalpha() and not line.text.lstrip()[:1].isupper() for _, line in open_ended)
    is_prose = len(open_ended) >= MIN_GOING_ON and full >= MIN_FULL * len(open_ended) and 2 * inside >= len(open_ended)
    return leading if is_prose else 0.0


def _ends(line: Line) -> bool:
    return line.text.rstrip().endswith(SENTENCE_ENDS)


def _is_full(above: Line, line: Line, column: Sequence[Line]) -> bool:
    """Whether the first word of a line has no room at the end of the line above."""
    return above.x1 + first_word(line) > max(other.x1 for other in column)


def _distance_above(columns: Sequence[Sequence[Line]], top: float) -> float:
    """The distance from a baseline to the next one above it in any column."""
    shift = MAX_SHIFT * columns[0][0].size
    return top - max((line.y1 for column in columns for line in column if line.y1 < top - shift), default=float("-inf"))


def _goes_on(columns: Sequence[Sequence[Line]], sentences: Sequence[Line], top: float, leading: float) -> bool:
    """Whether a sentence goes on from above on a baseline, where no cell begins below an empty place."""
    for column in columns:
        shift = MAX_SHIFT * column[0].size
        for above, line in pairwise([None, *column]):
            if line is None or abs(line.y1 - top) > shift:
                continue
            if above is None or line.y1 - above.y1 > CLOSE * leading:
                return False
            if column is sentences and (_ends(above) or not _is_full(above, line, column)):
                return False
    return any(abs(line.y1 - top) <= MAX_SHIFT * line.size for line in sentences)
