"""Closes words whose letters are set apart, as in "H A R B O U R"."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import median
from typing import NamedTuple

from ingest.common.text import CJK
from ingest.pdf.glyph_lines import Glyph, GlyphLine
from ingest.pdf.row_order import OTHER_SCRIPT, rows_of

MIN_LETTERS = 4
"""Minimum number of letters that are set apart: three may be the names of columns or variables."""

MIN_GAP, MAX_GAP = 0.06, 2.0
"""Smallest gap between characters that do not touch, and largest one within a line, in font sizes."""

MIN_SPACING, MAX_SPACING = 0.1, 0.7
"""Range of the typical gap between the letters of a word, in font sizes."""

WORD_GAP, MIN_STEP = 1.4, 0.1
"""Gap between two words relative to those between two letters, and minimum difference between both in font sizes."""

MAX_WORD_GAP = 0.6
"""Largest gap between two words of a line, in font sizes, beside twice the gap between two letters."""

MAX_DIFFERENCE = 0.2
"""Largest relative difference between the spacing of a few letters and that of others on the page."""

_LETTER = r"[^\W\d_]"
SPACED = re.compile(
    # Three letters, two letters on a line, Chinese characters, a consonant in a line of capitals, and a comma.
    rf"(?: |^){_LETTER} +{_LETTER} +{_LETTER}(?: |$)|^{_LETTER} {_LETTER}$| [{CJK}](?: |$)|^[{CJK}] +[{CJK}]\s*$"
    rf"|^(?:[A-Z]+ ){{1,9}}[B-HJ-Z](?: [A-Z]+){{0,9}}$|^[B-HJ-Z](?: [A-Z]+){{1,9}}$|{_LETTER} ,(?: |$)",
    re.M,
)
"""Matches letters that stand alone."""

_CHINESE = re.compile(f"[{CJK}]")
_PUNCTUATION = frozenset(".,;:!?'\"()[]&/-\u2013\u2014\u2018\u2019\u201c\u201d")


class _Place(NamedTuple):
    """A character that is no space, its line in a row, and its position there."""

    glyph: Glyph
    line: int
    position: int


@dataclass(slots=True)
class _Run:
    """Characters of a row that do not touch each other.

    Attributes:
        row: the lines of the row.
        glyphs: the characters.
        spaces: for each gap between two of them, the spaces in it.
        whole: the characters are all of the row.
        gaps: the gaps between them, in font sizes.
        ends: for each gap, whether a word ends there.
    """

    row: Sequence[GlyphLine]
    glyphs: Sequence[Glyph]
    spaces: Sequence[Sequence[Glyph]]
    whole: bool
    gaps: list[float]
    ends: list[bool]

    @property
    def size(self) -> float:
        """The font size."""
        return self.row[0].size

    @property
    def spacing(self) -> float:
        """The typical gap between two letters of a word."""
        return median([gap for gap, is_end in zip(self.gaps, self.ends, strict=True) if not is_end] or self.gaps)


def close_spaced_letters(lines: Sequence[GlyphLine]) -> None:
    """Close the words of spaced letters. Letters in the order of the alphabet are names, and stay apart.

    A few letters are closed if they are set apart like others on the page.
    """
    closed: list[tuple[float, float]] = []
    others: list[_Run] = []
    for row in rows_of(lines):
        parts = [[line] for line in row] if any(OTHER_SCRIPT.search(line.text) for line in row) else [row]
        for run in [run for part in parts for run in _runs(part)]:
            if _is_spaced(run):
                closed.append((run.size, run.spacing))
                _close(run)
            else:
                others.append(run)
    for run in others:
        if any(_is_like(run, size, spacing) for size, spacing in closed):
            _close(run)


def _runs(row: Sequence[GlyphLine]) -> Iterator[_Run]:
    """Yield the runs of characters that do not touch, without the ends of the words before and after them."""
    solid = [
        _Place(glyph, number, index)
        for number, line in enumerate(row)
        for index, glyph in enumerate(line.glyphs)
        if not glyph.text.isspace()
    ]
    gaps = [(after.glyph.x0 - before.glyph.x1) / max(row[0].size, 1) for before, after in pairwise(solid)]
    start = 0
    for index, place in enumerate(solid):
        touches = any(gap < MIN_GAP for gap in gaps[max(index - 1, 0) : index + 1])
        if touches or not (place.glyph.text.isalnum() or place.glyph.text in _PUNCTUATION):
            yield from _run(row, solid, gaps, start, index)
            start = index + 1
        elif index and gaps[index - 1] > MAX_GAP:
            yield from _run(row, solid, gaps, start, index)
            start = index
    yield from _run(row, solid, gaps, start, len(solid))


def _run(
    row: Sequence[GlyphLine], solid: Sequence[_Place], gaps: Sequence[float], start: int, stop: int
) -> Iterator[_Run]:
    """Yield the run from one place to another, if these are several."""
    if stop - start > 1:
        places, of_run = solid[start:stop], list(gaps[start : stop - 1])
        spaces = [
            row[before.line].glyphs[before.position + 1 : after.position if after.line == before.line else None]
            for before, after in pairwise(places)
        ]
        drawn = [any(not glyph.synthetic for glyph in between) for between in spaces]
        limit = _largest_letter_gap(of_run)
        ends = drawn if any(drawn) and not all(drawn) else [gap > limit for gap in of_run]
        yield _Run(row, [place.glyph for place in places], spaces, len(places) == len(solid), of_run, ends)


def _largest_letter_gap(gaps: Sequence[float]) -> float:
    """The largest gap between two letters of a word: the gaps between words are larger by a step."""
    for narrow, wide in pairwise(sorted(gaps)):
        if wide >= WORD_GAP * narrow and wide - narrow >= MIN_STEP:
            return narrow
    return max(gaps)


def _is_spaced(run: _Run) -> bool:
    letters = [glyph.text for glyph in run.glyphs if glyph.text.isalpha()]
    if run.whole and len(letters) > 1 and all(map(_CHINESE.match, letters)):
        return True
    characters = sum(glyph.text.isalnum() for glyph in run.glyphs)
    if len(letters) < MIN_LETTERS or 2 * len(letters) < characters or letters == sorted(set(letters)):
        return False
    return MIN_SPACING <= run.spacing <= MAX_SPACING


def _is_like(run: _Run, size: float, spacing: float) -> bool:
    return (
        abs(run.size - size) <= MAX_DIFFERENCE
        and abs(run.spacing - spacing) <= MAX_DIFFERENCE * spacing
        and not any(glyph.text.isdigit() for glyph in run.glyphs)
    )


def _close(run: _Run) -> None:
    """Remove the spaces inside of the words of a run, and join the lines that the gaps between them divide."""
    for (before, after), between, gap, is_end in zip(pairwise(run.glyphs), run.spaces, run.gaps, run.ends, strict=True):
        line, next_line = _line_with(run, before), _line_with(run, after)
        if between and not is_end:
            inside = set(map(id, between))
            line.glyphs, line.changed = [glyph for glyph in line.glyphs if id(glyph) not in inside], True
        if line is not next_line and gap <= 2 * run.spacing + MAX_WORD_GAP:
            space = Glyph(" ", before.x1, before.y0, before.x1, before.y1, before.baseline, before.size, True)
            line.glyphs = [*line.glyphs, *([space] if is_end else []), *next_line.glyphs]
            next_line.glyphs = []
            line.changed = next_line.changed = True


def _line_with(run: _Run, glyph: Glyph) -> GlyphLine:
    return next(line for line in run.row if any(other is glyph for other in line.glyphs))
