"""Gives fonts whose ligatures have only a name, such as `T_h`, a table of characters for them.

Of the parts of such a name, MuPDF takes the first: "Te" for "The".
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ingest.pdf.character_tables import set_characters
from ingest.pdf.memory import check_memory

if TYPE_CHECKING:
    import pymupdf

UNKNOWN = 0xFFFD
"""The code of a glyph whose name MuPDF does not know."""

_NUMBER_OR_NAME = re.compile(r"(\d+)(?=[\s/\]])|/([^\s/\[\]<>()]+)")
_ESCAPED = re.compile("#([0-9A-Fa-f]{2})")
_UNI = re.compile("uni((?:[0-9A-F]{4})+)|u([0-9A-F]{4,6})")


def spell_out_ligatures(page: pymupdf.Page, seen: set[int]) -> None:
    """Add the table to the simple fonts of a page that have ligatures and no table; `seen` holds the fonts looked at.

    The names are those of the font's encoding in the PDF (ISO 32000-1, 9.6.6), not those within the font.
    """
    for font, _, kind, *_ in page.get_fonts():
        if font in seen or font < 1 or kind == "Type0":  # 0: the font stands in the page itself and has no number
            continue
        seen.add(font)
        try:
            _spell_out(page.parent, font)
        except Exception as error:  # MuPDF reads a font that is broken as far as it can
            check_memory(error)


def _spell_out(document: pymupdf.Document, font: int) -> None:
    form, differences = document.xref_get_key(font, "Encoding/Differences")
    if form != "array" or not ("_" in differences or "uni" in differences or "#" in differences):
        return
    if document.xref_get_key(font, "ToUnicode")[0] == "null" and (found := _ligatures(differences)):
        set_characters(document, font, found)


def _ligatures(differences: str) -> dict[int, str]:
    """Return the texts of the codes, from 0 to 255, with names of several characters."""
    found: dict[int, str] = {}
    code = 0
    for number, name in _NUMBER_OR_NAME.findall(differences):
        if number:
            code = int(number)
            continue
        text = characters_of_name(_ESCAPED.sub(lambda match: chr(int(match[1], 16)), name))
        if len(text) > 1 and code < 256:
            found[code] = text
        code += 1
    return found


def characters_of_name(name: str) -> str:
    """Return the characters of a glyph's name by the rules of Adobe's glyph list; "" if a part is unknown.

    A suffix such as `.smcp` is only a form of the glyph.
    """
    from pymupdf import mupdf

    text = ""
    for part in name.split(".")[0].split("_"):
        if codes := _UNI.fullmatch(part):
            text += bytes.fromhex(codes[1]).decode("utf-16-be", "replace") if codes[1] else chr(int(codes[2], 16))
        else:  # MuPDF takes a number for a code
            character = mupdf.fz_unicode_from_glyph_name(part) if part.isalpha() else UNKNOWN
            if character == UNKNOWN:
                return ""
            text += chr(character)
    return text
