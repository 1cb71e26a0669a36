"""Finds text that is unlike any language: a font maps its letters to others, as if they were enciphered."""

from __future__ import annotations

import re
from collections import defaultdict
from typing import Any

from ingest.pdf.letter_statistics import has_odd_letters
from ingest.pdf.unknown_letters import spans_of

MIN_LETTERS, MIN_WORDS = 80, 12
"""Minimum number of Latin letters in the different words of one font on a page, and of the words: formulas have few."""

# Words of prose, without the names and addresses in computers' typewriter fonts.
_WORD = re.compile("(?<![^\\W_])[A-Za-z\u00c0-\u024f]{4,}(?![\\w@]|[.:/]\\w)")


def has_enciphered(content: dict[str, Any]) -> bool:
    """Whether `page.get_text("dict")` has much text in a font whose letters are unlike those of any language."""
    texts: defaultdict[str, list[str]] = defaultdict(list)
    for span in spans_of(content):
        texts[span["font"]].append(span["text"])
    for of_font in texts.values():
        words = set(_WORD.findall(" ".join(of_font)))
        letters = "".join(words)
        if len(letters) >= MIN_LETTERS and len(words) >= MIN_WORDS and has_odd_letters(letters):
            return True
    return False
