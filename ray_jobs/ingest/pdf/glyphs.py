"""Repairs the text of a page with the positions of its glyphs: drawn twice, hidden or out of order, accents, spacing.

Reading the glyphs takes three times as long as reading the text. Only pages whose text looks like it are read so.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ingest.pdf.accents import ACCENTS, join_accents
from ingest.pdf.blanks import BLANK, fill_blanks
from ingest.pdf.covered_text import covered_glyphs
from ingest.pdf.doubled import has_doubled_lines, remove_doubled
from ingest.pdf.glued_words import GLUED, part_glued_words
from ingest.pdf.glyph_lines import Word, glyph_lines, write_back
from ingest.pdf.indices import has_late_indices, put_indices
from ingest.pdf.late_pieces import has_late_pieces, put_late_pieces
from ingest.pdf.layout import Paragraph
from ingest.pdf.letter_spacing import SPACED, close_spaced_letters
from ingest.pdf.missed_spaces import add_missed_spaces, has_missed_spaces
from ingest.pdf.row_order import goes_back, put_in_order
from ingest.pdf.stray_spaces import has_stray_spaces, remove_stray_spaces
from ingest.pdf.unseen import mark_unseen

if TYPE_CHECKING:
    from pymupdf import Page, TextPage


def repair(page: Page, text: TextPage, content: dict[str, Any], paragraphs: Sequence[Paragraph]) -> list[Word] | None:
    """Repair `content`, which is `page.get_text("dict", textpage=text)`, in place.

    Args:
        page: the page.
        text: its text page.
        content: the text.
        paragraphs: the paragraphs of `content`.

    Returns:
        The page's words; None if nothing was repaired.
    """
    lines = [line for paragraph in paragraphs for line in paragraph.lines]
    characters = "\n".join([line.text for line in lines])
    doubled = has_doubled_lines(lines)
    unseen, covered = mark_unseen(page, content), covered_glyphs(page)
    accents, spaced = ACCENTS.search(characters), SPACED.search(characters)
    shuffled, late, glued = goes_back(lines), has_late_pieces(lines), GLUED.search(characters)
    blanks, indices, stray = BLANK.search(characters), has_late_indices(content), has_stray_spaces(characters)
    missed = has_missed_spaces(characters, text, content)
    seen = (doubled, accents, spaced, unseen, covered.hidden, shuffled, late, glued, blanks, indices, stray, missed)
    if not any(seen):
        return None
    found = glyph_lines(page, text, content, covered)
    if stray:
        remove_stray_spaces(found)
    if blanks:
        fill_blanks(found)
    if doubled:
        remove_doubled(found)
    if shuffled:
        put_in_order(found)
    if late:
        put_late_pieces(found)
    if indices:
        put_indices(found)
    if missed:
        add_missed_spaces(page, found)
    if accents:
        join_accents(found)
    if glued:
        part_glued_words(found)
    if spaced:
        close_spaced_letters(found)
    return write_back(found, content) if any(line.changed for line in found) else None
