"""Removes spaces that are drawn a second time behind the first letter of the next word, as in "s paces a re drawn"."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from ingest.pdf.glyph_lines import Glyph, GlyphLine

MIN_STRAY = 5
"""Number of single letters before words from which on spaces may stand behind first letters; variables are fewer."""

MIN_BACK = 0.1
"""Distance, in font sizes, by which a space is drawn left of the character before it."""

MAX_SHIFT = 0.05
"""Largest distance, in font sizes, of a space from its double."""

NEAR = 8
"""Number of characters before a space among which its double is."""

_STRAY = re.compile(r"(?:^|\s)[b-df-hj-np-tvwxz] [a-z]{2}", re.M)


def has_stray_spaces(text: str) -> bool:
    """Whether spaces of a page may be drawn twice."""
    return sum(1 for _ in _STRAY.finditer(text)) >= MIN_STRAY


def remove_stray_spaces(lines: Iterable[GlyphLine]) -> None:
    """Remove from lines, in place, each space that is drawn back at the place of another one.

    MuPDF ends lines at some of these spaces: they go on in the next line.
    """
    whole: GlyphLine | None = None
    for line in lines:
        if whole is not None and line.glyphs and _goes_on(whole, line.glyphs[0]):
            whole.glyphs, whole.changed = [*whole.glyphs, *line.glyphs], True
            line.glyphs, line.changed = [], True
        elif line.glyphs:
            _clean(whole)
            whole = line
    _clean(whole)


def _goes_on(line: GlyphLine, glyph: Glyph) -> bool:
    """Whether a line goes on with a glyph: a stray space, or what follows one."""
    before = line.glyphs[-NEAR - 1 :]
    if _is_stray(before, glyph, line.size):
        return True
    return (
        len(before) > 1
        and _is_stray(before[:-1], before[-1], line.size)
        and abs(before[-2].baseline - glyph.baseline) <= MAX_SHIFT * line.size
        and abs(before[-2].x1 - glyph.x0) <= MIN_BACK * line.size
    )


def _clean(line: GlyphLine | None) -> None:
    if line is not None:
        glyphs = line.glyphs
        kept = [
            glyph
            for index, glyph in enumerate(glyphs)
            if not _is_stray(glyphs[max(index - NEAR, 0) : index], glyph, line.size)
        ]
        if len(kept) < len(glyphs):
            line.glyphs, line.changed = kept, True


def _is_stray(before: Sequence[Glyph], glyph: Glyph, size: float) -> bool:
    return (
        glyph.text == " "
        and bool(before)
        and before[-1].text != " "
        and before[-1].x0 - glyph.x0 > MIN_BACK * size
        and abs(before[-1].baseline - glyph.baseline) <= MAX_SHIFT * size
        and any(other.text == " " and abs(other.x0 - glyph.x0) <= MAX_SHIFT * size for other in before)
    )
