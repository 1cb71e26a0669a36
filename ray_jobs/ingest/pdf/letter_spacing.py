"""Closes words whose letters are set apart, as in "H A R B O U R"."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise
from statistics import median

from ingest.common.text import CJK
from ingest.pdf.glyph_lines import Glyph, GlyphLine

MIN_LETTERS = 4
"""Minimum number of letters that stand alone: three may be the names of columns or variables."""

WORD_GAP = 1.4
"""Gap between two words relative to that between two letters."""

SPACED = re.compile(rf" (?:[^\W\d_] +[^\W\d_] +[^\W\d_](?: |$)|[{CJK}](?: |$))|^[{CJK}] +[{CJK}]\s*$", re.M)
"""Matches letters that stand alone."""


def close_spaced_letters(lines: Sequence[GlyphLine]) -> None:
    """Close the words of spaced letters. Letters in the order of the alphabet are names, and stay apart."""
    for line in lines:
        if SPACED.search(line.text):
            words = list(line.words())
            start = 0
            while start < len(words):
                stop = start
                while stop < len(words) and len(words[stop]) == 1 and words[stop][0].text.isalnum():
                    stop += 1
                run = [word[0] for word in words[start:stop]]
                if _is_spaced(run, whole=len(run) == len(words)):
                    _close(line, run)
                start = max(stop, start + 1)


def _is_spaced(run: Sequence[Glyph], whole: bool) -> bool:
    letters = [glyph.text for glyph in run if glyph.text.isalpha()]
    chinese = whole and len(letters) > 1 and all(re.match(f"[{CJK}]", letter) for letter in letters)
    if not chinese and (len(letters) < MIN_LETTERS or 2 * len(letters) < len(run)):
        return False
    return chinese or letters != sorted(set(letters))


def _close(line: GlyphLine, run: Sequence[Glyph]) -> None:
    gaps = [after.x0 - before.x1 for before, after in pairwise(run)]
    limit = WORD_GAP * median(gaps)
    places = {id(glyph): index for index, glyph in enumerate(line.glyphs)}
    removed: set[int] = set()
    for (before, after), gap in zip(pairwise(run), gaps, strict=True):
        if gap <= limit:
            removed.update(range(places[id(before)] + 1, places[id(after)]))
    line.glyphs = [glyph for index, glyph in enumerate(line.glyphs) if index not in removed]
    line.changed = True
