"""Repairs the text of Indic scripts whose glyphs a producer has given the texts of whole syllables.

A syllable is drawn in another order than it is written in: some vowels stand before their consonants, and a first R
over the last one. Pango, with which WeasyPrint sets text, tells only which text a syllable has. The table of characters
then gives that text to the last of its glyphs, also in other syllables, and no text to the others.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any
from unicodedata import normalize

from ingest.pdf.character_tables import characters_of, set_characters
from ingest.pdf.unknown_letters import UNKNOWN, spans_of

if TYPE_CHECKING:
    from pymupdf import Document

# The vowels of nine scripts that stand before their consonants, and letters by their places in the block of a script.
_EARLY = "\u093f\u09bf\u09c7\u09c8\u0a3f\u0abf\u0b47\u0bc6\u0bc7\u0bc8\u0d46\u0d47\u0d48"
_BLOCKS = range(0x900, 0xE00, 0x80)


def _of_all(first: int, last: int) -> str:
    return "".join(f"{chr(block + first)}-{chr(block + last)}" for block in _BLOCKS)


_CONSONANT, _NUKTA, _VIRAMA = (
    f"[{_of_all(0x15, 0x39)}\u0958-\u095f]",
    f"[{_of_all(0x3C, 0x3C)}]",
    f"[{_of_all(0x4D, 0x4D)}]",
)
_CLUSTER = f"(?:{_CONSONANT}{_NUKTA}?{_VIRAMA})*{_CONSONANT}{_NUKTA}?"
_VOWELS = f"[{_of_all(0, 3)}{_of_all(0x3E, 0x4C)}]*"
_SPACING = "\u093e\u093f\u0940\u0949\u094b\u094c"
_AA, _WITH_AA = "\u093e", "\u094b\u094c"

# Characters that stand for nothing mark a vowel that is drawn early, and the text of a syllable whose R is drawn last.
_MOVED, _R, _END = "\ufdd0", "\ufdd1", "\ufdd2"
_EARLY_VOWEL = re.compile(f"{_MOVED}([{_EARLY}])({UNKNOWN}?{_CLUSTER})")
# Of two glyphs without a text, the second is a consonant.
_TWICE = re.compile(f"({_MOVED}[{_EARLY}]){_MOVED}[{_EARLY}]")
_LATE_R = re.compile(f"({_CLUSTER})({_VOWELS}){_R}(..){_CLUSTER}({_VOWELS}){_END}")
_SYLLABLE = re.compile(rb"<0[9a-d][0-9a-f]{2}(?:0[9a-d][0-9a-f]{2})+>", re.I)


def mend_clusters(document: Document, font: int, kind: str) -> None:
    """Give the glyphs of a font their own letters."""
    if kind != "Type0":
        return
    import pymupdf

    form, table = document.xref_get_key(font, "ToUnicode")
    if form != "xref" or not _SYLLABLE.search(document.xref_stream(int(table.split()[0])) or b""):
        return
    program = pymupdf.Font(fontbuffer=document.extract_font(font)[3])
    own = {
        pymupdf.mupdf.fz_encode_character(program.this, code): chr(code)
        for code in program.valid_codepoints()
        if 0x900 <= code < 0xE00
    }
    characters = characters_of(document, font)
    if not any(len(text) > 1 and own.get(code, "\0") in normalize("NFD", text) for code, text in characters.items()):
        return
    vowels = {c for text in characters.values() for c in text if c in _EARLY} - set(own.values())
    early = min(vowels) if len(vowels) == 1 else ""
    set_characters(document, font, {code: _marked(own.get(code) or text, early) for code, text in characters.items()})


def _marked(text: str, early: str) -> str:
    if text in _EARLY:  # "" is an early vowel in the form that fits its consonant
        return f"{_MOVED}{text or early}" if text or early else ""
    if len(text) > 2 and text[0] == chr(ord(text[0]) // 0x80 * 0x80 + 0x30) and re.match(_VIRAMA, text[1]):
        return f"{_R}{text}{_END}"
    return text


def put_in_order(content: dict[str, Any]) -> None:
    """Put the vowels and the first R of syllables in `page.get_text("dict")` where they are written, in place."""
    for span in spans_of(content):
        if _MOVED in span["text"] or _R in span["text"]:
            text = _EARLY_VOWEL.sub(r"\2\1", _TWICE.sub(rf"\1{UNKNOWN}", span["text"]))
            span["text"] = _LATE_R.sub(_with_r, text).translate(dict.fromkeys(map(ord, (_MOVED, _R, _END))))


def _with_r(match: re.Match[str]) -> str:
    cluster, drawn, r, declared = match.groups()
    same = drawn[:1] == declared[:1] or (drawn == _AA and declared[:1] in _WITH_AA)
    return f"{r}{cluster}{declared if same and drawn else drawn + _without(declared, _SPACING)}"


def _without(text: str, letters: Iterable[str]) -> str:
    return "".join([c for c in text if c not in letters])
