"""Parses a PDF into chunks and figures; runs in the sandbox's child process."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ingest.common.errors import ObjectError
from ingest.common.failures import Failure
from ingest.common.sandbox_child import report_progress
from ingest.pdf.chunking import Chunk, ChunkSettings, chunk_pages
from ingest.pdf.columns import reading_order
from ingest.pdf.figures import Figure, FigureCollector
from ingest.pdf.language import detect_language
from ingest.pdf.layout import Paragraph, is_unreadable, join_split_paragraphs, paragraphs_of
from ingest.pdf.ocr import ocr_page
from ingest.pdf.reader import damaged, open_pdf, pdf_metadata
from ingest.pdf.right_to_left import has_right_to_left, to_logical_order
from ingest.pdf.structure import Page, RawPage, detect_structure
from ingest.pdf.tables import MIN_SIDE_BY_SIDE, with_tables

if TYPE_CHECKING:
    import pymupdf

MAX_DOCUMENT_TEXT = 100_000_000
"""Maximum number of characters of a file. The largest books have a few million; a compressed stream may hold any."""

MAX_SCAN_TEXT = 50
"""Number of characters that a scanned page may have besides its image: a stamp, or a page number."""

MIN_SCAN_COVERAGE = 0.5
"""Minimum share of a scanned page that images cover."""

SAMPLE_PAGES, SAMPLE_PARAGRAPHS = 10, 5
"""Number of pages, and of paragraphs on them, from which a document's language is detected."""


@dataclass(frozen=True, slots=True)
class DocumentSettings:
    """How a file is read. `ocr`: read scanned pages by OCR; `figures`: extract figures."""

    chunks: ChunkSettings
    max_pages: int
    ocr: bool = True
    figures: bool = False


@dataclass(frozen=True, slots=True)
class Document:
    """A parsed file.

    `metadata` holds `pages`, `ocr_pages` (the number of pages read by OCR) and, if known, `title`, `author`, `created`,
    `modified` (ISO 8601) and `language` (ISO 639).
    """

    chunks: list[Chunk]
    figures: list[Figure]
    pages: int
    metadata: dict[str, Any]


_tokenizer_json = ""


def prepare_documents(tokenizer_json: str) -> None:
    """Import the parsers and keep the tokenizer: its megabytes are sent once and not with every file.

    The first page that needs OCR loads it.
    """
    for name in ("pymupdf", "semantic_text_splitter", "tokenizers"):
        importlib.import_module(name)
    global _tokenizer_json
    _tokenizer_json = tokenizer_json


def read_document(data: bytes, settings: DocumentSettings) -> Document:
    """Parse a PDF, and chunk it with the tokenizer given to `prepare_documents`.

    Raises:
        ObjectError: as in `parse_pdf`.
        MemoryError: there is not enough memory.
    """
    pages, figures, metadata = parse_pdf(data, settings.max_pages, settings.ocr, settings.figures)
    chunks = list(chunk_pages(pages, _tokenizer_json, settings.chunks))
    return Document(chunks, figures, len(pages), metadata)


def parse_pdf(
    data: bytes, max_pages: int | None = None, ocr: bool = True, figures: bool = False
) -> tuple[list[Page], list[Figure], dict[str, Any]]:
    """Return the pages of a PDF (also those without text), its figures if requested, and its metadata.

    Raises:
        ObjectError: as in `open_pdf`, `Damaged` for a page, and `TooMuchText`.
        MemoryError: there is not enough memory.
    """
    raw: list[RawPage] = []
    characters = 0
    with open_pdf(data, max_pages) as document:
        found = FigureCollector(document) if figures else None
        for number in range(1, document.page_count + 1):
            try:
                page = _as_displayed(document[number - 1])
                raw.append(_read_page(page, number, ocr))
                if found is not None:
                    found.add(page, raw[-1])
            except Exception as error:
                raise damaged(error, number) from None
            characters += sum(len(line.text) for paragraph in raw[-1].paragraphs for line in paragraph.lines)
            if characters > MAX_DOCUMENT_TEXT:
                raise ObjectError(
                    Failure.TOO_MUCH_TEXT,
                    f"the PDF's text has more than {MAX_DOCUMENT_TEXT / 1e6:.0f} million characters",
                )
        pages = detect_structure(raw)
        metadata = {**pdf_metadata(document), "pages": len(pages)}
        metadata["ocr_pages"] = sum(page.kind == "ocr" for page in pages)
        if language := detect_language(_language_sample(pages)) or (document.language or "").split("-")[0]:
            metadata["language"] = language
        return pages, found.render() if found is not None else [], metadata


def _as_displayed(page: pymupdf.Page) -> pymupdf.Page:
    """Apply the page's rotation: otherwise MuPDF returns positions on the unrotated page."""
    if page.rotation:
        page.remove_rotation()
    return page


def _read_page(page: pymupdf.Page, number: int, ocr: bool) -> RawPage:
    import pymupdf

    # These flags exclude images, which MuPDF would decode; keep ligatures, since MuPDF splits Arabic ones in the wrong
    # order; and give U+FFFD for an unknown glyph, for which MuPDF otherwise gives its number in the font.
    flags = pymupdf.TEXT_PRESERVE_WHITESPACE | pymupdf.TEXT_PRESERVE_LIGATURES | pymupdf.TEXT_MEDIABOX_CLIP
    text = page.get_textpage(flags=flags)
    content = page.get_text("dict", textpage=text)
    horizontal, others = paragraphs_of(content)
    words = None
    if has_right_to_left(horizontal):
        words = to_logical_order(page, text, content)
        horizontal, others = paragraphs_of(content)
    if ocr and _needs_ocr(page, horizontal + others):
        read = ocr_page(page)
        report_progress()
        if read:
            return RawPage(number, page.rect.height, "ocr", read)
    paragraphs, side_by_side = reading_order(horizontal) if len(horizontal) >= len(others) else (horizontal, 0)
    paragraphs = join_split_paragraphs(paragraphs) + others
    if side_by_side >= MIN_SIDE_BY_SIDE:
        paragraphs = with_tables(page, text, paragraphs, words)
    return RawPage(number, content["height"], "text", paragraphs)


def _needs_ocr(page: pymupdf.Page, paragraphs: list[Paragraph]) -> bool:
    """Whether a page can only be read by OCR: it is a scan without a text layer, or its text layer is broken."""
    text = "".join([line.text for paragraph in paragraphs for line in paragraph.lines])
    if is_unreadable(text):
        return True
    if len(text) > MAX_SCAN_TEXT and len("".join(text.split())) > MAX_SCAN_TEXT:
        return False
    area = abs(page.rect)
    covered = sum(abs(page.rect & image["bbox"]) for image in page.get_image_info())
    return bool(area) and covered >= MIN_SCAN_COVERAGE * area


def _language_sample(pages: list[Page]) -> str:
    """Return the longest paragraphs of the first pages: names, addresses and numbers have no language."""
    texts = [block.text for page in pages[:SAMPLE_PAGES] for block in page.blocks if not block.table]
    return "\n".join(sorted(texts, key=len, reverse=True)[:SAMPLE_PARAGRAPHS])
