"""How the file of a page writes right-to-left text: MuPDF's characters alone do not tell."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import NamedTuple

from ingest.pdf.draw_order import Character, direction_of, is_mark

EPSILON = 0.001
"""Points below which a width is zero and two positions are equal."""

MIN_SPACE_RATIO = 0.05
"""Ratio of spaces to other characters on a page above which the file contains its spaces and none are inferred."""

LAM_ALEF = frozenset(("\u0644\u0622", "\u0644\u0623", "\u0644\u0625", "\u0644\u0627"))
"""Letter pairs that every Arabic font shows as one glyph: lam followed by one of the four alefs."""

PARTNERS = dict(zip("()[]{}", ")(][}{", strict=True))
"""For each bracket, the other one of its pair."""


class PageConventions(NamedTuple):
    """How the file of a page writes text.

    Attributes:
        has_spaces: there are space characters between words.
        right_to_left: most of the page is read from right to left.
        marks_first: combining marks are drawn before their letters.
        alefs_first: the alef of a ligature comes before its lam.
    """

    has_spaces: bool
    right_to_left: bool
    marks_first: bool
    alefs_first: bool = False


def conventions_of(lines: Sequence[Sequence[Character]]) -> PageConventions:
    """Tell from the lines of a page how its file writes text."""
    characters = [character for line in lines for character in line]
    letters = sum(not character.text.isspace() for character in characters)
    spaces = sum(character.text == " " and not character.synthetic for character in characters)
    directions = [direction_of(character.text) for character in characters]
    right_to_left = directions.count("R") >= directions.count("L")
    return PageConventions(spaces >= MIN_SPACE_RATIO * letters, right_to_left, _marks_first(lines), _alefs_first(lines))


def _marks_first(lines: Iterable[Sequence[Character]]) -> bool:
    """Whether combining marks are drawn before their letters.

    If so, some marks follow a space and none precede one. Marks that belong to the letter's glyph follow the letter.
    """
    votes = 0
    for line in lines:
        for before, after in pairwise(line):
            if before.text.isspace() and not before.synthetic and is_mark(after.text):
                votes += 1
            elif is_mark(before.text) and after.text.isspace() and not after.synthetic:
                votes -= 1
    return votes >= 0


def _alefs_first(lines: Iterable[Sequence[Character]]) -> bool:
    """Whether the alefs of ligatures come before their lams: one between two lams belongs to either."""
    votes = 0
    for line in lines:
        for before, alef, after in zip(line, line[1:], line[2:], strict=False):
            votes += is_alef_at(alef, after, after.x0) - is_alef_at(alef, before, before.x1)
    return votes > 0


def is_alef_at(alef: Character, lam: Character, edge: float) -> bool:
    """Whether a character is the alef of a ligature at an edge of its lam."""
    return lam.text + alef.text in LAM_ALEF and has_no_width(alef) and abs(alef.x - edge) < EPSILON


def has_no_width(character: Character) -> bool:
    """Whether a character has no glyph of its own."""
    return character.x1 - character.x0 < EPSILON
