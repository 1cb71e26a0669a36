"""Puts indices and exponents in their lines that are drawn after these, as in "H O" and "2" for "H2O"."""

from __future__ import annotations

import unicodedata
from collections import defaultdict
from collections.abc import Sequence
from itertools import groupby, takewhile
from typing import Any

from ingest.pdf.draw_order import MAX_GAP
from ingest.pdf.geometry import Box
from ingest.pdf.glyph_lines import Glyph, GlyphLine
from ingest.pdf.layout import MAX_RAISED, RAISED

MAX_LENGTH, MAX_LETTERS, MAX_COUNT = 6, 4, 8
"""Maximum number of characters of an index, the same if all are letters, and maximum number of indices that are drawn
without a break: more are a label."""

MIN_SHIFT, MAX_SHIFT = 0.1, 0.55
"""Distance between the baselines of an index and of its line, in font sizes of the line."""

MAX_DISTANCE = 0.15
"""Largest distance between an index and the character that it belongs to, in font sizes of the line; a space is wider.
"""

MAX_COVERED = 0.3
"""Share of its width by which an index may overlap with the characters of its line."""

STRIPE = 12.0
"""Height in points of the stripes of a page in which the line of an index is looked for."""

_NEVER_BEFORE = frozenset(("Ps", "Pi", "Pd"))
"""Categories of the characters that no index belongs to: brackets that open, and dashes; nor does one to a slash."""


def has_late_indices(content: dict[str, Any]) -> bool:
    """Whether a line begins with few letters in small type, in the height and width of a line that is drawn before it.

    Args:
        content: the result of `page.get_text("dict")`.
    """
    boxes: list[Box] = []
    first: list[float] = []  # sizes of the first letters
    sizes: list[float] = []
    short: list[int] = []
    for block in content["blocks"]:
        for line in block.get("lines", ()):
            spans = line["spans"]
            if len(spans[0]["text"]) <= MAX_LENGTH + 1:
                short.append(len(boxes))
            boxes.append(line["bbox"])
            first.append(spans[0]["size"])
            sizes.append(first[-1] if len(spans) == 1 else max([span["size"] for span in spans]))
    if not short:
        return False
    large = max(sizes)
    small = [place for place in short if first[place] <= MAX_RAISED * large]
    if not small:
        return False
    # Most short lines are smaller than the headings of their page alone.
    smallest = min([first[place] for place in small])
    stripes: defaultdict[int, list[int]] = defaultdict(list)
    for number, size in enumerate(sizes):
        if smallest <= MAX_RAISED * size:
            for stripe in range(int(boxes[number][1] / STRIPE), int(boxes[number][3] / STRIPE) + 1):
                stripes[stripe].append(number)
    return any(
        number < place
        and first[place] <= MAX_RAISED * sizes[number]
        and _begins_in(boxes[place], sizes[place], boxes[number], sizes[number])
        for place in small
        for number in stripes.get(int((boxes[place][1] + boxes[place][3]) / 2 / STRIPE), ())
    )


def _begins_in(box: Box, size: float, base: Box, base_size: float) -> bool:
    """Whether a line begins in the height and width of another, or right before it."""
    before = MAX_DISTANCE * base_size + (box[2] - box[0] if size <= MAX_RAISED * base_size else 0)
    return base[0] - before < box[0] <= base[2] + MAX_DISTANCE * base_size and (
        min(base[3], box[3]) - max(base[1], box[1]) > 0.4 * (box[3] - box[1])
    )


def put_indices(lines: Sequence[GlyphLine]) -> None:
    """Move indices into the last line before them that has a gap at their place, and what is drawn after them there."""
    candidates = {number: groups for number, line in enumerate(lines) if (groups := _leading_groups(line))}
    if not candidates:
        return
    stripes: defaultdict[int, list[int]] = defaultdict(list)
    for number, line in enumerate(lines):
        if line.horizontal and line.visible and line.glyphs:
            baseline, reach = _baseline(line), MAX_SHIFT * line.size
            for stripe in range(int((baseline - reach) / STRIPE), int((baseline + reach) / STRIPE) + 1):
                stripes[stripe].append(number)
    below: set[int] = set()
    for number, groups in candidates.items():
        line = lines[number]
        for group in groups:
            for other in reversed(stripes[int(group[0].baseline / STRIPE)]):
                base = lines[other]
                if other < number and base.glyphs and (filled := _with_index(base, group, below)):
                    taken = set(map(id, group))
                    base.glyphs = filled
                    line.glyphs = _stripped([glyph for glyph in line.glyphs if id(glyph) not in taken])
                    base.changed = line.changed = True
                    beside = [lines[place] for place in stripes[int(_baseline(base) / STRIPE)] if place > other]
                    _continue(base, [line, *beside])
                    _join_blocks(lines, other, number)
                    break


def _leading_groups(line: GlyphLine) -> list[list[Glyph]]:
    """Return what may be indices at the beginning of a line: groups of few characters in small type."""
    if not (line.horizontal and line.visible and line.glyphs):
        return []
    first = line.glyphs[0]
    run = list(takewhile(lambda glyph: glyph.text.isspace() or glyph.size == first.size, line.glyphs))
    if len(run) > MAX_COUNT * (MAX_LENGTH + 1) or (len(run) < len(line.glyphs) and first.size > MAX_RAISED * line.size):
        return []
    groups = [list(group) for space, group in groupby(run, key=lambda glyph: glyph.text.isspace()) if not space]
    return groups if len(groups) <= MAX_COUNT and all(map(_is_short, groups)) else []


