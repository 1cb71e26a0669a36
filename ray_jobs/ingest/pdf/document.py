"""Parses a PDF into chunks and figures; runs in the sandbox's child process."""

from __future__ import annotations

import importlib
import sys
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from ingest.common.errors import ObjectError
from ingest.common.failures import Failure
from ingest.common.objects import PARTLY_READ
from ingest.common.sandbox_child import report_progress
from ingest.common.text import one_line
from ingest.pdf.chunking import Chunk, ChunkSettings, chunk_pages
from ingest.pdf.columns import reading_order
from ingest.pdf.covers import check_payload, form_page, is_cover, is_portfolio, of_file, portfolio_files
from ingest.pdf.figures import Figure, FigureCollector
from ingest.pdf.glyph_names import spell_out_ligatures
from ingest.pdf.glyphs import repair
from ingest.pdf.language import detect_language
from ingest.pdf.layout import join_split_paragraphs, paragraphs_of
from ingest.pdf.line_numbers import LineNumbers
from ingest.pdf.line_order import in_line_order
from ingest.pdf.memory import check_memory
from ingest.pdf.merge_layers import merge
from ingest.pdf.ocr import ocr_page
from ingest.pdf.page_boxes import as_displayed
from ingest.pdf.reader import lost_contents, open_pdf, pdf_metadata, take_warnings, too_many_pages
from ingest.pdf.right_to_left import has_right_to_left, to_logical_order
from ingest.pdf.structure import Page, RawPage, detect_structure
from ingest.pdf.tables import MIN_SIDE_BY_SIDE, with_tables
from ingest.pdf.text_layer import TextLayers, without_fonts

if TYPE_CHECKING:
    import pymupdf

MAX_DOCUMENT_TEXT = 100_000_000
"""Maximum number of characters of a file. The largest books have a few million; a compressed stream may hold any."""

