"""Puts spaces between words of scripts for which MuPDF takes no gap for a space: Indic ones, and Vietnamese letters.

LaTeX draws no space characters. MuPDF infers them behind the letters of the first Unicode blocks alone.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING
from unicodedata import category

from ingest.pdf.glyph_lines import Glyph, GlyphLine

if TYPE_CHECKING:
    from pymupdf import Page

MIN_GAP = 0.15
"""Smallest gap between two words, in font sizes; MuPDF takes the same."""

MAX_SPACED = 0.5
"""Share of the letters of a line behind which there may be such a gap: more are letter-spaced."""

_LETTERS = (
    "\u0900-\u0dff\u10a0-\u10ff\u1200-\u139f\u13a0-\u167f\u1c80-\u1cff\u1e00-\u1fff\u2c00-\u2dff\u2de0-\u2dff\ua640-\ua69f"
    "\ua720-\ua7ff\ua8e0-\ua8ff\ufb00-\ufb06"
)
_LETTER = re.compile(f"[{_LETTERS}]")
_SPACE, _NO_SPACE = re.compile(f"[{_LETTERS}]\\s+\\S"), re.compile(f"[{_LETTERS}]\\S")


def has_missed_spaces(characters: str) -> bool:
    """Whether a page has letters of these scripts, and no space behind any of them, in lines that line breaks end."""
    return (
        not characters.isascii()
        and _NO_SPACE.search(characters) is not None
        and not any(_SPACE.search(line) for line in characters.split("\n"))
    )


def add_missed_spaces(page: Page, lines: Sequence[GlyphLine]) -> None:
    """Put a space into each gap behind such a letter, in place."""
    # MuPDF gives no width to a mark, although some fonts do.
    marks = {
        (round(x, 1), round(y, 1)): x1
        for span in page.get_texttrace()
        for code, _, (x, y), (_, _, x1, _) in span["chars"]
        if category(chr(code)) == "Mn"
    }
    for line in lines:
        if not (line.horizontal and line.visible and line.size > 0 and _LETTER.search(line.text)):
            continue
        spaced: list[Glyph] = []
        for glyph in line.glyphs:
            before = spaced[-1] if spaced else glyph
            end = before.x1
            if before.x0 == before.x1:
                end = max(end, marks.get((round(before.x0, 1), round(before.baseline, 1)), end))
            gap = glyph.x0 - end
            if _LETTER.match(before.text) and not glyph.text.isspace() and gap >= MIN_GAP * line.size:
                spaced.append(Glyph(" ", end, glyph.y0, glyph.x0, glyph.y1, glyph.baseline, glyph.size, True))
            spaced.append(glyph)
        added = len(spaced) - len(line.glyphs)
        if 0 < added <= MAX_SPACED * len(line.glyphs):
            line.glyphs, line.changed = spaced, True
