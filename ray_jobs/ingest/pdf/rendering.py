"""Renders pages without the structure of their document, which no picture shows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pymupdf import Page, Pixmap

_STRUCTURE = "StructTreeRoot"


def render(page: Page, **settings: Any) -> Pixmap:
    """Return `page.get_pixmap(**settings)`: MuPDF would follow the structure, and for ever if it runs in a circle."""
    document = page.parent
    catalog = document.pdf_catalog()
    kind, structure = document.xref_get_key(catalog, _STRUCTURE) if catalog else ("null", "")
    if kind == "null":
        return page.get_pixmap(**settings)
    document.xref_set_key(catalog, _STRUCTURE, "null")
    try:
        return page.get_pixmap(**settings)
    finally:
        document.xref_set_key(catalog, _STRUCTURE, structure)
