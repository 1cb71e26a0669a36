"""The text of a page as MuPDF reads it, in the characters that the page shows."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from ingest.pdf.actual_text import misleads
from ingest.pdf.contents import contents_of
from ingest.pdf.declared_consonants import drop_doubles
from ingest.pdf.declared_gaps import close_gaps
from ingest.pdf.declared_ligatures import return_letters
from ingest.pdf.declared_twice import drop_repeated
from ingest.pdf.indic_clusters import put_in_order
from ingest.pdf.symbol_fonts import name_symbols

if TYPE_CHECKING:
    import pymupdf

# Declared texts (ISO 32000-1, 14.9.4) in scripts that join letters to syllables, and of two to four Latin letters.
_SYLLABLES = re.compile(rb"/ActualText\s*(?:<\s*FEFF\s*(?:0[689A-E]|1[07])|\((?:\xfe\xff|\\376\\377))", re.I)
_LIGATURES = re.compile(
    rb"/ActualText\s*(?:\([A-Za-z]{2,4}\)|<\s*FEFF(?:00[4-7][0-9A-F]){2,4}\s*>|\((?:\xfe\xff|\\376\\377)(?:\0|\\000))",
    re.I,
)


def text_of(page: pymupdf.Page) -> tuple[pymupdf.TextPage, dict[str, Any]]:
    """Return the text page and the result of `page.get_text("dict")`."""
    import pymupdf

    # These flags exclude images, which MuPDF would decode; keep ligatures, since MuPDF splits Arabic ones in the wrong
    # order; and give U+FFFD for an unknown glyph, for which MuPDF otherwise gives its number in the font.
    flags = pymupdf.TEXT_PRESERVE_WHITESPACE | pymupdf.TEXT_PRESERVE_LIGATURES | pymupdf.TEXT_MEDIABOX_CLIP
    text = page.get_textpage(flags=flags)
    contents = contents_of(page)
    if _SYLLABLES.search(contents):
        drop_repeated(text)
        drop_doubles(text)
        close_gaps(page, text)
    if _LIGATURES.search(contents):
        return_letters(page, text)
    content = page.get_text("dict", textpage=text)
    if misleads(page, content, flags):
        text = page.get_textpage(flags=flags | pymupdf.mupdf.FZ_STEXT_IGNORE_ACTUALTEXT)
        content = page.get_text("dict", textpage=text)
    name_symbols(content)
    put_in_order(content)
    return text, content
