"""Tells by the statistics of its letters whether a text may be mapped wrongly: written language has others."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence

MIN_SUSPECT_LETTERS = 40
"""Minimum number of characters in one font whose statistics count."""

MIN_SHORT_LETTERS, MIN_LATIN_1, MAX_LATIN_1 = 8, 0.3, 0.8
"""Fewer characters, but at least so many in words of three, are suspect if one of these shares of them is of the upper
half of Latin-1: the first in words that are mixed, the second in any. A byte of a code in two bytes looks like that."""

VOWELS = (0.25, 0.62)
"""Range of the share of vowels among Latin letters: 0.36 to 0.5 in the languages of Europe, 0.15 in shifted letters."""

MIN_COMMON = 0.42
"""Minimum share of the letters a, e, i, n, o, r, s and t among Latin letters: 0.5 to 0.7 in the languages of Europe,
and 0.3 if letters are exchanged at random."""

MAX_MIXED = 0.3
"""Share of the words of at least three characters, with digits or symbols between letters or the reverse, above which a
text may be mapped wrongly."""

MAX_CASE_CHANGES, MAX_SYMBOLS, MAX_ACCENTED = 0.08, 0.4, 0.4
"""Share of capitals after small letters in a word, of characters that are neither letters nor digits, and of letters
with marks, above which a text may be mapped wrongly."""

_LATIN = re.compile("[A-Za-z\u00c0-\u024f]")
_VOWEL = re.compile("[aeiouy]", re.I)
_COMMON = re.compile("[aeinorst]", re.I)
_LONG = re.compile(r"\S{3,}")
_OTHER = r"[\d!\"#$%*+;<=>?@\\^`{|}~]"
_MIXED = re.compile(rf"[^\W\d_]-?{_OTHER}+-?[^\W\d_]|{_OTHER}-?[^\W\d_]+-?{_OTHER}")
_CASE_CHANGE = re.compile("[a-z][A-Z]")
# Signs that stand between syllables or words where other scripts have spaces: Tibetan, Ethiopic.
_SEPARATORS = "\u0f0b\u0f0c\u1361"
_JOINERS = "\u200c\u200d"


def is_suspect(text: str) -> bool:
    """Whether the statistics of a text are unlike those of written language: its letters may be mapped wrongly."""
    solid = list(_without_marks(character for character in text if not character.isspace()))
    if len(solid) < MIN_SUSPECT_LETTERS:
        return _are_bytes(_LONG.findall(text))
    latin = _LATIN.findall(text)
    symbols = sum(not character.isalnum() for character in solid)
    if symbols > MAX_SYMBOLS * len(solid) and symbols > sum(text.count(dot) for dot in f"._-·…|{_SEPARATORS}") * 2:
        return True
    words = _LONG.findall(text) if sum(map(str.isalpha, solid)) < 0.9 * len(solid) else ()
    if _are_mixed(words):
        return True
    if len(latin) < MIN_SUSPECT_LETTERS or 2 * len(latin) < len(solid):
        return False
    return (
        has_odd_letters(latin)
        or len(_CASE_CHANGE.findall(text)) > MAX_CASE_CHANGES * len(latin)
        or sum(letter > "\u007f" for letter in latin) > MAX_ACCENTED * len(latin)
    )


def _are_bytes(words: Sequence[str]) -> bool:
    """Whether a few words are unlike any language, as the bytes of Chinese text taken for letters."""
    solid = "".join(words)
    if len(solid) < MIN_SHORT_LETTERS:
        return False
    share = sum("\xa1" <= character <= "\xff" for character in solid) / len(solid)
    return share >= MAX_LATIN_1 or (share >= MIN_LATIN_1 and _are_mixed(words))


def _are_mixed(words: Sequence[str]) -> bool:
    return sum(_MIXED.search(word) is not None for word in words) > MAX_MIXED * len(words)


def _without_marks(characters: Iterable[str]) -> Iterator[str]:
    """Leave out the marks behind letters, which are part of them: in Bengali, they are four of ten characters."""
    within = False
    for character in characters:
        if character > "\u02ff" and not character.isalnum():
            within = within and (unicodedata.category(character)[0] == "M" or character in _JOINERS)
            if within:
                continue
        else:
            within = character.isalnum()
        yield character


def has_odd_letters(latin: Sequence[str]) -> bool:
    """Whether Latin letters have other shares of vowels and of common letters than in the languages of Europe."""
    plain = unicodedata.normalize("NFD", "".join(latin))
    vowels = len(_VOWEL.findall(plain)) / len(latin)
    return not VOWELS[0] <= vowels <= VOWELS[1] or len(_COMMON.findall(plain)) < MIN_COMMON * len(latin)
