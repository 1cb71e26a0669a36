"""A PDF's bytes to chunks and figures: what the sandbox's child does for each file."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ingest.common.errors import ObjectError
from ingest.common.failures import Failure
from ingest.common.sandbox_child import report_progress
from ingest.pdf.chunking import Chunk, ChunkSettings, chunk_pages
from ingest.pdf.columns import reading_order
from ingest.pdf.figures import Figure, Figures
from ingest.pdf.language import language_of
from ingest.pdf.layout import Paragraph, paragraphs_of, unreadable, whole
from ingest.pdf.ocr import read_picture
from ingest.pdf.reader import damaged, open_pdf, pdf_metadata
from ingest.pdf.right_to_left import has_right_to_left, to_logical_order
from ingest.pdf.structure import Page, RawPage, structure
from ingest.pdf.tables import MIN_BESIDE, with_tables

if TYPE_CHECKING:
    import pymupdf

MAX_TEXT = 100_000_000
"""Characters of one file. The largest books have a few million; a compressed stream can hold any number."""

SCAN_TEXT = 50
"""Characters that a scanned page may have beside its picture: a stamp, or a page number."""

SCAN_COVER = 0.5
"""Share of a page that pictures cover if it is a scan."""

SAMPLE_PAGES, SAMPLE_PARAGRAPHS = 10, 5
"""What a document's language is told from."""


@dataclass(frozen=True, slots=True)
class DocumentSettings:
    """How a file is read: `ocr` reads pages that are pictures, `figures` hands pictures on."""

    chunks: ChunkSettings
    max_pages: int
    ocr: bool = True
    figures: bool = False


@dataclass(frozen=True, slots=True)
class Document:
    """A file as it was read.

    `metadata` has `pages`, `ocr_pages` (how many were read by OCR), and where known `title`, `author`, `created`,
    `modified` (ISO 8601) and `language` (ISO 639).
    """

    chunks: list[Chunk]
    figures: list[Figure]
    pages: int
    metadata: dict[str, Any]


_tokenizer_json = ""


def prepare(tokenizer_json: str) -> None:
    """Import the parsers, and keep the tokenizer: megabytes that are sent once and not with every file.

    OCR is loaded by the first page that needs it.
    """
    for name in ("pymupdf", "semantic_text_splitter", "tokenizers"):
        importlib.import_module(name)
    global _tokenizer_json
    _tokenizer_json = tokenizer_json


def read_document(data: bytes, settings: DocumentSettings) -> Document:
    """Parse and chunk a PDF with the tokenizer of `prepare`.

    Raises:
        ObjectError: what `parse_pdf` raises.
        MemoryError: there is not enough.
    """
    pages, figures, metadata = parse_pdf(data, settings.max_pages, settings.ocr, settings.figures)
    chunks = list(chunk_pages(pages, _tokenizer_json, settings.chunks))
    return Document(chunks, figures, len(pages), metadata)


def parse_pdf(
    data: bytes, max_pages: int | None = None, ocr: bool = True, figures: bool = False
) -> tuple[list[Page], list[Figure], dict[str, Any]]:
    """The pages of a PDF, those without text included, its figures if asked for, and its metadata.

    Raises:
        ObjectError: what `open_pdf` raises, `Damaged` for a page, and `TooMuchText`.
        MemoryError: there is not enough for it.
    """
    raw: list[RawPage] = []
    characters = 0
    with open_pdf(data, max_pages) as document:
        found = Figures(document) if figures else None
        for number in range(1, document.page_count + 1):
            try:
                page = _upright(document[number - 1])
                raw.append(_read_page(page, number, ocr))
                if found is not None:
                    found.add(page, raw[-1])
            except Exception as error:
                raise damaged(error, number) from None
            characters += sum(len(line.text) for paragraph in raw[-1].paragraphs for line in paragraph.lines)
            if characters > MAX_TEXT:
                raise ObjectError(
                    Failure.TOO_MUCH_TEXT, f"the PDF's text has more than {MAX_TEXT / 1e6:.0f} million characters"
                )
        pages = structure(raw)
        metadata = {**pdf_metadata(document), "pages": len(pages)}
        metadata["ocr_pages"] = sum(page.kind == "ocr" for page in pages)
        if language := language_of(_sample(pages)) or (document.language or "").split("-")[0]:
            metadata["language"] = language
        return pages, found.chosen() if found is not None else [], metadata


def _upright(page: pymupdf.Page) -> pymupdf.Page:
    """The page as it is shown, where the file says that it is to be turned: MuPDF gives positions before that."""
    if page.rotation:
        page.remove_rotation()
    return page


def _read_page(page: pymupdf.Page, number: int, ocr: bool) -> RawPage:
    import pymupdf

    # No pictures, which MuPDF would decode; ligatures as they are, since it takes those of Arabic apart in the wrong
    # order; and U+FFFD for a glyph without a known character, where it else gives the glyph's number in the font.
    flags = pymupdf.TEXT_PRESERVE_WHITESPACE | pymupdf.TEXT_PRESERVE_LIGATURES | pymupdf.TEXT_MEDIABOX_CLIP
    text = page.get_textpage(flags=flags)
    content = page.get_text("dict", textpage=text)
    level, sideways = paragraphs_of(content)
    words = None
    if has_right_to_left(level):
        words = to_logical_order(page, text, content)
        level, sideways = paragraphs_of(content)
    if ocr and _is_picture(page, level + sideways):
        read = read_picture(page)
        report_progress()
        if read:
            return RawPage(number, page.rect.height, "ocr", read)
    paragraphs, beside = reading_order(level) if len(level) >= len(sideways) else (level, 0)
    paragraphs = whole(paragraphs) + sideways
    if beside >= MIN_BESIDE:
        paragraphs = with_tables(page, text, paragraphs, words)
    return RawPage(number, content["height"], "text", paragraphs)


def _is_picture(page: pymupdf.Page, paragraphs: list[Paragraph]) -> bool:
    """Whether only OCR can tell what the page says: a scan without a text layer, or a broken one."""
    text = "".join([line.text for paragraph in paragraphs for line in paragraph.lines])
    if unreadable(text):
        return True
    if len(text) > SCAN_TEXT and len("".join(text.split())) > SCAN_TEXT:
        return False
    area = abs(page.rect)
    covered = sum(abs(page.rect & image["bbox"]) for image in page.get_image_info())
    return bool(area) and covered >= SCAN_COVER * area


def _sample(pages: list[Page]) -> str:
    """The longest paragraphs of the beginning: names, addresses and numbers are in no language."""
    texts = [block.text for page in pages[:SAMPLE_PAGES] for block in page.blocks if not block.table]
    return "\n".join(sorted(texts, key=len, reverse=True)[:SAMPLE_PARAGRAPHS])
