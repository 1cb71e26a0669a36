"""Joins accents that a font draws beside or over their letters, as LaTeX does with the fonts that it began with."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

from ingest.pdf.glyph_lines import Glyph, GlyphLine

MIN_OVERLAP = 0.5
"""Share of the accent's width (or of the letter's, if that is less) that is over or below its letter."""

MIN_GAP = 0.15
"""Gap, in font sizes, from which on a space that MuPDF inferred beside an accent is one."""

_MARKS = {
    "`": "\u0300", "´": "\u0301", "^": "\u0302", "ˆ": "\u0302", "~": "\u0303", "˜": "\u0303", "¯": "\u0304",
    "ˉ": "\u0304", "˘": "\u0306", "˙": "\u0307", "¨": "\u0308", "˚": "\u030a", "˝": "\u030b",
    "ˇ": "\u030c", "¸": "\u0327", "˛": "\u0328",
}  # fmt: skip
_MARKS |= {chr(code): chr(code) for code in (*range(0x300, 0x305), *range(0x306, 0x309), *range(0x30A, 0x30D))}
_MARKS |= {"\u0327": "\u0327", "\u0328": "\u0328"}
ACCENTS = re.compile("[" + re.escape("".join(_MARKS)) + "]")

# Characters with other meanings: they are accents only where they overlap with a letter.
_AMBIGUOUS = frozenset("`^~¯ˉ´")
_DOTLESS = {"ı": "i", "ȷ": "j"}


def join_accents(lines: Sequence[GlyphLine]) -> None:
    """Join each accent with the letter that it overlaps or, if it overlaps none, with the one that it stands beside.

    Whether accents stand before or after their letters is told from those that fit only one of their neighbours.
    """
    votes = 0
    for line in lines:
        for index, glyph in enumerate(line.glyphs):
            if glyph.text in _MARKS:
                before, after = _neighbours(line.glyphs, index)
                fits_before, fits_after = _composed(before, glyph) != "", _composed(after, glyph) != ""
                votes += fits_after - fits_before
    for line in lines:
        if ACCENTS.search(line.text):
            _join(line, first_after=votes >= 0)


def _join(line: GlyphLine, first_after: bool) -> None:
    glyphs = line.glyphs
    index = 0
    while index < len(glyphs):
        accent = glyphs[index]
        if accent.text in _MARKS:
            before, after = _neighbours(glyphs, index)
            letter = _letter_of(accent, before, after, first_after)
            if letter is not None:
                letter.text = _composed(letter, accent)
                del glyphs[index]
                line.changed = True
                index = _close_gap(glyphs, index, line.size)
                continue
        index += 1


def _letter_of(accent: Glyph, before: Glyph | None, after: Glyph | None, first_after: bool) -> Glyph | None:
    if before is not None and before.text == "/":  # the tilde of a home folder
        return None
    fitting = [
        letter
        for letter in ((after, before) if first_after else (before, after))
        if letter is not None and _composed(letter, accent)
    ]
    over = [letter for letter in fitting if _overlap(accent, letter) >= MIN_OVERLAP]
    if over:
        return max(over, key=lambda letter: _overlap(accent, letter))
    if accent.text in _AMBIGUOUS:
        return None
    # A combining mark follows its letter, unless there is none.
    if unicodedata.combining(accent.text) and before is not None and before.text.isalpha():
        return None
    return next((letter for letter in fitting if _gap(accent, letter) < MIN_GAP * (letter.y1 - letter.y0)), None)


def _neighbours(glyphs: Sequence[Glyph], index: int) -> tuple[Glyph | None, Glyph | None]:
    """The characters before and after an accent, except the spaces that MuPDF inferred."""
    before = next((glyph for glyph in reversed(glyphs[max(index - 2, 0) : index]) if not glyph.synthetic), None)
    after = next((glyph for glyph in glyphs[index + 1 : index + 3] if not glyph.synthetic), None)
    return before, after


def _composed(letter: Glyph | None, accent: Glyph) -> str:
    """The letter with its accent; "" if there is no such letter."""
    if letter is None or not letter.text.isalpha():
        return ""
    mark = _MARKS[accent.text]
    base = _DOTLESS.get(letter.text, letter.text)
    composed = unicodedata.normalize("NFC", base + mark)
    return composed if len(composed) == 1 else ""


def _overlap(accent: Glyph, letter: Glyph) -> float:
    width = min(accent.x1 - accent.x0, letter.x1 - letter.x0)
    return (min(accent.x1, letter.x1) - max(accent.x0, letter.x0)) / width if width > 0 else 0.0


def _gap(accent: Glyph, letter: Glyph) -> float:
    return max(letter.x0 - accent.x1, accent.x0 - letter.x1)


def _close_gap(glyphs: list[Glyph], index: int, size: float) -> int:
    """Remove the inferred spaces where an accent was if the letters around are close; returns the next index."""
    start, stop = index, index
    while start > 0 and glyphs[start - 1].synthetic:
        start -= 1
    while stop < len(glyphs) and glyphs[stop].synthetic:
        stop += 1
    if start < stop and start > 0 and stop < len(glyphs) and glyphs[stop].x0 - glyphs[start - 1].x1 < MIN_GAP * size:
        del glyphs[start:stop]
        return start
    return index
