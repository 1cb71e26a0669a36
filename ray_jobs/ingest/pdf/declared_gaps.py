"""Closes gaps that MuPDF sees in syllables whose text is declared (ISO 32000-1, 14.9.4).

Where a declared text has fewer characters than glyphs, MuPDF has none for the last glyphs: it takes their place for a
gap, and begins another line behind it. Typst, LibreOffice and LuaTeX declare texts of syllables of which a vowel is
drawn before its consonant.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import defaultdict
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from ingest.pdf.text_characters import Place, append_line, is_inferred, places_of, unlink
from ingest.pdf.unknown_letters import spans_of

if TYPE_CHECKING:
    from pymupdf import Page, TextPage

MIN_GAP, MAX_GAP = 0.05, 3.0
"""Size of such a gap in font sizes."""

MAX_UNCOVERED = 0.12
"""Largest part of such a gap that no glyph fills, in font sizes."""

_FIRST, _LAST = 0x900, 0x17FF
"""The first and the last character of the scripts of India and South East Asia."""


def close_gaps(page: Page, text: TextPage) -> None:
    """Close the gaps of declared syllables in the text page of a page, in place."""
    import pymupdf

    places = list(places_of(text))
    shown = [number for number, place in enumerate(places) if not is_inferred(place)]
    gaps = [(first, last) for first, last in pairwise(shown) if _is_gap(places[first], places[last])]
    if not gaps:
        return
    glyphs: defaultdict[int, list[tuple[float, float]]] = defaultdict(list)  # by their baseline
    flags = pymupdf.TEXT_PRESERVE_LIGATURES | pymupdf.mupdf.FZ_STEXT_IGNORE_ACTUALTEXT
    drawn = [
        (c["origin"], c["bbox"])
        for span in spans_of(page.get_text("rawdict", flags=flags))
        for c in span["chars"]
        if not c["synthetic"]
    ]
    # MuPDF's text has no widths of marks, and the trace those of a substitute for a font that is not embedded.
    drawn += [(origin, box) for span in page.get_texttrace() for _, _, origin, box in span["chars"]]
    for (_, y), (x0, _, x1, _) in drawn:
        if x1 > x0:
            insort(glyphs[round(y)], (x0, x1))
    for first, last in reversed(gaps):  # a line gets the one behind it
        before, after = places[first], places[last]
        one, other = before.character, after.character
        if _uncovered(glyphs, one.origin.y, one.quad.lr.x, other.quad.ll.x) > MAX_UNCOVERED * one.size:
            continue
        for place in places[first + 1 : last]:  # the spaces that MuPDF has inferred there
            unlink(place)
        one.quad.lr, one.quad.ur = other.quad.ll, other.quad.ul
        if before.line.next and before.line.next.this == after.line.this:
            append_line(before.line, after.line)


def _is_gap(before: Place, after: Place) -> bool:
    one, other = before.character, after.character
    return (
        _FIRST <= one.c <= _LAST
        and abs(other.origin.y - one.origin.y) < 0.5
        and one.quad.ll.y == one.quad.lr.y
        and MIN_GAP * one.size < other.quad.ll.x - one.quad.lr.x < MAX_GAP * one.size
        and (before.line.this == after.line.this or _follows(before.line, after.line))
    )


def _follows(line: Any, other: Any) -> bool:
    return bool(line.next and line.next.this == other.this)


def _uncovered(glyphs: dict[int, list[tuple[float, float]]], y: float, start: float, stop: float) -> float:
    """The length of the part of a gap on a baseline that glyphs do not fill."""
    on_baseline = glyphs.get(round(y), [])
    reach, length = start, 0.0
    for x0, x1 in on_baseline[max(bisect_left(on_baseline, (start, start)) - 8, 0) :]:
        if x0 >= stop:
            break
        length += max(x0 - reach, 0.0)
        reach = max(reach, x1)
    return length + max(stop - reach, 0.0)
