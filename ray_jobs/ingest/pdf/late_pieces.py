"""Puts pieces into their lines that are drawn in a later pass, such as all bold words of a page, or all its digits."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from itertools import chain

from ingest.pdf.glyph_lines import GlyphLine
from ingest.pdf.layout import Line
from ingest.pdf.right_to_left import RIGHT_TO_LEFT
from ingest.pdf.row_order import in_order

MAX_DISTANCE = 0.4
"""Largest distance between a piece and its neighbours at both sides, in font sizes; columns are further apart."""

MAX_SHIFT = 0.15
"""Largest distance between the baselines of a piece and of its line, in font sizes."""

MAX_SIZES = 1.2
"""Largest ratio of the font sizes of two pieces of a line."""

MIN_CHARACTERS = 2
"""Minimum number of characters of pieces on the average: single ones beside each other are lines from top to bottom."""

ROW = 4.0
"""Height in points of the stripes of a page in which neighbours are looked for."""


def has_late_pieces(lines: Sequence[Line]) -> bool:
    """Whether a line is drawn between two that came before it, but not right before it."""
    rows: dict[int, list[tuple[int, Line]]] = {}
    for number, line in enumerate(lines):
        stripe = int(line.y1 / ROW)
        earlier = [other for key in (stripe - 1, stripe, stripe + 1) for other in rows.get(key, ())]
        if earlier and max(position for position, _ in earlier) < number - 1:
            beside = [other for _, other in earlier if abs(other.y1 - line.y1) < MAX_DISTANCE * line.size]
            near = MAX_DISTANCE * line.size
            if any(abs(line.x0 - other.x1) <= near for other in beside) and any(
                abs(other.x0 - line.x1) <= near for other in beside
            ):
                return True
        rows.setdefault(stripe, []).append((number, line))
    return False


def put_late_pieces(lines: Sequence[GlyphLine]) -> None:
    """Join the pieces of each line that are drawn in several passes, in place of the first; the others become empty."""
    stripes: defaultdict[int, list[int]] = defaultdict(list)
    for number, line in enumerate(lines):
        if _is_piece(line):
            stripes[int(line.glyphs[0].baseline / ROW)].append(number)
    joined: set[int] = set()
    for number in sorted(chain.from_iterable(list(stripes.values()))):
        if number in joined:
            continue
        line = lines[number]
        stripe = int(line.glyphs[0].baseline / ROW)
        around = (other for key in (stripe - 1, stripe, stripe + 1) for other in stripes[key])
        row = [
            other for other in around if other >= number and other not in joined and _on_one_line(line, lines[other])
        ]
        for pieces in _beside_each_other(row, lines):
            first = min(pieces)
            if pieces == list(range(first, first + len(pieces))):  # drawn as they are read
                continue
            glyphs = in_order([lines[piece] for piece in pieces])
            if glyphs and len(glyphs) >= MIN_CHARACTERS * len(pieces):
                joined.update(pieces)
                for piece in pieces:
                    lines[piece].glyphs, lines[piece].changed = [], True
                lines[first].glyphs = glyphs


def _is_piece(line: GlyphLine) -> bool:
    return bool(line.glyphs) and line.horizontal and line.visible and not RIGHT_TO_LEFT.search(line.text)


def _beside_each_other(row: Sequence[int], lines: Sequence[GlyphLine]) -> Iterator[list[int]]:
    """Yield the pieces of a row that are near to each other, from left to right."""
    near: list[int] = []
    end = 0.0
    for piece in sorted(row, key=lambda piece: lines[piece].glyphs[0].x0):
        glyphs = lines[piece].glyphs
        if near and glyphs[0].x0 - end > MAX_DISTANCE * lines[piece].size:
            yield near
            near = []
        end = max(end, glyphs[-1].x1) if near else glyphs[-1].x1
        near.append(piece)
    if near:
        yield near


def _on_one_line(one: GlyphLine, other: GlyphLine) -> bool:
    smaller, larger = sorted((one.size, other.size))
    shift = abs(one.glyphs[0].baseline - other.glyphs[0].baseline)
    return shift <= MAX_SHIFT * larger and larger <= MAX_SIZES * smaller
