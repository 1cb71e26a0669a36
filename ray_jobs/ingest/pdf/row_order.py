"""Puts the glyphs of a line in order whose pieces are drawn in another order than they are read."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import pairwise

from ingest.pdf.draw_order import MAX_GAP
from ingest.pdf.glyph_lines import Glyph, GlyphLine, with_spaces
from ingest.pdf.layout import Line

MIN_WORD_GAP = 0.15
"""Smallest gap between two words, in font sizes."""

MAX_SHIFT = 0.1
"""Largest distance between the baselines of two pieces of a line, in font sizes."""

MAX_SIZES = 1.2
"""Largest font size of a piece relative to another one of its line: others are labels beside it."""

MAX_OVERLAP = 0.5
"""Share of the width of a glyph that another one may cover: more are not beside each other, but drawn twice."""

OTHER_SCRIPT = re.compile("[\u0590-\u1dff\u2e80-\ud7ff\uf900-\ufaff\ufb1d-\ufdff\ufe70-\ufefe\U00010800-\U0003ffff]")
"""Matches scripts from right to left, or without spaces, or with marks that are drawn apart from their letters."""


def goes_back(lines: Sequence[Line]) -> bool:
    """Whether a line begins to the left of the line before it at its height, and near to a line there."""
    row: list[Line] = []
    for before, after in pairwise(lines):
        if abs(after.y1 - before.y1) < 0.3 * before.size:
            row = [*(row or [before]), after]
        else:
            if row and _is_shuffled(row):
                return True
            row = []
    return bool(row) and _is_shuffled(row)


def _is_shuffled(row: Sequence[Line]) -> bool:
    """Whether pieces that are near to each other are drawn in another order; MuPDF joins the others."""
    if not any(after.x0 < before.x0 - 1 for before, after in pairwise(row)):
        return False
    size = max(line.size for line in row)
    ordered = sorted(row, key=lambda line: line.x0)
    return any(after.x0 - before.x1 <= MAX_GAP * size for before, after in pairwise(ordered))


def put_in_order(lines: Sequence[GlyphLine]) -> None:
    """Order the glyphs of pieces of one line from left to right, in place; other pieces of the line become empty."""
    for row in rows_of([line for line in lines if line.visible]):
        if not any(after.glyphs[0].x0 < before.glyphs[0].x0 for before, after in pairwise(row)):
            continue
        places = sorted(
            ((glyph, number) for number, line in enumerate(row) for glyph in line.glyphs if not glyph.synthetic),
            key=lambda place: (place[0].x0, place[0].x1),
        )
        if OTHER_SCRIPT.search("".join([line.text for line in row])) or _overlap([glyph for glyph, _ in places]):
            continue
        groups = list(_groups(places, row[0].size))
        if len(groups) > len(row) or all(len({number for _, number in group}) == 1 for group in groups):
            continue
        for line, group in zip(row, groups, strict=False):
            line.glyphs, line.changed = with_spaces([glyph for glyph, _ in group], MIN_WORD_GAP * line.size), True
        for line in row[len(groups) :]:
            line.glyphs, line.changed = [], True


def rows_of(lines: Sequence[GlyphLine]) -> Iterator[list[GlyphLine]]:
    """Yield the horizontal lines that follow each other and are on one baseline."""
    row: list[GlyphLine] = []
    for line in lines:
        if not (line.glyphs and line.horizontal):
            continue
        if row and not _on_one_line(row[0], line):
            yield row
            row = []
        row.append(line)
    if row:
        yield row


def _on_one_line(first: GlyphLine, second: GlyphLine) -> bool:
    shift = abs(second.glyphs[0].baseline - first.glyphs[0].baseline)
    smaller, larger = sorted((first.size, second.size))
    return shift <= MAX_SHIFT * first.size and larger <= MAX_SIZES * smaller


def _groups(places: Sequence[tuple[Glyph, int]], size: float) -> Iterator[list[tuple[Glyph, int]]]:
    """Divide glyphs at gaps that are too large for one line."""
    group: list[tuple[Glyph, int]] = []
    for place in places:
        if group and place[0].x0 - max(glyph.x1 for glyph, _ in group[-3:]) > MAX_GAP * size:
            yield group
            group = []
        group.append(place)
    if group:
        yield group


def in_order(lines: Sequence[GlyphLine]) -> list[Glyph]:
    """Return the glyphs of pieces of one line from left to right, with spaces in gaps; [] if some overlap."""
    glyphs = sorted(
        (glyph for line in lines for glyph in line.glyphs if not glyph.synthetic),
        key=lambda glyph: (glyph.x0, glyph.x1),
    )
    return [] if _overlap(glyphs) else with_spaces(glyphs, MIN_WORD_GAP * max(line.size for line in lines))


def _overlap(glyphs: Sequence[Glyph]) -> bool:
    shown = [glyph for glyph in glyphs if not glyph.text.isspace()]
    return any(
        before.x1 - after.x0 > MAX_OVERLAP * min(before.x1 - before.x0, after.x1 - after.x0) > 0
        for before, after in pairwise(shown)
    )
