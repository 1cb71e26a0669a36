"""Gives a page the box and the rotation in which a viewer shows it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pymupdf

DEFAULT_SIZE = [612, 792]
"""Width and height in points of the page that MuPDF shows where the boxes of a page have no area in common."""


def as_displayed(page: pymupdf.Page) -> pymupdf.Page:
    """Apply the page's rotation: otherwise MuPDF returns positions on the unrotated page."""
    document, xref = page.parent, page.xref
    if sorted(page.rect.br) == DEFAULT_SIZE != sorted([page.cropbox.width, page.cropbox.height]):
        # The CropBox is empty or beside the MediaBox: other viewers ignore it.
        document.xref_set_key(xref, "CropBox", "[{} {} {} {}]".format(*page.mediabox))
    if rotation := page.rotation:
        # `remove_rotation` turns neither a CropBox nor a UserUnit, so that the visible box is the MediaBox meanwhile.
        kind, unit = document.xref_get_key(xref, "UserUnit")
        if kind != "null":
            document.xref_set_key(xref, "UserUnit", "null")
        page.set_rotation(0)
        page.set_mediabox(page.rect * ~page.transformation_matrix)
        _hide_inherited_crop(page)
        page.set_rotation(rotation)
        page.remove_rotation()
        _hide_inherited_crop(page)
        if kind != "null":
            document.xref_set_key(xref, "UserUnit", unit)
    return page


def _hide_inherited_crop(page: pymupdf.Page) -> None:
    page.parent.xref_set_key(page.xref, "CropBox", page.parent.xref_get_key(page.xref, "MediaBox")[1])
