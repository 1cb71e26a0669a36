"""Decides between the text that a page shows and the one that a producer declares for it (ISO 32000-1, 14.9.4).

`/ActualText` gives the letters of a ligature, the word that a hyphen parts, or the order of an Arabic word. It may as
well give an empty text, or words that nobody sees, for words that everybody reads.
"""

from __future__ import annotations

import re
from difflib import get_close_matches
from itertools import islice
from typing import TYPE_CHECKING, Any

from ingest.common.text import as_typed
from ingest.pdf.contents import contents_of
from ingest.pdf.letter_statistics import is_suspect
from ingest.pdf.structure_elements import declares_texts
from ingest.pdf.unknown_letters import UNKNOWN, lines_of

if TYPE_CHECKING:
    from pymupdf import Page

MIN_LOST = 2
"""Number of different words that a page shows and its declared texts lack from which on the shown text is read."""

MAX_LOST = 20
"""Number of such words after which no more are looked for: each is compared with all declared ones."""

_ACTUAL = b"/ActualText"
# Words of scripts whose letters are drawn in the order in which they are read.
_WORD = re.compile("[A-Za-z\u00c0-\u024f\u0370-\u0588\u1e00-\u1fff]{4,}")
_SAMPLE = 10
# Several Arabic letters with a mark among them, as Chromium declares them: MuPDF gives them to the wrong glyphs.
_MARKED = re.compile(rb"/ActualText\s*<FEFF(?:06[0-9A-F]{2})+06(?:4[B-F]|5[0-2])(?:06[0-9A-F]{2})*>", re.I)


def misleads(page: Page, content: dict[str, Any], flags: int) -> bool:
    """Whether the declared texts of a page replace words that it shows by others or by nothing, or disorder letters.

    Args:
        page: the page.
        content: the result of `page.get_text("dict")` with `flags`, which has the declared texts.
        flags: those of the text page.
    """
    import pymupdf

    contents = contents_of(page)
    if _ACTUAL not in contents and not declares_texts(page):
        return False
    declared = _text(content)
    shown = _text(page.get_text("dict", flags=flags | pymupdf.mupdf.FZ_STEXT_IGNORE_ACTUALTEXT))
    if _MARKED.search(contents) and UNKNOWN not in shown:
        return True
    declared, shown = (as_typed(text).casefold() for text in (declared, shown))
    squeezed = "".join(declared.split())
    words = set(_WORD.findall(declared))
    missing = (word for word in dict.fromkeys(_WORD.findall(shown)) if word not in squeezed)
    lost = list(islice((word for word in missing if not get_close_matches(word, words, 1)), MAX_LOST))
    # A font may map its letters wrongly, and the declared text be right.
    return len(lost) >= MIN_LOST and not is_suspect(" ".join(lost * _SAMPLE))


def _text(content: dict[str, Any]) -> str:
    return " ".join("".join(span["text"] for span in line["spans"]) for line in lines_of(content))
