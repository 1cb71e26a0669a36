"""Rejoins words that are divided by a hyphen of their own at the end of a line, or at the end of a column or a page."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from functools import cached_property
from itertools import pairwise
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ingest.pdf.layout import Paragraph
    from ingest.pdf.structure import RawPage

LINKS = frozenset(
    ["to", "of", "the", "and", "or", "by", "in", "on", "for", "a", "an", "at", "as", "up", "de", "en", "à", "la"]
)
"""Words between hyphens, as in "up-to-date" and "vis-à-vis": a hyphen after one is the word's own."""

AFTER_SUSPENDED = frozenset(["and", "und", "oder", "bzw", "sowie", "och", "eller", "og"])
"""Words before which a hyphen stands for the end of the next word: "freight- and shipping costs"."""

PREFIXES = re.compile(
    "anti|auto|counter|down|every|fore|hyper|inter|mega|micro|mini|multi|over|post|semi|some|story|super|tele|trans|ultra|"
    "under"
)
"""Matches words that begin other ones without a hyphen."""

SECONDS = re.compile(
    "associated|aware|based|century|conscious|controlled|defined|dependent|dimensional|driven|effective|esteem|evident|"
    "friendly|independent|induced|known|level|mediated|minded|oriented|quality|related|resistant|scale|sensitive|sized|"
    "specific|speed|sufficient|term|versed"
)
"""Matches words that follow others with a hyphen."""

MIN_WORD, MIN_USES, MIN_ENGLISH = 4, 2, 0.02
"""Minimum number of letters and of uses of the parts of an English compound, and minimum share of "the" among the words
of an English document: other languages write most compounds as one word."""

MAX_SIZE_DIFFERENCE = 0.5
"""Maximum difference in points between the font sizes of the parts of a word between columns or pages."""

_LETTERS = r"[^\W\d_]+"
_COMPOUND = re.compile(f"{_LETTERS}(?:[-\u2010\u2011]{_LETTERS})+")
_HYPHEN = re.compile("[-\u2010\u2011]")
_BEFORE = re.compile(f"([-\u2010]?)({_LETTERS})[-\u2010]\\s*$")
_LINKED = re.compile(f"(?:{'|'.join(sorted(LINKS))})[-\u2010]", re.I)
# Behind a digit, or before a soft one, which allows a break there.
_OWN = re.compile("(?:\\d[-\u2010]|\\w[-\u2010]\u00ad)\\s*$")
_ADDRESS = re.compile(r"(?:://|www\.|@)\S*$")
_AFTER = re.compile(rf"\s*(({_LETTERS})\S*)\s*")


def rejoin_hyphenated(pages: Sequence[RawPage]) -> None:
    """Move the second part of such a word to the line of the first, in place; `join_lines` joins the others.

    A hyphen is a word's own if the document has it in one line, too, more often than the word without it; beside a word
    such as the "to" of "up-to-date"; after a digit, a single letter or an abbreviation in capitals; between two English
    words; or in an address of the web. One that stands for the end of the next word stays as well. Between columns and
    pages, a part that is a word elsewhere is none, since a figure or a formula may be in between.
    """
    vocabulary = _Vocabulary(pages)
    last: Paragraph | None = None
    for page in pages:
        height = float("inf")  # of the line before; the next column begins above it
        for paragraph in page.paragraphs:
            if (
                paragraph.table
                or paragraph.listing
                or not any(character.isalpha() for line in paragraph.lines for character in line.text)
            ):
                continue  # a page number may be between the parts
            if last is not None and paragraph.y0 < height:
                _rejoin(last, len(last.lines) - 1, paragraph, 0, vocabulary)
            for number in range(len(paragraph.lines) - 1):
                _rejoin(paragraph, number, paragraph, number + 1, vocabulary)
            last, height = paragraph, paragraph.lines[-1].y0


class _Vocabulary:
    """The words of a document, in lower case; a word with hyphens counts as its parts."""

    def __init__(self, pages: Sequence[RawPage]) -> None:
        self._pages = pages

    def _lines(self) -> Iterator[str]:
        for page in self._pages:
            for paragraph in page.paragraphs:
                for line in paragraph.lines:
                    yield line.text

    @cached_property
    def compounds(self) -> Counter[tuple[str, str]]:
        """How often each pair of neighbours occurs in words with hyphens."""
        found: Counter[tuple[str, str]] = Counter()
        for text in self._lines():
            if _HYPHEN.search(text):
                for word in _COMPOUND.findall(text):
                    found.update(pairwise(_HYPHEN.split(word.casefold())))
        return found

    @cached_property
    def words(self) -> Counter[str]:
        """How often each word occurs; the parts of one that is divided at the end of a line are none."""
        found: Counter[str] = Counter()
        divided = False
        for text in self._lines():
            words = re.findall(_LETTERS, text.casefold())
            end = _BEFORE.search(text)
            found.update(words[divided : len(words) - (end is not None)])
            divided = end is not None
        return found

    @cached_property
    def is_english(self) -> bool:
        """Whether the document is in English."""
        return self.words["the"] >= MIN_ENGLISH * self.words.total()

    def has_own_hyphen(self, part: str, rest: str) -> bool:
        """Whether a word has a hyphen of its own between two parts, as far as the words of the document tell."""
        compound, joined = self.compounds[part, rest], self.words[part + rest]
        if compound or joined:
            return compound >= joined
        return (
            min(len(part), len(rest)) >= MIN_WORD
            and not PREFIXES.fullmatch(part)
            and (SECONDS.fullmatch(rest) or min(self.words[part], self.words[rest]) >= MIN_USES)
            and self.is_english
        )


def _rejoin(first: Paragraph, end: int, second: Paragraph, start: int, vocabulary: _Vocabulary) -> None:
    line, following = first.lines[end], second.lines[start]
    before, after = _BEFORE.search(line.text), _AFTER.match(following.text)
    if after is not None and first is second and after[2][0].islower() and _OWN.search(line.text):
        first.lines[end] = line._replace(text=line.text.rstrip("\u00ad ") + after[1])
        second.lines[start] = following._replace(text=following.text[after.end() :])
        return
    if before is None or after is None or not after[2][0].islower():
        return
    link, part, rest = before[1], before[2].casefold(), after[2].casefold()
    if first is not second and (
        abs(line.size - following.size) > MAX_SIZE_DIFFERENCE or len(part) == 1 or vocabulary.words[rest] > 1
    ):
        return
    text = line.text.rstrip()
    own = (
        len(part) == 1
        or (before[2].isupper() and after[2].islower())
        or (bool(link) and (part in LINKS or text.split()[-1].count("-") > 2))
        or bool(_LINKED.match(after[1]))
        or bool(_ADDRESS.search(text))
        or vocabulary.has_own_hyphen(part, rest)
    )
    suspended = not own and not link and rest in AFTER_SUSPENDED
    if own or suspended or first is not second:
        first.lines[end] = line._replace(text=f"{text if own or suspended else text[:-1]}{' ' * suspended}{after[1]}")
        second.lines[start] = following._replace(text=following.text[after.end() :])
