"""Parses a PDF into chunks and figures; runs in the sandbox's child process."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, cast

from ingest.common.errors import ObjectError
from ingest.common.failures import Failure
from ingest.common.objects import PARTLY_READ
from ingest.common.text import one_line
from ingest.pdf.chunking import Chunk, ChunkSettings, chunk_pages
from ingest.pdf.covers import check_payload, form_page, is_cover, is_portfolio, of_file, portfolio_files
from ingest.pdf.figures import Figure, render_figures
from ingest.pdf.language import detect_language
from ingest.pdf.memory import check_memory
from ingest.pdf.page_ranges import PageRange, ReadPage, join_pages, read_range
from ingest.pdf.places import NO_PAGE, PLACE, place_on
from ingest.pdf.reader import open_pdf, pdf_metadata, too_many_pages
from ingest.pdf.rendering import render
from ingest.pdf.structure import Page, RawPage, detect_structure

if TYPE_CHECKING:
    import pymupdf

INK_SCALE, INK_SIDE = 0.5, 2000
"""Pixels per point in which it is seen whether a page is blank, and the most pixels of its longer side."""

SAMPLE_PAGES, SAMPLE_PARAGRAPHS = 10, 5
"""Number of pages, and of paragraphs on them, from which a document's language is detected."""


@dataclass(frozen=True, slots=True)
class DocumentSettings:
    """How a file is read.

    `ocr`: read scanned pages by OCR; `figures`: extract figures; `keep`: return the pages beside the chunks.
    """

    chunks: ChunkSettings
    max_pages: int
    ocr: bool = True
    figures: bool = False
    keep: bool = False


@dataclass(frozen=True, slots=True)
class Document:
    """A parsed file.

    `metadata` holds `pages`, `ocr_pages` (the number of pages read by OCR) and, if known, `title`, `author`, `created`,
    `modified` (ISO 8601), `language` (ISO 639) and `partly_read` (the parts that are lost, as clauses about "it").
    `structure` has the pages if the settings say `keep`.
    """

    chunks: list[Chunk]
    figures: list[Figure]
    pages: int
    metadata: dict[str, Any]
    structure: Sequence[Page] = ()


_tokenizer_json = ""


def prepare_documents(tokenizer_json: str) -> None:
    """Import the parsers and keep the tokenizer: its megabytes are sent once and not with every file.

    The first page that needs OCR loads it.
    """
    import_parsers("pymupdf", "semantic_text_splitter", "tokenizers")
    global _tokenizer_json
    _tokenizer_json = tokenizer_json


def import_parsers(*names: str) -> None:
    """Import packages that nobody should import before the child process of a sandbox does."""
    # PyMuPDF would import its layout analysis, which nothing here uses, and which takes longer than all of the rest.
    cast(Any, sys.modules)["pymupdf.layout"] = None
    for name in names:
        importlib.import_module(name)


def read_document(data: bytes, settings: DocumentSettings) -> Document:
    """Parse a PDF, and chunk it with the tokenizer given to `prepare_documents`.

    Raises:
        ObjectError: as in `parse_pdf`.
        MemoryError: there is not enough memory.
    """
    return chunked(*parse_pdf(data, settings.max_pages, settings.ocr, settings.figures), settings)


def chunked(pages: list[Page], figures: list[Figure], metadata: dict[str, Any], settings: DocumentSettings) -> Document:
    chunks = list(chunk_pages(pages, _tokenizer_json, settings.chunks))
    return Document(chunks, figures, metadata["pages"], metadata, pages if settings.keep else ())


def read_again(
    pages: list[Page], figures: list[Figure], metadata: dict[str, Any], settings: DocumentSettings
) -> Document:
    """Do the rest of `read_document` for the result of an earlier `parse_pdf`, whose empty pages may be left out.

    Raises:
        ObjectError: there are too many pages.
    """
    if metadata["pages"] > settings.max_pages:
        raise too_many_pages(metadata["pages"], settings.max_pages)
    return chunked(pages, figures, metadata, settings)


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
        form = form_of(document)
        pages = read_range(document, PageRange(1, document.page_count), ocr, figures) if form is None else []
        return parsed(document, form, pages, max_pages, ocr, figures, losses)


def form_of(document: pymupdf.Document) -> RawPage | None:
    """Return the page of a document that is a form, as in `form_page`, unless the document is only a cover."""
    check_payload(document)
    return form_page(document)


def parsed(
    document: pymupdf.Document,
    form: RawPage | None,
    read: list[ReadPage],
    max_pages: int | None,
    ocr: bool,
    figures: bool,
    losses: list[str],
) -> tuple[list[Page], list[Figure], dict[str, Any]]:
    """Return the result of `parse_pdf` from the pages of a document, or from the form that it is."""
    raw, places = join_pages(document, read, ocr, figures, losses) if form is None else ([form], [])
    pages = detect_structure(raw)
    pictures = render_figures(document, places)
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
        pictures += [replace(figure, metadata={**figure.metadata, PLACE: place_on(NO_PAGE, ())}) for figure in seen]
        if max_pages is not None and len(pages) > max_pages:
            raise too_many_pages(len(pages), max_pages)
    return pages or notice, pictures


def _is_cover(pages: list[Page]) -> bool:
    return is_cover("".join(page.text for page in pages[:2]), len(pages))


def _has_ink(document: pymupdf.Document) -> bool:
    """Whether a page is not blank."""
    import pymupdf

    for number in range(document.page_count):
        try:
            page = document[number]
            scale = min(INK_SCALE, INK_SIDE / max(page.rect.width, page.rect.height, 1))
            image = render(page, matrix=pymupdf.Matrix(scale, scale), colorspace=pymupdf.csGRAY, alpha=False)
        except Exception as error:  # MuPDF's own are of many types, for a damaged page
            check_memory(error)
            continue
        if len(set(image.samples)) > 1:
            return True
    return False


def _language_sample(pages: list[Page]) -> str:
    """Return the longest paragraphs of the first pages: names, addresses and numbers have no language."""
    texts = [block.text for page in pages[:SAMPLE_PAGES] for block in page.blocks if not block.table]
    return "\n".join(sorted(texts, key=len, reverse=True)[:SAMPLE_PARAGRAPHS])
