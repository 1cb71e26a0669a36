"""Returns combining marks to the lines that they are drawn in: MuPDF puts each behind what is drawn before it."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise, takewhile
from typing import TYPE_CHECKING

from ingest.pdf.draw_order import Character, DrawnPiece, is_mark

if TYPE_CHECKING:
    from pymupdf import Page

MAX_MARKS = 5
"""Number of marks and letters at the beginning of a line that are looked at."""

MAX_RISE, MAX_REACH = 1.0, 1.0
"""Largest distance, in font sizes, of a mark from the baseline of its letter, and from the letter to its left or right.
"""

_Glyph = tuple[str, float, float, float]
"""A character, its origin, and the right end of its box."""


def return_marks(page: Page, pieces: Sequence[DrawnPiece]) -> None:
    """Move each mark with which the drawing of another line begins to the letter that is drawn after it, in place.

    If MuPDF has lost that letter, which shares a declared text with the mark, it returns with the mark.
    """
    if not any(is_mark(piece.characters[-1].text) for piece in pieces if piece.characters):
        return
    drawn = [(chr(c[0]), *c[2], c[3][2]) for span in page.get_texttrace() for c in span["chars"]]
    starts = [index for index, (_, glyph) in enumerate(pairwise(drawn), 1) if is_mark(glyph[0])]
    for piece in pieces:
        marks = _trailing_marks(piece)
        before = piece.characters[-len(marks) - 1] if 0 < len(marks) < len(piece.characters) else None
        start = next((place for place in starts if before and _is_at(before, drawn[place - 1])), None)
        if before is None or start is None or not _is_far(drawn[start], before, piece.size):
            continue
        first, second = ([glyph for glyph in drawn[start : start + MAX_MARKS] if not is_mark(glyph[0])] + [None] * 2)[
            :2
        ]
        for letter, lost in ((first, None), (second, first)):
            place = _place_of(letter, pieces) if letter else None
            if place is not None and place[0] is not piece:
                other, index = place
                c = other.characters[index]
                moved = [mark._replace(x=c.x, x0=c.x, x1=c.x, y=c.y) for mark in marks]
                if lost is not None:
                    text, x, y, x1 = lost
                    moved = [*moved, c._replace(text=text, x=x, x0=x, x1=x1, y=y)]
                other.characters[index:index] = moved
                del piece.characters[-len(marks) :]
                break


def _trailing_marks(piece: DrawnPiece) -> list[Character]:
    marks = takewhile(lambda c: is_mark(c.text), reversed(piece.characters))
    return list(marks)[::-1]


def _place_of(letter: _Glyph, pieces: Sequence[DrawnPiece]) -> tuple[DrawnPiece, int] | None:
    return next(
        ((piece, index) for piece in pieces for index, c in enumerate(piece.characters) if _is_at(c, letter)), None
    )


def _is_at(c: Character, glyph: _Glyph) -> bool:
    return c.text == glyph[0] and abs(c.x - glyph[1]) < 0.5 and abs(c.y - glyph[2]) < 0.5


def _is_far(mark: _Glyph, letter: Character, size: float) -> bool:
    _, x, y, _ = mark
    beside = letter.x0 - MAX_REACH * size < x < letter.x1 + MAX_REACH * size
    return not beside or abs(y - letter.y) > MAX_RISE * size
