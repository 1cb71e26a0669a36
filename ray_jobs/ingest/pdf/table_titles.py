"""Finds the columns of a table that the texts above it are the titles of: a title may have several lines, or columns.

Words are in the form of `page.get_text("words")`.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from itertools import groupby, pairwise
from typing import Any, NamedTuple

from ingest.pdf.geometry import Rule
from ingest.pdf.right_to_left import is_right_to_left

MIN_COLUMN_GAP = 0.6
"""Minimum width of the stripe between two columns, in font sizes."""

LINE_HEIGHT = 1.3
"""Height of the box of a word in font sizes."""

MIN_TITLE_GAP = 0.4
"""Minimum width of the gap between the titles of two columns, in font sizes."""

Word = tuple[Any, ...]


class Stripe(NamedTuple):
    """The horizontal extent of a column or of a text."""

    x0: float
    x1: float

    @property
    def middle(self) -> float:
        """The coordinate of its middle."""
        return (self.x0 + self.x1) / 2


def middle_of(word: Word) -> float:
    """The height of the middle of a word."""
    return float(word[1] + word[3]) / 2


def phrases_of(row: Sequence[Word], gap: float) -> Iterator[list[Word]]:
    """Divide a line at gaps."""
    phrase: list[Word] = []
    for word in row:
        if phrase and word[0] - phrase[-1][2] >= gap:
            yield phrase
            phrase = []
        phrase.append(word)
    if phrase:
        yield phrase


def borders_of(columns: Sequence[Stripe]) -> list[float]:
    """The middles of the gaps between columns."""
    return [(left.x1 + right.x0) / 2 for left, right in pairwise(columns)]


def titles_of(
    head: Sequence[Sequence[Word]], columns: Sequence[Stripe], rules: Sequence[Rule], size: float
) -> list[list[str]]:
    """Return the lines of the title of each column; one over several columns is in all of their titles.

    Args:
        head: the words of the lines above the columns.
        columns: the columns.
        rules: the rules between these lines: they show which columns a title belongs to.
        size: the font size.
    """
    titles: list[list[str]] = [[] for _ in columns]
    ends = [*(middle_of(row[0]) for row in head[1:]), float("inf")]
    for row, end in zip(head, ends, strict=True):
        under = [Stripe(rule.start, rule.stop) for rule in rules if middle_of(row[0]) < rule.at < end]
        gap = MIN_COLUMN_GAP * max(size, (row[0][3] - row[0][1]) / LINE_HEIGHT)
        phrases = [part for phrase in phrases_of(row, gap) for part in _parts(phrase, columns, size)]
        places = [Stripe(phrase[0][0], phrase[-1][2]) for phrase in phrases]
        found = [
            _within(rule, columns, size)
            if (rule := next((rule for rule in under if rule.x0 - size < place.middle < rule.x1 + size), None))
            else _below(place, [other for other in places if other != place], columns, size)
            for place in places
        ]
        if any(len(below) > 1 for below in found):  # one in the middle above some columns is over these, too
            wide = [_centred(place, [other for other in places if other != place], columns, size) for place in places]
            found = [
                longer if len(below) == 1 < len(longer) else below for below, longer in zip(found, wide, strict=True)
            ]
        for phrase, below in zip(phrases, found, strict=True):
            for index in below:
                titles[index].append(text_of(phrase))
    return titles


def _parts(phrase: Sequence[Word], columns: Sequence[Stripe], size: float) -> Sequence[Sequence[Word]]:
    """Divide words into the titles of several columns, if each of these is in line with its column."""
    borders = borders_of(columns)
    parts = [list(part) for _, part in groupby(phrase, key=lambda word: bisect_right(borders, (word[0] + word[2]) / 2))]
    own = [columns[bisect_right(borders, (part[0][0] + part[0][2]) / 2)] for part in parts]
    places = [Stripe(part[0][0], part[-1][2]) for part in parts]
    in_line = all(_is_in_line(place, column, size) for place, column in zip(places, own, strict=True)) and all(
        after.x0 - before.x1 >= MIN_TITLE_GAP * size for before, after in pairwise(places)
    )
    return parts if in_line else [phrase]


def _is_in_line(place: Stripe, column: Stripe, size: float) -> bool:
    edges = zip((*place, place.middle), (*column, column.middle), strict=True)
    return any(abs(edge - other) <= size for edge, other in edges)


def _within(rule: Stripe, columns: Sequence[Stripe], size: float) -> Sequence[int]:
    return [index for index, column in enumerate(columns) if rule.x0 - size < column.middle < rule.x1 + size]


def _below(place: Stripe, others: Sequence[Stripe], columns: Sequence[Stripe], size: float) -> Sequence[int]:
    """The columns below a title: the one that it is in line with, or those that it is in the middle of."""
    own = bisect_right(borders_of(columns), place.middle)
    borders = [float("-inf"), *borders_of(columns), float("inf")]
    within = borders[own] < place.x0 and place.x1 < borders[own + 1]
    if within and _is_in_line(place, columns[own], size):
        return [own]
    return _centred(place, others, columns, size) or [own]


def _centred(place: Stripe, others: Sequence[Stripe], columns: Sequence[Stripe], size: float) -> Sequence[int]:
    """The largest group of columns that a title is in the middle of, without the columns of other titles."""
    own = bisect_right(borders_of(columns), place.middle)
    groups = [
        range(first, last + 1)
        for first in range(1 if place.x0 > columns[0].x1 else 0, own + 1)
        for last in range(own, len(columns))
        if abs((columns[first].x0 + columns[last].x1) / 2 - place.middle) <= size
        and not any(columns[first].x0 < other.middle < columns[last].x1 for other in others)
    ]
    return max(groups, key=len, default=[])


def text_of(words: Sequence[Word]) -> str:
    """The text of words of a line, which are from left to right: those from right to left are in the line's order."""
    if is_right_to_left([word[4] for word in words]):
        words = sorted(words, key=lambda word: word[5:8])
    return " ".join([word[4] for word in words])
