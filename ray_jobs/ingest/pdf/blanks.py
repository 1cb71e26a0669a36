"""Puts text that is written on the blanks of a form, which are rows of underscores, in their place."""

from __future__ import annotations

import re
from collections.abc import Sequence

from ingest.pdf.glyph_lines import Glyph, GlyphLine

MAX_RAISED, MAX_LOWERED = 0.5, 0.15
"""Largest distance of the text's baseline above and below that of the underscores, in font sizes."""

BLANK = re.compile("_{4,}")
"""Matches a blank."""


def fill_blanks(lines: Sequence[GlyphLine]) -> None:
    """Replace underscores by the text that is written on them, in place; the lines of that text become empty."""
    forms = [line for line in lines if line.horizontal and line.glyphs and BLANK.search(line.text)]
    for line in lines:
        if not (line.horizontal and line.visible and line.glyphs and "_" not in line.text):
            continue
        for form in forms:
            if _is_on(line.glyphs, form.glyphs, form.size):
                form.glyphs = _filled(form.glyphs, line.glyphs)
                form.changed = line.changed = True
                line.glyphs = []
                break


def _is_on(text: Sequence[Glyph], form: Sequence[Glyph], size: float) -> bool:
    """Whether a text has nothing but underscores of a form below it, and some."""
    raised = form[0].baseline - text[0].baseline
    if not -MAX_LOWERED * size <= raised <= MAX_RAISED * size:
        return False
    below = [glyph for glyph in form if _overlap(glyph, text) and not glyph.text.isspace()]
    return bool(below) and all(glyph.text == "_" for glyph in below)


def _overlap(glyph: Glyph, text: Sequence[Glyph]) -> bool:
    return min(glyph.x1, text[-1].x1) - max(glyph.x0, text[0].x0) > 0.1 * (glyph.x1 - glyph.x0)


def _filled(form: Sequence[Glyph], text: Sequence[Glyph]) -> list[Glyph]:
    """Put a text among the glyphs of a form, without the blank that it is on."""
    first = next(index for index, glyph in enumerate(form) if glyph.text == "_" and _overlap(glyph, text))
    start = stop = first
    while start > 0 and form[start - 1].text == "_":
        start -= 1
    while stop < len(form) and form[stop].text == "_":
        stop += 1
    before, after = list(form[:start]), list(form[stop:])
    space = Glyph(" ", text[0].x0, text[0].y0, text[0].x0, text[0].y1, form[0].baseline, text[0].size, True)
    if before and not before[-1].text.isspace():
        before.append(space)
    if after and not after[0].text.isspace():
        after.insert(0, space)
    return [*before, *text, *after]
