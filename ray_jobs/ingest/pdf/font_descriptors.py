"""Completes Chinese, Japanese and Korean fonts without a descriptor (ISO 32000-1, 9.8): MuPDF misreads their codes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ingest.pdf.character_tables import forget_fonts

if TYPE_CHECKING:
    from pymupdf import Document

_PREDEFINED = frozenset(("Adobe-Japan1", "Adobe-GB1", "Adobe-CNS1", "Adobe-Korea1", "Adobe-KR"))
"""The collections of characters whose fonts need not be embedded."""

_SYMBOLIC = 4


def add_descriptor(document: Document, font: int, kind: str) -> None:
    """Add its descriptor to a font of several bytes for each character, if it lacks one."""
    import pymupdf

    mupdf = pymupdf.mupdf
    if kind != "Type0":
        return
    pdf = pymupdf._as_pdf_document(document)
    found = mupdf.pdf_new_indirect(pdf, font, 0)
    descendant = found.pdf_dict_gets("DescendantFonts").pdf_array_get(0)
    system = descendant.pdf_dict_gets("CIDSystemInfo")
    collection = "-".join(system.pdf_dict_gets(key).pdf_to_text_string() for key in ("Registry", "Ordering"))
    if descendant.pdf_dict_gets("FontDescriptor").m_internal or collection not in _PREDEFINED:
        return
    descriptor = mupdf.pdf_new_dict(pdf, 3)
    descriptor.pdf_dict_puts("Type", mupdf.pdf_new_name("FontDescriptor"))
    descriptor.pdf_dict_puts("FontName", mupdf.pdf_new_name(found.pdf_dict_gets("BaseFont").pdf_to_name()))
    descriptor.pdf_dict_puts("Flags", mupdf.pdf_new_int(_SYMBOLIC))
    descendant.pdf_dict_puts("FontDescriptor", descriptor)
    forget_fonts()
