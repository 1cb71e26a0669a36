"""Parts words that are set closer together than MuPDF expects, as in "thekeeperclimbsthetower"."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise

from ingest.pdf.glyph_lines import Glyph, GlyphLine

MIN_GAP = 0.08
"""Smallest gap between two words, in font sizes; MuPDF takes 0.15."""

MAX_SPACING = 0.5
"""Largest gap between the letters of a word relative to the smallest gap between two words."""

MAX_SINGLE = 0.34
"""Share of single characters among the words of a line from which on it is a formula, whose variables stand apart."""

MAX_WIDE = 0.5
"""Share of the gaps of a line that may be those between words."""

GLUED = re.compile("[A-Za-z\u00c0-\u024f\u0370-\u052f]{20,}")
"""Matches letters that may be several words: only compounds of some languages are as long."""


_LONG = re.compile("[A-Za-z\u00c0-\u024f\u0370-\u052f]{14,}")


def part_glued_words(lines: Sequence[GlyphLine]) -> None:
    """Put spaces into the wide gaps of lines, in place, where all others are much narrower."""
    for line in lines:
        if not (line.horizontal and line.visible and line.size > 0 and _LONG.search(line.text)):
            continue
        gaps = [
            (after.x0 - before.x1) / line.size
            for before, after in pairwise(line.glyphs)
            if not (before.text.isspace() or after.text.isspace())
        ]
        wide = [gap for gap in gaps if gap >= MIN_GAP]
        narrow = max([gap for gap in gaps if gap < MIN_GAP], default=0.0)
        if wide and len(wide) <= MAX_WIDE * len(gaps) and narrow <= MAX_SPACING * min(wide):
            glyphs = _with_spaces(line.glyphs, MIN_GAP * line.size)
            words = "".join([glyph.text for glyph in glyphs]).split()
            if sum(len(word) == 1 for word in words) < MAX_SINGLE * len(words):
                line.glyphs, line.changed = glyphs, True


def _with_spaces(glyphs: Sequence[Glyph], gap: float) -> list[Glyph]:
    spaced: list[Glyph] = []
    for glyph in glyphs:
        before = spaced[-1] if spaced else glyph
        if not (before.text.isspace() or glyph.text.isspace()) and glyph.x0 - before.x1 >= gap:
            spaced.append(Glyph(" ", before.x1, glyph.y0, glyph.x0, glyph.y1, glyph.baseline, glyph.size, True))
        spaced.append(glyph)
    return spaced
