"""Takes out the letters that MuPDF gives again where a text is declared for a syllable (ISO 32000-1, 14.9.4).

Typst, LibreOffice and Chromium declare the texts of syllables whose marks are drawn apart from their letters. MuPDF
gives such a text with the glyphs of the letters, and once more, without a width, with a glyph that moves back.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING
from unicodedata import category

from ingest.pdf.text_characters import Place, append_line, has_no_width, is_beside, is_inferred, places_of, unlink

if TYPE_CHECKING:
    from pymupdf import TextPage

_FIRST = 0x600
"""The first character of the scripts whose letters are joined to syllables."""

_LAM = "\u0644"
"""A letter that ligatures without a declared text double: that of "Allah"."""


def drop_repeated(text: TextPage) -> None:
    """Take such letters out of a text page, in place."""
    places = list(places_of(text))
    if not any(_is_second(one, other) for one, other in pairwise(places)):
        return
    shown = [place for place in places if not is_inferred(place)]
    dropped = {id(place) for place in _repeated(shown)}
    spaces: set[int] = set()
    for number, place in enumerate(places):
        if id(place) in dropped:
            spaces.update(id(other) for other in places[max(number - 1, 0) : number + 2] if is_inferred(other))
    for number in range(len(places) - 1, -1, -1):  # a character knows the one before it
        place = places[number]
        if id(place) in dropped or id(place) in spaces:
            before = places[number - 1] if number else None
            if place.before is None and before is not None and before.line.next and place.line.first_char.next is None:
                place = _joined(before, place)
            unlink(place)


def _joined(before: Place, place: Place) -> Place:
    """Put a line that is one character behind the last character of the line before it."""
    if before.line.next.this != place.line.this:
        return place
    append_line(before.line, place.line)
    return Place(before.line, before.character, place.character)


def _is_second(one: Place, other: Place) -> bool:
    return bool(other.character.c >= _FIRST and one.character.c >= _FIRST and has_no_width(other.character))


def _repeated(places: Sequence[Place]) -> Iterator[Place]:
    """Yield the letters without a width that repeat those before them."""
    kept: list[Place] = []
    number = 0
    while number < len(places):
        first = places[number]
        end = number + 1
        if first.character.c < _FIRST or not has_no_width(first.character):
            kept.append(first)
            number = end
            continue
        while end < len(places) and is_beside(first.character, places[end].character):
            end += 1
        run = [first]
        for place in places[number + 1 : end]:
            if place.character.c == run[-1].character.c:
                yield place
            else:
                run.append(place)
        text = _text(run)
        behind = places[end : end + len(run)]
        if (_text(kept[-len(run) :]) == text != _LAM and kept[-1].line.this == first.line.this) or (
            _text(behind) == text and all(category(c).startswith("M") for c in text)
        ):
            yield from run
        else:
            kept += run
        number = end


def _text(places: Sequence[Place]) -> str:
    return "".join([chr(place.character.c) for place in places])
