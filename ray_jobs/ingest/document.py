"""A PDF's bytes to chunks: what the sandbox's child does for each file."""

from __future__ import annotations

import importlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from ingest.chunking import Chunk, ChunkSettings, chunk_pages
from ingest.errors import ObjectError
from ingest.pdf import Page, parse_pdf

MAX_TEXT = 100_000_000
"""Characters of one file. The largest books have a few million; a compressed stream can hold any number."""


@dataclass(frozen=True, slots=True)
class Document:
    """The chunks of a file, and how many pages it has."""

    chunks: list[Chunk]
    pages: int


_tokenizer_json = ""


def prepare(tokenizer_json: str) -> None:
    """Import the parsers, and keep the tokenizer: megabytes that are sent once and not with every file."""
    for name in ("pymupdf", "semantic_text_splitter", "tokenizers"):
        importlib.import_module(name)
    global _tokenizer_json
    _tokenizer_json = tokenizer_json


def read_document(data: bytes, settings: ChunkSettings, max_pages: int) -> Document:
    """Parse and chunk a PDF with the tokenizer of `prepare`.

    Raises:
        ObjectError: what `parse_pdf` raises, and `TooMuchText`.
        MemoryError: there is not enough.
    """
    pages = 0

    def counted(parsed: Iterable[Page]) -> Iterator[Page]:
        nonlocal pages
        characters = 0
        for page in parsed:
            pages += 1
            characters += len(page.text)
            if characters > MAX_TEXT:
                raise ObjectError(
                    "parse", "TooMuchText", f"the PDF's text has more than {MAX_TEXT / 1e6:.0f} million characters"
                )
            yield page

    chunks = list(chunk_pages(counted(parse_pdf(data, max_pages)), _tokenizer_json, settings))
    return Document(chunks, pages)
