"""Mends the fonts of a document that keep the text of its pages from being read as it is meant."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ingest.pdf.font_descriptors import add_descriptor
from ingest.pdf.glyph_names import spell_out_ligatures
from ingest.pdf.indic_clusters import mend_clusters
from ingest.pdf.ligature_codes import mend_ligatures
from ingest.pdf.memory import check_memory

if TYPE_CHECKING:
    from pymupdf import Page

_STEPS = (add_descriptor, mend_ligatures, spell_out_ligatures, mend_clusters)
"""Each takes a document, the number of a font's object, and the kind of font ("Type0", "TrueType", ...)."""


class Fonts:
    """The fonts of a document that were mended, each once."""

    def __init__(self) -> None:
        self._seen: set[int] = set()

    def mend(self, page: Page) -> None:
        """Mend the fonts of a page before it is read."""
        for font, _, kind, *_ in page.get_fonts():
            if font in self._seen or font < 1:  # 0: the font stands in the page itself and has no number
                continue
            self._seen.add(font)
            for step in _STEPS:
                try:
                    step(page.parent, font, kind)
                except Exception as error:  # MuPDF reads a font that is broken as far as it can
                    check_memory(error)
