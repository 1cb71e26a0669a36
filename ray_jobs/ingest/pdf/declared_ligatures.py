"""Returns letters that MuPDF drops behind a ligature whose text is declared (ISO 32000-1, 14.9.4): `Schiff ahrt`.

Cairo and Chromium declare the letters of a ligature. MuPDF puts the last of them where the glyph ends, and takes the
same letter there for one that is drawn twice. In its place, MuPDF has a space.
"""

from __future__ import annotations

from collections import defaultdict
from itertools import pairwise
from math import hypot
from typing import TYPE_CHECKING, Any

from ingest.pdf.text_characters import has_no_width, places_of

if TYPE_CHECKING:
    from pymupdf import Page, TextPage

MAX_SHIFT = 0.1
"""Largest distance in font sizes from the end of the ligature to the glyph behind it for which MuPDF drops it."""


def return_letters(page: Page, text: TextPage) -> None:
    """Put such letters into the text page of a page, in place."""
    import pymupdf

    inferred = pymupdf.mupdf.FZ_STEXT_SYNTHETIC | pymupdf.mupdf.FZ_STEXT_SYNTHETIC_LARGE
    found: list[list[Any]] = []  # the last letters of a ligature, or of two, and the space behind them
    run: list[Any] = []
    for _, before, character in places_of(text):
        run = [] if before is None else run
        if run and character.flags & inferred:
            found.append([*run, character])
        run = [*run, character] if has_no_width(character) and chr(character.c).isalpha() else []
    if not found:
        return
    glyphs: defaultdict[int, list[tuple[float, float]]] = defaultdict(list)  # by their places from the left
    for span in page.get_texttrace():
        for letter, glyph, (x, y), _ in span["chars"]:
            if glyph >= 0 and letter != ord(" "):
                glyphs[round(x)].append((x, y))
    for characters in found:
        first, size = characters[0].origin, MAX_SHIFT * characters[0].size
        near = range(round(first.x - size), round(first.x + size) + 1)
        if any(hypot(x - first.x, y - first.y) < size for place in near for x, y in glyphs.get(place, ())):
            for before, character in reversed(list(pairwise(characters))):
                character.c = before.c
            characters[-1].flags &= ~inferred
