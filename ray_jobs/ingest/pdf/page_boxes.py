"""Makes a page give positions as a viewer shows it: cut to its visible box, and turned."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pymupdf

MIN_SIDE = 1
"""Shortest side of a visible box, in units of the page. Viewers ignore a CropBox that leaves less of the MediaBox."""


def as_displayed(page: pymupdf.Page) -> pymupdf.Page:
    """Return the page, with positions in points from the upper left corner of what viewers show of it.

    Its size is that of `page.rect`. What PyMuPDF gives as the size of its text leaves out UserUnit, and is that of a
    CropBox which is larger than the MediaBox.
    """
    import pymupdf

    if page.rotation:
        page.__class__ = _turned()
    media, crop = page.mediabox, page.cropbox
    # PyMuPDF counts the CropBox down from the upper edge of the MediaBox.
    shown = pymupdf.Rect(crop.x0, media.y1 - crop.y1, crop.x1, media.y1 - crop.y0) & media
    if min(shown.width, shown.height) < MIN_SIDE:
        shown = media
    expected = shown * page.transformation_matrix
    if max(abs(side - other) for side, other in zip(page.rect, expected, strict=True)) >= MIN_SIDE:
        # The CropBox is empty or beside the MediaBox, and MuPDF shows some other box.
        page.parent.xref_set_key(page.xref, "CropBox", "[{} {} {} {}]".format(*shown))
    return page


@cache
def _turned() -> type[pymupdf.Page]:
    """Pages whose positions are those on the turned page.

    MuPDF gives them, and the fields of forms, for a page with /Rotate. PyMuPDF gives those on the page before it is
    turned: for each page whose `rotation` is not 0, it takes the key away while it reads.
    """
    import pymupdf

    class TurnedPage(pymupdf.Page):
        rotation = 0
        rotation_matrix = derotation_matrix = pymupdf.Identity

    return TurnedPage