MAX_NAMED = 5
"""Number of damaged pages whose numbers are named."""

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
    `modified` (ISO 8601), `language` (ISO 639) and `partly_read` (the parts that are lost, as clauses about "it").
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
    # PyMuPDF would import its layout analysis, which nothing here uses, and which takes longer than all of the rest.
    cast(Any, sys.modules)["pymupdf.layout"] = None
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

    Of a portfolio, it returns the pages of the PDFs in it, each with its number there.

    Raises:
        ObjectError: as in `open_pdf`, `Damaged` if no page can be read, `Placeholder` and `TooMuchText`.
        MemoryError: there is not enough memory.
    """
    losses: list[str] = []
    with open_pdf(data, max_pages, losses) as document:
        check_payload(document)
        form = form_page(document)
        found = FigureCollector(document) if figures else None
        raw = [form] if form is not None else _read_pages(document, ocr, found, losses)
        pages = detect_structure(raw)
        pictures = found.render() if found is not None else []
        metadata = pdf_metadata(document)
        if is_portfolio(document):
            inner = _read_portfolio(document, pages, max_pages, ocr, figures, losses)
            pages, pictures = inner[0], pictures + inner[1]
        if _is_cover(pages):
            reason = f" ({losses[0]})" if losses else ""
            raise ObjectError(Failure.PLACEHOLDER, f"the PDF shows a notice instead of its contents{reason}")
        if not pictures and not any(page.blocks for page in pages) and (form is not None or _has_ink(document)):
            losses.append("no text was found on its pages" + ("" if ocr else ", and OCR is off"))
        metadata["pages"] = len(pages)
        metadata["ocr_pages"] = sum(page.kind == "ocr" for page in pages)
        if language := detect_language(_language_sample(pages)) or (document.language or "").split("-")[0]:
            metadata["language"] = language
        if losses:
            metadata[PARTLY_READ] = "; ".join(losses)
        return pages, pictures, metadata


def _read_pages(
    document: pymupdf.Document, ocr: bool, figures: FigureCollector | None, losses: list[str]
) -> list[RawPage]:
    """Read the pages; one that is damaged is empty or short, and named in `losses`.

    Raises:
        ObjectError: no page can be read, or there is too much text.
        MemoryError: there is not enough memory.
    """
    layers = TextLayers() if ocr else None
    line_numbers = LineNumbers(document)
    raw: list[RawPage] = []
    damaged: list[int] = []
    fonts: set[int] = set()
    reason = ""
    characters = 0
    take_warnings()
    for number in range(1, document.page_count + 1):
        try:
            page = as_displayed(document[number - 1])
            spell_out_ligatures(page, fonts)
            raw.append(_read_page(page, number, layers, line_numbers))
            if figures is not None:
                figures.add(page, raw[-1])
        except Exception as error:
            check_memory(error)
            raw[number - 1 :] = [RawPage(number, 0, "text", [])]
            damaged.append(number)
            reason = reason or one_line(error, 80)
        if lost := lost_contents(take_warnings()):
            reason = reason or lost
            damaged += [number] if number not in damaged else []
        characters += sum(len(line.text) for paragraph in raw[-1].paragraphs for line in paragraph.lines)
        if characters > MAX_DOCUMENT_TEXT:
            raise ObjectError(
                Failure.TOO_MUCH_TEXT,
                f"the PDF's text has more than {MAX_DOCUMENT_TEXT / 1e6:.0f} million characters",
            )
    line_numbers.remove_from_scans(raw)
    if damaged and not characters:
        raise ObjectError(Failure.DAMAGED, f"no page of the PDF can be read ({reason})")
    if damaged:
        shown = ", ".join(map(str, damaged[:MAX_NAMED])) + (", ..." if len(damaged) > MAX_NAMED else "")
        count = f"{len(damaged)} of its {len(raw)} pages {'is' if len(damaged) == 1 else 'are'} damaged"
        losses.append(f"{count if len(raw) > 1 else 'its page is damaged'} ({shown}: {reason})")
    return raw


def _read_portfolio(
    document: pymupdf.Document,
    cover: list[Page],
    max_pages: int | None,
    ocr: bool,
    figures: bool,
    losses: list[str],
) -> tuple[list[Page], list[Figure]]:
    """Read the PDFs of a portfolio behind its own pages, unless those are only a notice.

    Raises:
        ObjectError: there are too many pages.
        MemoryError: there is not enough memory.
    """
    pages = [] if _is_cover(cover) else cover
    notice, pictures = cover if not pages else [], []
    for name, content in portfolio_files(document):
        try:
            found, seen, metadata = parse_pdf(content, max_pages, ocr, figures)
        except ObjectError as error:
            losses.append(f"the file '{one_line(name, 80)}' in it was left out ({error.problem})")
            continue
        if PARTLY_READ in metadata:
            losses.append(f"of the file '{one_line(name, 80)}' in it: {metadata[PARTLY_READ]}")
        pages = pages + of_file(found, name)
        pictures += seen
        if max_pages is not None and len(pages) > max_pages:
            raise too_many_pages(len(pages), max_pages)
    return pages or notice, pictures


def _is_cover(pages: list[Page]) -> bool:
    return is_cover("".join(page.text for page in pages[:2]), len(pages))


def _has_ink(document: pymupdf.Document) -> bool:
    """Whether a page is not blank."""
    import pymupdf

    for number in range(document.page_count):
        with suppress(RuntimeError, ValueError):  # damaged
            image = document[number].get_pixmap(dpi=36, colorspace=pymupdf.csGRAY, alpha=False)
            if len(set(image.samples)) > 1:
                return True
    return False


def _read_page(page: pymupdf.Page, number: int, layers: TextLayers | None, line_numbers: LineNumbers) -> RawPage:
    """Read a page, by OCR too if `layers` finds that its text layer does not have all of its text."""
    import pymupdf

    # These flags exclude images, which MuPDF would decode; keep ligatures, since MuPDF splits Arabic ones in the wrong
    # order; and give U+FFFD for an unknown glyph, for which MuPDF otherwise gives its number in the font.
    flags = pymupdf.TEXT_PRESERVE_WHITESPACE | pymupdf.TEXT_PRESERVE_LIGATURES | pymupdf.TEXT_MEDIABOX_CLIP
    text = page.get_textpage(flags=flags)
    content = page.get_text("dict", textpage=text)
    missing = layers.missing(page, content) if layers is not None else None
    horizontal, others = paragraphs_of(content)
    words = repair(page, text, content, [*horizontal, *others])
    if words is not None:
        horizontal, others = paragraphs_of(content)
    if has_right_to_left(horizontal):
        words = to_logical_order(page, text, content)
        horizontal, others = paragraphs_of(content)
    if missing is not None:
        read, turned = ocr_page(page, missing.known)
        report_progress()
        if read:
            if missing.fonts:
                horizontal, others = paragraphs_of(without_fonts(content, missing.fonts))
            return RawPage(number, page.rect.height, "ocr", merge(horizontal + others, read, turned))
    horizontal, readings = in_line_order(line_numbers.without(number, horizontal), content)
    paragraphs, side_by_side = reading_order(horizontal) if len(horizontal) >= len(others) else (horizontal, 0)
    paragraphs = join_split_paragraphs(paragraphs) + others + readings
    if side_by_side >= MIN_SIDE_BY_SIDE:
        paragraphs = with_tables(page, text, paragraphs, words)
    return RawPage(number, content["height"], "text", paragraphs)


def _language_sample(pages: list[Page]) -> str:
    """Return the longest paragraphs of the first pages: names, addresses and numbers have no language."""
    texts = [block.text for page in pages[:SAMPLE_PAGES] for block in page.blocks if not block.table]
    return "\n".join(sorted(texts, key=len, reverse=True)[:SAMPLE_PARAGRAPHS])
