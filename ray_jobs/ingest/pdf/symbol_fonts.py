"""Gives the marks of fonts of symbols their meaning: a check mark in ZapfDingbats or Wingdings is stored as a letter.

Forms and Office use these fonts for boxes and bullets, mostly without a table of characters, so that a checked box
reads as "3" or "4" and a bullet as "n" or "§".
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from ingest.pdf.character_tables import set_characters
from ingest.pdf.memory import check_memory

if TYPE_CHECKING:
    from pymupdf import Document, Page

OTHER = "•"
"""Stands for all other symbols, most of which are bullets."""

# By the font's name: the codes of check marks, crosses and empty boxes, from the code charts of Adobe and Microsoft.
_MARKS = {
    "zapfdingbats": ("34", "5678", "opqr"),
    "wingdings": ("\u00fc\u00fe", "\u00fb\u00fd", "oq\u00a8"),
    "wingdings2": ("PR", "OQST", "\u00a3*"),
    "webdings": ("a", "r", "c"),
}
# The same of ZapfDingbats by the names of the glyphs, of which MuPDF takes the numbers for characters.
_NAMES = {
    **dict.fromkeys(("a19", "a20"), "✓"),
    **dict.fromkeys(("a21", "a22", "a23", "a24"), "✗"),
    **dict.fromkeys(("a74", "a203", "a75", "a204"), "☐"),
}
_NAME = re.compile(r"(\d+)(?=[\s/\]])|/(a\d+)(?=[\s/\]])|/[^\s/\[\]<>()]+")
_FONT = re.compile(r"(?:[A-Z]{6}\+)?(ZapfDingbats|Wingdings2|Wingdings|Webdings)(?:-?Regular)?$", re.I)


def name_symbols(content: dict[str, Any]) -> None:
    """Replace the letters of symbols in `page.get_text("dict")` by the symbols, in place."""
    for block in content["blocks"]:
        for line in block.get("lines", ()):
            for span in line["spans"]:
                if table := _table(span["font"]):
                    span["text"] = span["text"].translate(table)


@lru_cache(maxsize=1024)
def _table(font: str) -> dict[int, str]:
    """Return the symbol of each code of a font; {} if it is a font of letters."""
    match = _FONT.match(font.replace(" ", ""))
    if match is None:
        return {}
    table = dict.fromkeys((*range(33, 127), *range(161, 256)), OTHER)
    for codes, mark in zip(_MARKS[match[1].lower()], "✓✗☐", strict=True):
        table.update({ord(code): mark for code in codes})
    # Windows' fonts of symbols have their codes in the area for private use, too.
    return table | {0xF000 + code: mark for code, mark in table.items()}


def mark_dingbats(page: Page, content: dict[str, Any], seen: set[int]) -> bool:
    """Give the fonts named ZapfDingbats of a page a table of the marks of their codes, where they have none.

    Args:
        page: the page.
        content: the result of `page.get_text("dict")`.
        seen: the fonts looked at.

    Returns:
        Whether the text of the page has changed.
    """
    spans = (span for block in content["blocks"] for line in block.get("lines", ()) for span in line["spans"])
    if not any(_is_dingbats(span["font"]) for span in spans):
        return False
    changed = False
    try:
        for font in {number for number, *_ in page.get_fonts()} | set(_fonts_of_fields(page)):
            if font > 0 and font not in seen:
                seen.add(font)
                changed = _mark(page.parent, font) or changed
    except Exception as error:  # a font or a field that is broken
        check_memory(error)
    return changed


@lru_cache(maxsize=1024)
def _is_dingbats(font: str) -> bool:
    match = _FONT.match(font.replace(" ", ""))
    return match is not None and match[1].lower() == "zapfdingbats"


def _mark(document: Document, font: int) -> bool:
    if not _is_dingbats(document.xref_get_key(font, "BaseFont")[1].lstrip("/")):
        return False
    if document.xref_get_key(font, "ToUnicode")[0] != "null":
        return False
    kind, encoding = document.xref_get_key(font, "Encoding")
    if kind == "name" or document.xref_get_key(font, "Encoding/BaseEncoding")[0] == "name":
        return False
    table = {code: mark for code, mark in _table("ZapfDingbats").items() if code < 256}
    differences = document.xref_get_key(font, "Encoding/Differences")[1] if encoding else ""
    code = 0
    for number, name in _NAME.findall(differences):
        if number:
            code = int(number)
            continue
        if code < 256:
            table[code] = _NAMES.get(name, OTHER) if name else " "
        code += 1
    set_characters(document, font, table)
    return True


def _fonts_of_fields(page: Page) -> Iterator[int]:
    """Yield the numbers of the fonts in which the fields of a page are shown."""
    import pymupdf

    mupdf = pymupdf.mupdf
    widget = mupdf.pdf_first_widget(pymupdf._as_pdf_page(page.this))
    while widget.m_internal:
        fonts = mupdf.pdf_dict_gets(mupdf.pdf_xobject_resources(mupdf.pdf_annot_ap(widget)), "Font")
        for index in range(mupdf.pdf_dict_len(fonts)):
            yield mupdf.pdf_to_num(mupdf.pdf_dict_get_val(fonts, index))
        widget = mupdf.pdf_next_widget(widget)
