"""Completes Chinese, Japanese and Korean fonts without a descriptor (ISO 32000-1, 9.8): MuPDF misreads their codes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ingest.pdf.character_tables import forget_fonts

if TYPE_CHECKING:
    from pymupdf import Page

_PREDEFINED = frozenset(("Adobe-Japan1", "Adobe-GB1", "Adobe-CNS1", "Adobe-Korea1", "Adobe-KR"))
"""The collections of characters whose fonts need not be embedded."""

_SYMBOLIC = 4


def add_descriptors(page: Page, seen: set[int]) -> None:
    """Add descriptors to the fonts of a page that lack theirs; `seen` holds the fonts looked at."""
    import pymupdf

    mupdf = pymupdf.mupdf
    document = pymupdf._as_pdf_document(page.parent)
    added = False
    for number, _, kind, name, *_ in page.get_fonts():
        if number in seen or number < 1 or kind != "Type0":
            continue
        seen.add(number)
        fonts = mupdf.pdf_new_indirect(document, number, 0).pdf_dict_gets("DescendantFonts")
        font = fonts.pdf_array_get(0)
        system = font.pdf_dict_gets("CIDSystemInfo")
        collection = "-".join(system.pdf_dict_gets(key).pdf_to_text_string() for key in ("Registry", "Ordering"))
        if font.pdf_dict_gets("FontDescriptor").m_internal or collection not in _PREDEFINED:
            continue
        descriptor = mupdf.pdf_new_dict(document, 3)
        descriptor.pdf_dict_puts("Type", mupdf.pdf_new_name("FontDescriptor"))
        descriptor.pdf_dict_puts("FontName", mupdf.pdf_new_name(name))
        descriptor.pdf_dict_puts("Flags", mupdf.pdf_new_int(_SYMBOLIC))
        font.pdf_dict_puts("FontDescriptor", descriptor)
        added = True
    if added:
        forget_fonts()
