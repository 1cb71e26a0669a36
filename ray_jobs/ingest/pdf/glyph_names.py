"""Gives fonts without a table of characters one where MuPDF takes others: ligatures with only a name, fonts of Macs.

Of the parts of a name such as `T_h`, MuPDF takes the first: "Te" for "The". Of a font with a table of the Macintosh, it
takes the codes for Latin-1: "Þnd" for "find".
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from ingest.pdf.character_tables import set_characters

if TYPE_CHECKING:
    import pymupdf

UNKNOWN = 0xFFFD
"""The code of a glyph whose name MuPDF does not know."""

MAC_ROMAN = {code: bytes([code]).decode("mac_roman") for code in range(128, 256) if code != 0xF0}
"""The characters of the codes from 128 in a font of the Macintosh, for which MuPDF takes those of Latin-1; 240 is a
sign for private use."""

MAC_TABLE, NO_NAMES = bytes([0, 1, 0, 0]), bytes([0, 3, 0, 0])
"""Platform and encoding of a table of characters, and version of a table of names (OpenType, `cmap`, `post`)."""

_NUMBER_OR_NAME = re.compile(r"(\d+)(?=[\s/\]])|/([^\s/\[\]<>()]+)")
_LIGATURE = re.compile(rb"[A-Za-z0-9]_[A-Za-z]|uni[0-9A-F]{8}")
_ESCAPED = re.compile("#([0-9A-Fa-f]{2})")
_UNI = re.compile("uni((?:[0-9A-F]{4})+)|u([0-9A-F]{4,6})")


def spell_out_ligatures(document: pymupdf.Document, font: int, kind: str) -> None:
    """Add the table to a simple font that needs one and has none.

    The names are those of the font's encoding in the PDF (ISO 32000-1, 9.6.6), and for other codes those within the
    font, unless the PDF names another encoding for these.
    """
    if kind == "Type0":
        return
    if document.xref_get_key(font, "ToUnicode")[0] != "null":
        return
    form, encoding = document.xref_get_key(font, "Encoding")
    if form == "name" or (form == "xref" and document.xref_object(int(encoding.split()[0])).startswith("/")):
        return
    if form == "null" and document.xref_get_key(font, "Subtype")[1] == "/TrueType":
        if _is_macintosh(document.extract_font(font)[3]):
            set_characters(document, font, MAC_ROMAN)
        return
    found: dict[int, str] = {}
    if form == "null" or document.xref_get_key(font, "Encoding/BaseEncoding")[0] == "null":
        found = _built_in_ligatures(document, font)
    form, differences = document.xref_get_key(font, "Encoding/Differences")
    if form == "array" and (found or "_" in differences or "uni" in differences or "#" in differences):
        for code, text in names_of_codes(differences):
            found.pop(code, None)
            if len(text) > 1:
                found[code] = text
    if found:
        set_characters(document, font, found)


def _built_in_ligatures(document: pymupdf.Document, font: int) -> dict[int, str]:
    """Return the texts of the codes with names of several characters in the encoding of an embedded Type 1 font."""
    program = b""
    for key in ("FontFile3", "FontFile"):
        form, stream = document.xref_get_key(font, f"FontDescriptor/{key}")
        if form == "xref":
            program = document.xref_stream(int(stream.split()[0])) or b""
    if not _LIGATURE.search(program):
        return {}
    texts = ((code, characters_of_name(name)) for code, name in _names_in_program(document, font).items())
    return {code: text for code, text in texts if len(text) > 1}


def _names_in_program(document: pymupdf.Document, font: int) -> dict[int, str]:
    """Return the names that the program of a simple font has for the glyphs of its codes."""
    import pymupdf

    mupdf, pdf = pymupdf.mupdf, pymupdf._as_pdf_document(document)
    definition = mupdf.pdf_load_object(pdf, font)
    loaded = mupdf.ll_pdf_load_font(pdf.m_internal, None, definition.m_internal)
    try:
        program = mupdf.FzFont(mupdf.ll_fz_keep_font(loaded.font))
        glyphs = {code: mupdf.ll_pdf_font_cid_to_gid(loaded, code) for code in range(256)}
        return {code: mupdf.fz_get_glyph_name2(program, glyph) for code, glyph in glyphs.items() if glyph > 0}
    finally:
        mupdf.ll_pdf_drop_font(loaded)


def _is_macintosh(program: bytes) -> bool:
    """Whether a TrueType font has no names, and no other table of characters than one of the Macintosh."""
    tables: dict[bytes, bytes] = {}
    for entry in range(12, 12 + 16 * int.from_bytes(program[4:6]), 16):
        start, length = (int.from_bytes(program[place : place + 4]) for place in (entry + 8, entry + 12))
        tables[program[entry : entry + 4]] = program[start : start + length]
    characters = tables.get(b"cmap", b"")
    count = int.from_bytes(characters[2:4])
    kinds = {characters[place : place + 4] for place in range(4, 4 + 8 * count, 8)}
    return kinds == {MAC_TABLE} and tables.get(b"post", NO_NAMES).startswith(NO_NAMES)


def names_of_codes(differences: str) -> Iterator[tuple[int, str]]:
    """Yield the codes from 0 to 255 that an encoding names, and the characters of their names."""
    code = 0
    for number, name in _NUMBER_OR_NAME.findall(differences):
        if number:
            code = int(number)
            continue
        if code < 256:
            yield code, characters_of_name(_ESCAPED.sub(lambda match: chr(int(match[1], 16)), name))
        code += 1


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
