"""Takes out the consonants that MuPDF gives twice where a vowel drawn before them belongs to them.

Cairo and Chromium declare one text for such a vowel and its consonants, and another for the part of the vowel that is
drawn behind them. Where the glyphs end with the declared text, MuPDF counts the rest of it in bytes: it gives the text
at the place of the vowel, without a width, and then again with the glyphs.
"""

from __future__ import annotations

import re
from itertools import pairwise
from math import hypot
from typing import TYPE_CHECKING
from unicodedata import category

from ingest.pdf.text_characters import Place, append_line, has_no_width, is_beside, is_inferred, places_of, unlink

if TYPE_CHECKING:
    from pymupdf import TextPage

MIN_SHIFT, MAX_SHIFT = 0.05, 2.0
"""Distance in font sizes from such a text to its glyphs: the width of the vowel that is drawn between."""

# Consonants of the scripts of India, Sri Lanka, Burma and Cambodia, and what may stand between them.
_CONSONANT = re.compile(
    f"[{''.join(f'{chr(block + 0x15)}-{chr(block + 0x39)}' for block in range(0x900, 0xD80, 0x80))}"
    "\u0958-\u095f\u09dc-\u09df\u09f0\u09f1\u0a59-\u0a5e\u0b5c-\u0b5f\u0d9a-\u0dc6\u1000-\u1021\u1780-\u17a2]"
)
_JOINERS = "".join(f"{chr(block + 0x4D)}" for block in range(0x900, 0xD80, 0x80)) + "\u0dca\u1039\u17d2\u200c\u200d"
"""Viramas, and what may stand between one and a consonant."""


def drop_doubles(text: TextPage) -> None:
    """Take such consonants out of a text page, in place."""
    places = list(places_of(text))
    runs = []
    number = 0
    while number < len(places):
        end = number + 1
        first = places[number].character
        if _CONSONANT.match(chr(first.c)) and has_no_width(first):
            while end < len(places) and is_beside(first, places[end].character):
                end += 1
            runs.append((places[max(number - 1, 0)], places[number:end], places[end : 2 * end - number + 1]))
        number = end
    for last, run, following in reversed(runs):  # a line may get the one behind it
        _drop(last, run, following)
    places = list(places_of(text))
    for last, mark in reversed(list(pairwise(places))):
        if mark.before is None and category(chr(mark.character.c)) in ("Mc", "Mn"):
            _join(last, mark)


def _drop(last: Place, run: list[Place], following: list[Place]) -> None:
    """Take characters at one place out of their line as far as those that follow are the same.

    One behind a virama belongs to a conjunct, and the same letter may follow it.
    """
    gaps = 1 if following and is_inferred(following[0]) else 0
    glyphs = "".join([chr(place.character.c) for place in following[gaps:]])
    declared = "".join([chr(place.character.c) for place in run])
    before = f"{chr(last.character.c)}{declared}"
    count = max(
        (n for n in range(1, len(run) + 1) if glyphs.startswith(declared[-n:]) and before[-n - 1] not in _JOINERS),
        default=0,
    )
    if not count:
        return
    first, glyph = run[0].character, following[gaps].character
    shift = hypot(glyph.origin.x - first.origin.x, glyph.origin.y - first.origin.y)
    if MIN_SHIFT * first.size <= shift <= MAX_SHIFT * first.size:
        # The place of the vowel is part of the syllable.
        glyph.quad.ll, glyph.quad.ul = first.quad.ll, first.quad.ul
        glyph.origin = first.origin
        if run[-1].line.next and run[-1].line.next.this == following[0].line.this:
            append_line(run[-1].line, following[0].line)
        for place in reversed([*run[-count:], *following[:gaps]]):
            unlink(place)


def _join(last: Place, mark: Place) -> None:
    """Join two lines between a letter and its mark: MuPDF gives no width to the glyph of a conjunct between them."""
    one, other = last.character, mark.character
    gap = other.origin.x - one.quad.lr.x
    if (
        last.line.next
        and last.line.next.this == mark.line.this
        and not chr(one.c).isspace()
        and other.origin.y == one.origin.y
        and 0 <= gap <= MAX_SHIFT * one.size
    ):
        other.quad.ll, other.quad.ul = one.quad.lr, one.quad.ur
        append_line(last.line, mark.line)
