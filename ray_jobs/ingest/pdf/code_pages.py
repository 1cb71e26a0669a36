"""Reads text whose font has the letters of one code page in the places of another: `Îòäåë` is `Отдел`.

Fonts of Russian, Greek and Hebrew systems without Unicode are embedded under the encoding of Western Europe, whose
letters a PDF then declares. No language has words of accented letters alone. Other producers write the two bytes of a
character in the wrong order, so that Latin letters become Chinese ones whose code ends with a zero.
"""

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict
from string import ascii_letters, digits
from typing import TYPE_CHECKING, Any

from ingest.pdf.character_tables import characters_of, set_characters
from ingest.pdf.glyph_names import names_of_codes
from ingest.pdf.memory import check_memory
from ingest.pdf.unknown_letters import name_in_spans, spans_of

if TYPE_CHECKING:
    from pymupdf import Document, Page

MIN_WORDS = 4
"""Minimum number of words of accented letters alone in one font on a page."""

MIN_FREQUENT = 0.5
"""Minimum share of the ten most frequent letters of a language among its letters: it is 0.6 to 0.7 in prose."""

_CODE_PAGES = (
    ("cp1252", "cp1251", "оеаинтсрвл"),
    ("cp1252", "koi8_r", "оеаинтсрвл"),
    ("mac_roman", "mac_cyrillic", "оеаинтсрвл"),
    ("cp1252", "cp1253", "αοιετσνηυρ"),
    ("cp1252", "cp1255", "יוהלארתבשמ"),
)
"""The code page that a PDF declares, the one that is meant, and the most frequent letters of its language."""

MIN_SWAPPED, MIN_DIFFERENT, MIN_SWAPPED_SHARE = 8, 4, 0.7
"""Minimum number of letters and digits with swapped bytes in one font on a page, how many different ones there are, and
their share of its characters."""

# A word of signs that other code pages have letters for; the multiplication and the division sign are two of them.
_WORD = re.compile("[\u00aa\u00af\u00b2-\u00b4\u00b8-\u00bf\u00c0-\u00ff]{3,}")
_ACCENTED = re.compile("[\u00c0-\u00ff]")
_PUNCTUATION = re.compile("[\x00-\x7f\u00a0\u00ab\u00bb\u2010-\u201f\u2022\u2026\u2116]")
_SWAPPED = re.compile("[" + "".join(chr(ord(letter) << 8) for letter in ascii_letters + digits) + "]")


def read_code_pages(page: Page, content: dict[str, Any], seen: set[int]) -> bool:
    """Give the fonts of a page the letters of the code page that is meant.

    Args:
        page: the page.
        content: the result of `page.get_text("dict")`.
        seen: the fonts that were changed.

    Returns:
        Whether the text of the page has changed.
    """
    texts: defaultdict[str, list[str]] = defaultdict(list)
    for span in spans_of(content):
        if not span["text"].isascii() and (_WORD.search(span["text"]) or _SWAPPED.search(span["text"])):
            texts[span["font"]].append(span["text"])
    tables = {font: _letters(" ".join(of_font)) for font, of_font in texts.items()}
    changed = False
    for font, _, _, name, *_ in page.get_fonts() if any(tables.values()) else ():
        name = name_in_spans(name)
        letters = tables.get(name)
        if not letters or font in seen or font < 1:
            continue
        seen.add(font)
        try:
            declared = _declared(page.parent, font)
            if set(_ACCENTED.findall("".join(texts[name]))) <= set("".join(declared.values())):
                set_characters(page.parent, font, {code: text.translate(letters) for code, text in declared.items()})
                changed = True
        except Exception as error:  # a font that is broken
            check_memory(error)
    return changed


def _letters(text: str) -> dict[int, str]:
    """Return the letters that are meant for those that are declared; {} if they make no sense."""
    swapped, words = _SWAPPED.findall(text), _WORD.findall(text)
    share = len(swapped) / max(len("".join(text.split())), 1)
    if len(swapped) >= MIN_SWAPPED and len(set(swapped)) >= MIN_DIFFERENT and share >= MIN_SWAPPED_SHARE:
        return {code: chr((code & 0xFF) << 8 | code >> 8) for code in range(0x2000, 0x10000)}
    return _of_code_page(text) if len(words) >= MIN_WORDS else {}


def _of_code_page(text: str) -> dict[int, str]:
    """Return the letters of the code page that makes sense of a text; {} if none does."""
    best, found = MIN_FREQUENT, {}
    for declared, meant, frequent in _CODE_PAGES:
        table = {
            ord(bytes([code]).decode(declared)): bytes([code]).decode(meant)
            for code in range(128, 256)
            if _is_known(code, declared) and _is_known(code, meant)
        }
        read = _PUNCTUATION.sub("", text.translate(table).lower())
        plain = [unicodedata.normalize("NFD", character)[0] for character in read if character.isalpha()]
        share = sum(letter in frequent for letter in plain) / max(len(read), 1)
        if share > best:
            best, found = share, table
    return found


def _is_known(code: int, code_page: str) -> bool:
    return bytes([code]).decode(code_page, "replace") != "\ufffd"


def _declared(document: Document, font: int) -> dict[int, str]:
    """Return the characters that a font declares for its codes, by its table or else by its encoding."""
    if table := characters_of(document, font):
        return table
    names = [document.xref_get_key(font, key)[1] for key in ("Encoding", "Encoding/BaseEncoding")]
    base = "mac_roman" if "/MacRomanEncoding" in names else "cp1252"
    found = {code: bytes([code]).decode(base) for code in range(32, 256) if _is_known(code, base)}
    named = names_of_codes(document.xref_get_key(font, "Encoding/Differences")[1])
    return found | {code: text for code, text in named if text}
