"""The characters of MuPDF's text page, and their lines: finds them, takes them out, and joins lines, in place."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from pymupdf import TextPage


class Place(NamedTuple):
    """A character of a text page, its line, and the character before it in the line; all are MuPDF's structures."""

    line: Any
    before: Any
    character: Any


def text_lines(text: TextPage) -> Iterator[Any]:
    """Yield MuPDF's lines of a text page."""
    import pymupdf

    for block in text.this:
        if block.m_internal.type == pymupdf.mupdf.FZ_STEXT_BLOCK_TEXT:
            for line in block:
                yield line.m_internal


def places_of(text: TextPage) -> Iterator[Place]:
    """Yield the characters of a text page."""
    for line in text_lines(text):
        before, character = None, line.first_char
        while character:
            yield Place(line, before, character)
            before, character = character, character.next


def has_no_width(character: Any) -> bool:
    """Whether a character has no place of its own."""
    return bool(character.quad.ll.x == character.quad.lr.x and character.quad.ll.y == character.quad.lr.y)


def is_beside(first: Any, other: Any) -> bool:
    """Whether a character without a width is at the place of another."""
    same = other.origin.x == first.origin.x and other.origin.y == first.origin.y
    return same and has_no_width(other)


def is_inferred(place: Place) -> bool:
    """Whether MuPDF has inferred a character, a space, from a gap."""
    import pymupdf

    return bool(place.character.flags & pymupdf.mupdf.FZ_STEXT_SYNTHETIC)


def append_line(line: Any, other: Any) -> None:
    """Give a line the characters of the next one, which a wide vowel has parted from it."""
    line.last_char.next, line.last_char = other.first_char, other.last_char
    for corner in ("x0", "y0", "x1", "y1"):
        choose = min if corner.endswith("0") else max
        setattr(line.bbox, corner, choose(getattr(line.bbox, corner), getattr(other.bbox, corner)))
    line.next = other.next


def unlink(place: Place) -> None:
    """Take a character out of its line."""
    line, before, character = place
    following = character.next
    if before is not None:
        before.next = following
        if following is None:
            line.last_char = before
    elif following is not None:
        line.first_char = following
    else:  # MuPDF has no lines without characters
        character.c = ord(" ")
