"""Puts the paragraphs of a page with a text layer in the order in which people read them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ingest.pdf.box_order import in_box_order
from ingest.pdf.column_tables import rows_of_columns
from ingest.pdf.columns import reading_order
from ingest.pdf.labels import join_values
from ingest.pdf.layout import Paragraph, join_split_paragraphs
from ingest.pdf.line_order import in_line_order
from ingest.pdf.listings import with_listings
from ingest.pdf.markers import join_markers
from ingest.pdf.sideways import turn_of
from ingest.pdf.tables import (
    MIN_SIDE_BY_SIDE,
    with_sideways_tables,
    with_tables,
    with_tight_tables,
    with_typed_tables,
)

if TYPE_CHECKING:
    from pymupdf import Page, TextPage


def in_page_order(
    page: Page,
    text: TextPage,
    content: dict[str, Any],
    horizontal: list[Paragraph],
    others: list[Paragraph],
    words: Sequence[tuple[Any, ...]] | None,
) -> list[Paragraph]:
    """Return the paragraphs of a page in reading order, and its tables.

    Args:
        page: the page.
        text: its text page.
        content: the result of `page.get_text("dict")`.
        horizontal: its horizontal paragraphs, in the order in which they are drawn.
        others: its other paragraphs.
        words: its words, if they are not those of `text`.
    """
    horizontal, readings = in_line_order(join_values(join_markers(horizontal)), content)
    horizontal = in_box_order(horizontal)
    paragraphs, side_by_side = reading_order(horizontal) if len(horizontal) >= len(others) else (horizontal, 0)
    if len(others) > 1 and (turn := turn_of(page, content)):
        others = with_sideways_tables(page, text, others, words, turn)
    paragraphs = join_split_paragraphs(paragraphs) + others + readings
    if side_by_side >= MIN_SIDE_BY_SIDE:
        paragraphs = rows_of_columns(with_tables(page, text, paragraphs, words))
    elif len(horizontal) >= len(others) and not any(other.table for other in others):
        paragraphs = with_tight_tables(page, text, paragraphs, words)
    return with_typed_tables(page, text, with_listings(paragraphs), words)
