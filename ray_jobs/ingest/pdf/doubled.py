"""Removes text that is drawn twice at one place: imitated bold type, shadows, and a second layer of OCR."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from difflib import SequenceMatcher
from itertools import product
from operator import itemgetter
from typing import NamedTuple

from ingest.pdf.glyph_lines import Glyph, GlyphLine
from ingest.pdf.layout import Line

MIN_COVERED = 0.5
"""Share of a word's box that other words cover if both are at one place."""

MIN_SIMILAR = 0.6
"""Similarity from which on two texts at one place are readings of the same word (difflib's ratio)."""

MAX_DRIFT = 3.0
"""Largest distance, in font sizes, of a word from its double in a line most of whose words are doubled."""

MIN_LENGTH = 0.8
"""Length of a word's double relative to it: in a shorter one, letters are missing."""

MAX_SHIFT = 0.3
"""Largest distance, in font sizes, of a short word from its double."""

CAP_HEIGHT = 0.7
"""Height of a word's box above the baseline, in font sizes. The boxes of the glyphs depend on the font, and those of
neighbouring lines may overlap."""

MAX_COMPARED = 50
"""Number of lines at the same height that a line is compared with."""

_ROW, _COLUMN = 8.0, 64.0
"""Height and width in points of the cells that words are sorted into, so that only neighbours are compared."""

_TOP = itemgetter(1)


class _Word(NamedTuple):
    x0: float
    y0: float
    x1: float
    y1: float
    text: str
    line: int
    glyphs: list[Glyph]


_Cells = defaultdict[tuple[int, int], list[_Word]]


def has_doubled_lines(lines: Sequence[Line]) -> bool:
    """Whether a line is at the place of another one with a word of it; takes less than a microsecond per line."""
    ordered = sorted(lines, key=_TOP)
    for index, line in enumerate(ordered):
        x0, top, x1, bottom = line[:4]
        limit = top - 0.4 * (bottom - top)
        for before in range(index - 1, max(index - MAX_COMPARED, 0) - 1, -1):
            other = ordered[before]
            if other[1] < limit:
                break
            shared = min(x1, other[2]) - max(x0, other[0])
            if shared > 0 and shared > MIN_COVERED * min(x1 - x0, other[2] - other[0]):
                shorter, longer = sorted((line.text, other.text), key=len)
                if shorter == longer or any(len(word) > 1 and word in longer for word in shorter.split()):
                    return True
    return False


def remove_doubled(lines: Sequence[GlyphLine]) -> None:
    """Remove each word at whose place another line has the same word, and the misreadings of a second layer.

    Visible text is kept rather than invisible text, whole lines rather than those with covered text, and otherwise the
    text that comes first. In a line most of whose words are doubled, words at the places of other words are readings of
    them.
    """
    cells: _Cells = defaultdict(list)
    for number in sorted(range(len(lines)), key=lambda number: (not lines[number].visible, lines[number].changed)):
        line = lines[number]
        doubled, other, kept = [], [], []
        for word in [_word(line, number, glyphs) for glyphs in line.words()]:
            covering = _covering(word, cells)
            if not covering:
                kept.append(word)
            elif _same(word, covering, line.size):
                doubled.append(word)
            else:
                other.append(word)
        if 2 * len(doubled) > len(kept):  # in another font, a word may drift away from its double
            drifted = [word for word in kept if _near(word, cells, MAX_DRIFT * line.size)]
            doubled += drifted
            kept = [word for word in kept if word not in drifted]
        if len(other) > len(doubled):
            kept += other
            other = []
        if doubled:
            removed = {id(glyph) for word in (*doubled, *other) for glyph in word.glyphs}
            left = [glyph for glyph in line.glyphs if id(glyph) not in removed]
            line.glyphs = left if any(not glyph.text.isspace() for glyph in left) else []
            line.changed = True
        for word in kept:
            for cell in _cells_of(word):
                cells[cell].append(word)


def _word(line: GlyphLine, number: int, glyphs: list[Glyph]) -> _Word:
    y0, y1 = min(glyph.y0 for glyph in glyphs), max(glyph.y1 for glyph in glyphs)
    if line.horizontal:
        y0, y1 = glyphs[0].baseline - CAP_HEIGHT * max(glyph.size for glyph in glyphs), glyphs[0].baseline
    x0, x1 = min(glyph.x0 for glyph in glyphs), max(glyph.x1 for glyph in glyphs)
    return _Word(x0, y0, x1, y1, "".join([glyph.text for glyph in glyphs]), number, glyphs)


def _cells_of(word: _Word) -> Iterator[tuple[int, int]]:
    columns = range(int(word.x0 // _COLUMN), int(word.x1 // _COLUMN) + 1)
    return product(range(int(word.y0 // _ROW), int(word.y1 // _ROW) + 1), columns)


def _covering(word: _Word, cells: _Cells) -> list[_Word]:
    """The words of other lines at the place of a word, from left to right; none if they cover less than half of it."""
    area = (word.x1 - word.x0) * (word.y1 - word.y0)
    covered = 0.0
    found: dict[int, _Word] = {}
    for cell in _cells_of(word):
        for other in cells.get(cell, ()):
            width = min(word.x1, other.x1) - max(word.x0, other.x0)
            height = min(word.y1, other.y1) - max(word.y0, other.y0)
            if width <= 0 or height <= 0 or other.line == word.line or id(other) in found:
                continue
            if width * height > MIN_COVERED * min(area, (other.x1 - other.x0) * (other.y1 - other.y0)):
                covered += width * height
                found[id(other)] = other
    return sorted(found.values(), key=itemgetter(0)) if covered > MIN_COVERED * area else []


def _near(word: _Word, cells: _Cells, distance: float) -> bool:
    row = int((word.y0 + word.y1) / 2 // _ROW)
    columns = range(int((word.x0 - distance) // _COLUMN), int((word.x0 + distance) // _COLUMN) + 1)
    return any(
        other.text == word.text and other.line != word.line and abs(other.x0 - word.x0) < distance
        for column in columns
        for other in cells.get((row, column), ())
    )


def _same(word: _Word, covering: Sequence[_Word], size: float) -> bool:
    text = "".join([other.text for other in covering])
    if len(text) < MIN_LENGTH * len(word.text):
        return False
    if len(word.text) > 2:
        return word.text in text or SequenceMatcher(None, word.text, text, False).ratio() >= MIN_SIMILAR
    # An index may stand below an exponent: the same letters have to be at the same places.
    return all(
        any(
            glyph.text == drawn.text and max(abs(glyph.x0 - drawn.x0), abs(word.y1 - other.y1)) < MAX_SHIFT * size
            for other in covering
            for drawn in other.glyphs
        )
        for glyph in word.glyphs
    )