def _is_short(group: Sequence[Glyph]) -> bool:
    return len(group) <= (MAX_LETTERS if all(glyph.text.isalpha() for glyph in group) else MAX_LENGTH)


def _baseline(line: GlyphLine) -> float:
    return max(line.glyphs, key=lambda glyph: glyph.size).baseline


def _with_index(base: GlyphLine, index: Sequence[Glyph], below: set[int]) -> list[Glyph]:
    """Return the glyphs of a line with an index; [] if it is not beside a character of the line.

    Args:
        base: the line.
        index: the index.
        below: those glyphs of indices put before that are below the line; these get added.
    """
    size, baseline = base.size, _baseline(base)
    start, end = index[0].x0, index[-1].x1
    raised = baseline - index[0].baseline
    if index[0].size > MAX_RAISED * size or not MIN_SHIFT * size <= abs(raised) <= MAX_SHIFT * size:
        return []
    solid = [glyph for glyph in base.glyphs if not glyph.text.isspace()]
    # An index and an exponent of one letter are above each other.
    aside = {
        id(glyph)
        for glyph in solid
        if glyph.size <= MAX_RAISED * size
        and glyph.x1 > start + MAX_DISTANCE * size
        and (id(glyph) not in below and glyph.baseline < baseline + 0.01) == (raised < 0)
    }
    others = [glyph for glyph in solid if id(glyph) not in aside]
    if sum(max(min(glyph.x1, end) - max(glyph.x0, start), 0) for glyph in others) > MAX_COVERED * (end - start):
        return []
    before = [glyph for glyph in others if glyph.x0 < start]
    if before and abs(start - before[-1].x1) <= MAX_DISTANCE * size and _may_have_index(before[-1].text):
        place = _place(base.glyphs, before[-1]) + 1
        while place < len(base.glyphs) and id(base.glyphs[place]) in aside:
            place += 1
    else:
        following = next((glyph for glyph in others if glyph.x0 >= start), None)
        if following is None or abs(following.x0 - end) > MAX_DISTANCE * size or not following.text.isalnum():
            return []
        place = _place(base.glyphs, following)
    moved = [
        Glyph(
            glyph.text.translate(RAISED) if raised > 0 else glyph.text,
            *(glyph.x0, solid[0].y0, glyph.x1, solid[0].y1, baseline, glyph.size, False),
        )
        for glyph in index
    ]
    if raised < 0:
        below.update(map(id, moved))
    rest = base.glyphs[place:]
    following = next((glyph for glyph in rest if not glyph.text.isspace()), None)
    while (
        rest
        and rest[0].text.isspace()
        and (
            (rest[0].synthetic and (following is None or following.x0 - end < MAX_DISTANCE * size))
            or (rest[0].x1 <= end + MAX_DISTANCE * size / 2)
        )
    ):
        del rest[0]
    return [*base.glyphs[:place], *moved, *rest]


def _place(glyphs: Sequence[Glyph], sought: Glyph) -> int:
    return next(number for number, glyph in enumerate(glyphs) if glyph is sought)


def _may_have_index(character: str) -> bool:
    return character != "/" and unicodedata.category(character[0]) not in _NEVER_BEFORE


def _continue(base: GlyphLine, lines: Sequence[GlyphLine]) -> None:
    """Append the line that goes on where a line ends since it got its index: a gap of some width ends a line."""
    end, size, baseline = base.glyphs[-1].x1, base.size, _baseline(base)
    for number, line in enumerate(lines):
        if line is base or not line.glyphs or line.glyphs[0].text.isspace():
            continue
        gap = line.glyphs[0].x0 - end
        if (
            abs(gap) <= (MAX_GAP if number == 0 else MAX_DISTANCE) * size
            and abs(line.glyphs[0].baseline - baseline) <= MIN_SHIFT * size
            and line.glyphs[0].size > MAX_RAISED * size
        ):
            space = [Glyph(" ", end, base.glyphs[-1].y0, end + gap, base.glyphs[-1].y1, baseline, size, True)]
            base.glyphs = [*base.glyphs, *(space if gap > MAX_DISTANCE * size else []), *line.glyphs]
            for glyph in line.glyphs:  # MuPDF compares its baselines with that of the index
                if glyph.size <= MAX_RAISED * size and MIN_SHIFT * size <= baseline - glyph.baseline:
                    glyph.text = glyph.text.translate(RAISED)
            line.glyphs, line.changed = [], True
            return


def _join_blocks(lines: Sequence[GlyphLine], base: int, index: int) -> None:
    """Let the lines behind an index follow the line that it was put in: an index begins a block in the middle of one.

    Args:
        lines: the lines of a page.
        base: the number of the line with the index.
        index: the number of the line that began with it.
    """
    block = lines[index].block
    if block != lines[base].block and not any(line.glyphs for line in lines[base + 1 : index + 1]):
        for line in lines[base + 1 :]:
            if line.block > block:
                break
            line.block = lines[base].block


def _stripped(glyphs: Sequence[Glyph]) -> list[Glyph]:
    """Leave out spaces at the beginning."""
    shown = next((number for number, glyph in enumerate(glyphs) if not glyph.text.isspace()), len(glyphs))
    return list(glyphs[shown:])
