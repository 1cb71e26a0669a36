"""Puts spaces behind letters for which MuPDF takes no gap for a space: Indic, Vietnamese and others, and ligatures.

LaTeX draws no space characters. MuPDF infers them behind the letters of the first Unicode blocks alone: `staﬀmember`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any
from unicodedata import category

from ingest.pdf.glyph_lines import Glyph, GlyphLine
from ingest.pdf.text_characters import text_lines
from ingest.pdf.unknown_letters import lines_of

if TYPE_CHECKING:
    from pymupdf import Page, TextPage

MIN_GAP = 0.15
"""Smallest gap between two words, in font sizes; MuPDF takes the same."""

MAX_SPACED = 0.5
"""Share of the letters of a line behind which there may be such a gap: more are letter-spaced."""

_SCRIPTS = (
    "\u0900-\u0dff\u10a0-\u10ff\u1200-\u139f\u13a0-\u167f\u1c80-\u1cff\u1e00-\u1fff\u2c00-\u2dff\u2de0-\u2dff\ua640-\ua69f"
    "\ua720-\ua7ff\ua8e0-\ua8ff"
)
_FIRST, _LAST = 0xFB00, 0xFB06
"""The first and the last of the ligatures of Latin letters."""
_LIGATURES = f"{chr(_FIRST)}-{chr(_LAST)}"
_LETTER, _LIGATURE = re.compile(f"[{_SCRIPTS}{_LIGATURES}]"), re.compile(f"[{_LIGATURES}]")
_SPACE, _NO_SPACE = re.compile(f"[{_SCRIPTS}]\\s+\\S"), re.compile(f"[{_SCRIPTS}]\\S")


def has_missed_spaces(characters: str, text: TextPage, content: dict[str, Any]) -> bool:
    """Whether a page has no space behind any letter of such a script, or a gap behind a ligature.

    Args:
        characters: of the page, in lines that line breaks end.
        text: the text page.
        content: the result of its `get_text("dict")`.
    """
    if characters.isascii():
        return False
    if _NO_SPACE.search(characters) and not any(_SPACE.search(line) for line in characters.split("\n")):
        return True
    return _LIGATURE.search(characters) is not None and _has_gap_behind_ligature(text, content)


def _has_gap_behind_ligature(text: TextPage, content: dict[str, Any]) -> bool:
    """Look at MuPDF's own lines, and only at those with ligatures: all glyphs of a page would take as long as it."""
    lines, shown = list(text_lines(text)), list(lines_of(content))
    if len(lines) != len(shown):
        return True
    for line, of_content in zip(lines, shown, strict=True):
        if not any(_LIGATURE.search(span["text"]) for span in of_content["spans"]):
            continue
        character = line.first_char
        while character:
            following = character.next
            if (
                _FIRST <= character.c <= _LAST
                and following
                and not chr(following.c).isspace()
                and following.origin.x - character.quad.lr.x >= MIN_GAP * character.size
            ):
                return True
            character = following
    return False


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
