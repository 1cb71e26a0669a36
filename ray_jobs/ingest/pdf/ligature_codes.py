"""Mends a font's table of characters that maps ligatures to a space, or to one of their letters.

Those that the encoding names get the letters of their names. In fonts without names, a code of two is suspect that has
the text of another code and a glyph that is no such letter: a space with ink, or a letter that is wide. Such codes get
no text, and other modules then find their letters by the program of the font, or by OCR.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from unicodedata import normalize

from ingest.pdf.character_tables import characters_of, set_characters
from ingest.pdf.glyph_names import names_of_codes

if TYPE_CHECKING:
    from pymupdf import Document

MIN_WIDER = 1.3
"""Ratio of the width of a ligature to that of its first letter."""

_SUSPECT = frozenset(" fit")
_ROS, _HEAD = b"\x0c\x1e", 120
"""The operator of a font whose glyphs have identifiers besides their numbers, and the bytes in which it is (CFF)."""

_NAMED = re.compile(r"/(?:f_?f|f_?[ijltbhk]|T_?h|t_?t|t_?i)")


def mend_ligatures(document: Document, font: int, kind: str) -> None:
    """Give the ligatures with a wrong text in a font's table the letters of their names, or else no text."""
    if document.xref_get_key(font, "ToUnicode")[0] != "xref":
        return
    if kind == "Type0":
        if document.xref_get_key(font, "Encoding")[1] not in ("/Identity-H", "/Identity-V"):
            return
        characters = characters_of(document, font)
        wrong = _wrong_by_glyphs(document, font, characters)
        right = {code: text for code, text in characters.items() if code not in wrong}
    else:
        differences = document.xref_get_key(font, "Encoding/Differences")[1]
        if not _NAMED.search(differences):
            return
        characters = characters_of(document, font)
        names = {code: normalize("NFKC", letters) for code, letters in names_of_codes(differences)}
        right = {**characters, **{code: text for code, text in names.items() if _is_part(characters.get(code), text)}}
    if right != characters:
        set_characters(document, font, right)


def _is_part(text: str | None, letters: str) -> bool:
    return text is not None and len(letters) > 1 and (text.isspace() or (len(text) == 1 and text in letters))


def _wrong_by_glyphs(document: Document, font: int, characters: Mapping[int, str]) -> set[int]:
    """Return the codes that are wrong by the forms of their glyphs."""
    from pymupdf import mupdf

    codes: defaultdict[str, list[int]] = defaultdict(list)
    for code, text in characters.items():
        if text in _SUSPECT:
            codes[text].append(code)
    doubled = {text: of_text for text, of_text in codes.items() if len(of_text) > 1}
    if not doubled:
        return set()
    program = _program(document, font)
    if program is None:
        return set()
    wrong: set[int] = set()
    for text, of_text in doubled.items():
        if text == " ":
            wrong.update(code for code in of_text if _has_ink(program, code))
        else:
            widths = {code: float(mupdf.fz_advance_glyph(program, code, 0)) for code in of_text}
            wrong.update(code for code, width in widths.items() if width > MIN_WIDER * min(widths.values()) > 0)
    return wrong


def _program(document: Document, font: int) -> Any:
    """The embedded program of a font whose codes are the numbers of its glyphs; None for another one."""
    import pymupdf

    mupdf = pymupdf.mupdf
    found = mupdf.pdf_new_indirect(pymupdf._as_pdf_document(document), font, 0)
    descendant = mupdf.pdf_array_get(mupdf.pdf_dict_gets(found, "DescendantFonts"), 0)
    glyphs = mupdf.pdf_dict_gets(descendant, "CIDToGIDMap")
    content = document.extract_font(font)[3]
    if not content or not (mupdf.pdf_is_null(glyphs) or mupdf.pdf_to_name(glyphs) == "Identity"):
        return None
    of_type = mupdf.pdf_to_name(mupdf.pdf_dict_gets(descendant, "Subtype"))
    return None if of_type == "CIDFontType0" and _ROS in content[:_HEAD] else pymupdf.Font(fontbuffer=content).this


def _has_ink(program: Any, glyph: int) -> bool:
    from pymupdf import mupdf

    # The bounds of a glyph are those of its font; an empty outline ends before it starts.
    outline = mupdf.fz_outline_glyph(program, glyph, mupdf.FzMatrix())
    box = mupdf.fz_bound_path(outline, mupdf.FzStrokeState(), mupdf.FzMatrix())
    return bool(box.x0 < box.x1)
