"""Puts indices and exponents in their lines that are drawn after these, as in "H O" and "2" for "H2O"."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise

from ingest.pdf.glyph_lines import Glyph, GlyphLine
from ingest.pdf.layout import MAX_RAISED, RAISED, Line

MAX_LENGTH = 4
"""Maximum number of characters of an index: more are a label."""

MIN_SHIFT, MAX_SHIFT = 0.1, 0.55
"""Distance between the baselines of an index and of its line, in font sizes of the line."""

MAX_DISTANCE = 0.15
"""Largest distance between an index and the character before it, in font sizes of the line; a space is wider."""

MAX_COVERED = 0.3
"""Share of its width by which an index may overlap with the characters of its line."""

MAX_SIGNS = 100
"""Number of signs on a page for which a line is looked for among all lines before them."""

_SIGN = re.compile(r"[\u00ae\u00a9\u2120\u2122*\u2020\u2021\u00a7]{1,3}")


def has_late_indices(lines: Sequence[Line]) -> bool:
    """Whether a short line in small type is drawn after a line in whose height and width it begins, or is a sign."""
    return any(_SIGN.fullmatch(line.text.strip()) for line in lines) or any(
        after.size <= MAX_RAISED * before.size
        and len(after.text.strip()) <= MAX_LENGTH
        and before.x0 < after.x0 <= before.x1 + 1
        and min(before.y1, after.y1) - max(before.y0, after.y0) > 0.4 * (after.y1 - after.y0)
        for before, after in pairwise(lines)
    )


def put_indices(lines: Sequence[GlyphLine]) -> None:
    """Move indices into the last line before them that has a gap at their place; theirs become empty."""
    signs = 0
    for number, line in enumerate(lines):
        shown = [glyph for glyph in line.glyphs if not glyph.text.isspace()]
        if not (line.horizontal and line.visible and 0 < len(shown) <= MAX_LENGTH):
            continue
        # Some producers draw all signs of a page after its text.
        is_sign = signs < MAX_SIGNS and _SIGN.fullmatch(line.text.strip()) is not None
        signs += is_sign
        for base in reversed(lines[0 if is_sign else max(number - 2 * MAX_LENGTH, 0) : number]):
            if base.horizontal and base.visible and base.glyphs and line.size <= MAX_RAISED * base.size:
                filled = _with_index(base.glyphs, shown, base.size)
                if filled:
                    base.glyphs, line.glyphs = filled, []
                    base.changed = line.changed = True
                    break


def _with_index(glyphs: Sequence[Glyph], index: Sequence[Glyph], size: float) -> list[Glyph]:
    """Return the glyphs of a line with an index; [] if it is not beside a character of the line."""
    start, end = index[0].x0, index[-1].x1
    solid = [glyph for glyph in glyphs if not glyph.text.isspace()]
    before = [glyph for glyph in solid if glyph.x0 < start]
    if not before:
        return []
    raised = before[-1].baseline - index[0].baseline
    covered = sum(max(min(glyph.x1, end) - max(glyph.x0, start), 0) for glyph in solid)
    if (
        not MIN_SHIFT * size <= abs(raised) <= MAX_SHIFT * size
        or abs(start - before[-1].x1) > MAX_DISTANCE * size
        or covered > MAX_COVERED * (end - start)
        or not before[-1].text.isalnum()
    ):
        return []
    texts = [glyph.text.translate(RAISED) if raised > 0 else glyph.text for glyph in index]
    moved = [
        Glyph(text, glyph.x0, before[-1].y0, glyph.x1, before[-1].y1, before[-1].baseline, size, False)
        for glyph, text in zip(index, texts, strict=True)
    ]
    place = next(number for number, glyph in enumerate(glyphs) if glyph is before[-1]) + 1
    rest = list(glyphs[place:])
    following = next((glyph for glyph in rest if not glyph.text.isspace()), None)
    while rest and rest[0].synthetic and (following is None or following.x0 - end < MAX_DISTANCE * size):
        del rest[0]
    return [*glyphs[:place], *moved, *rest]
