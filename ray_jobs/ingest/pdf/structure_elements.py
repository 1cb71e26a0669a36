"""Follows the elements of a tagged document from the parts of a page to the root (ISO 32000-1, 14.7.4)."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pymupdf import Page


def declares_texts(page: Page) -> bool:
    """Whether an element declares a text for a part of a page, which may replace what the page shows."""
    import pymupdf

    root = pymupdf._as_pdf_document(page.parent).pdf_trailer().pdf_dict_gets("Root").pdf_dict_gets("StructTreeRoot")
    key = pymupdf._as_pdf_page(page.this).obj().pdf_dict_gets("StructParents")
    parents = root.pdf_dict_gets("ParentTree")
    if not (parents.m_internal and key.m_internal):
        return False
    elements = pymupdf.mupdf.pdf_lookup_number(parents, key.pdf_to_int())
    followed: set[int] = set()  # each element once: some files have one that is below itself
    for index in range(elements.pdf_array_len()):
        element = elements.pdf_array_get(index)
        while element.m_internal and (number := element.pdf_to_num()) not in followed:
            if element.pdf_dict_gets("ActualText").m_internal:
                return True
            followed.add(number)
            element = element.pdf_dict_gets("P")
    return False
