"""Mends the fonts of a document that keep the text of its pages from being read as it is meant."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ingest.pdf.font_descriptors import add_descriptors
from ingest.pdf.glyph_names import spell_out_ligatures
from ingest.pdf.indic_clusters import mend_clusters
from ingest.pdf.ligature_codes import drop_ligatures

if TYPE_CHECKING:
    from pymupdf import Page

_STEPS = (add_descriptors, drop_ligatures, spell_out_ligatures, mend_clusters)


class Fonts:
    """The fonts of a document that were mended, each once."""

    def __init__(self) -> None:
        self._seen: set[int] = set()
        self._by_step: tuple[set[int], ...] = tuple(set() for _ in _STEPS)

    def mend(self, page: Page) -> None:
        """Mend the fonts of a page before it is read."""
        fonts = {font for font, *_ in page.get_fonts()}
        if fonts <= self._seen:
            return
        self._seen |= fonts
        for step, seen in zip(_STEPS, self._by_step, strict=True):
            step(page, seen)
