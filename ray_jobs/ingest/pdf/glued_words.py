"""Parts words that are set closer together than MuPDF expects, as in "thekeeperclimbsthetower"."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise

from ingest.pdf.glyph_lines import GlyphLine, with_spaces

MIN_GAP = 0.08
"""Smallest gap between two words, in font sizes; MuPDF takes 0.15."""

MAX_SPACING = 0.5
"""Largest gap between the letters of a word relative to the smallest gap between two words."""

MAX_SINGLE = 0.34
"""Share of single characters among the words of a line from which on it is a formula, whose variables stand apart."""

MAX_WIDE = 0.5
"""Share of the gaps of a line that may be those between words."""

MIN_EVEN = 0.95
"""Size of the smallest character of a line relative to the largest one if all are meant to have the same."""

_LETTER = "[A-Za-z\u00c0-\u024f\u0370-\u052f]"
_KOREAN = "[\uac00-\ud7a3]"
_CLAUSES = f"{_LETTER}{{3}}[,;]{_LETTER}{{3}}"
GLUED = re.compile(f"{_LETTER}{{20,}}|{_CLAUSES}|{_KOREAN}{{9,}}")
"""Matches letters that may be several words: only compounds of some languages are as long; and joined clauses."""

_LONG = re.compile(f"{_LETTER}{{14,}}|{_CLAUSES}|{_KOREAN}{{9,}}")
_SHORT = re.compile(f"{_LETTER}{{5,}}|{_KOREAN}{{3,}}")


def part_glued_words(lines: Sequence[GlyphLine]) -> None:
    """Put spaces into the wide gaps of lines, in place, where all others are much narrower.

    Where that parts a long word, words of other lines are parted, too.
    """
    horizontal = [line for line in lines if line.horizontal and line.visible and line.size > 0]
    if sum(_part(line) for line in horizontal if _LONG.search(line.text)):
        for line in horizontal:
            if _SHORT.search(line.text) and _is_even(line):
                _part(line)


def _is_even(line: GlyphLine) -> bool:
    """Whether the characters of a line have one size: those of a formula do not, and gaps in it mean something else."""
    return min(glyph.size for glyph in line.glyphs) > MIN_EVEN * line.size


def _part(line: GlyphLine) -> bool:
    """Part the words of a line, if it has wide gaps."""
    gaps = [
        (after.x0 - before.x1) / line.size
        for before, after in pairwise(line.glyphs)
        if not (before.text.isspace() or after.text.isspace())
    ]
    wide = [gap for gap in gaps if gap >= MIN_GAP]
    narrow = max([gap for gap in gaps if gap < MIN_GAP], default=0.0)
    if not wide or len(wide) > MAX_WIDE * len(gaps) or narrow > MAX_SPACING * min(wide):
        return False
    glyphs = with_spaces(line.glyphs, MIN_GAP * line.size)
    words = "".join([glyph.text for glyph in glyphs]).split()
    if sum(len(word) == 1 for word in words) >= MAX_SINGLE * len(words):
        return False
    line.glyphs, line.changed = glyphs, True
    return True
