"""Split pages into chunks, by paragraph, then sentence, then word, sized in tokens of the embedding model."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache

from ingest.pdf import Page

MAX_CHARACTERS = 8000
"""No chunk is longer, whatever its tokens: a tokenizer may make one token of a megabyte without spaces.

Four bytes a character at most in UTF-8 keeps it under the 65,535 bytes that a Milvus VARCHAR can hold.
"""


@dataclass(frozen=True, slots=True)
class ChunkSettings:
    """Size and overlap of chunks in tokens, the model's special tokens not counted."""

    tokens: int
    overlap: int


@dataclass(frozen=True, slots=True)
class Chunk:
    """A passage of one page; `page` counts from 1."""

    page: int
    text: str


@lru_cache(maxsize=4)
def _splitter(tokenizer_json: str, tokens: int, overlap: int):  # type: ignore[no-untyped-def]  # an untyped Rust class
    from semantic_text_splitter import TextSplitter
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_str(tokenizer_json)
    # A saved tokenizer may truncate at the model's limit or pad to it, and then every long text counts the same.
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return TextSplitter.from_huggingface_tokenizer(tokenizer, tokens, overlap=overlap)


def chunk_pages(pages: Iterable[Page], tokenizer_json: str, settings: ChunkSettings) -> Iterator[Chunk]:
    """Yield the chunks of the pages in order. A chunk never crosses a page, so that every hit has its page.

    Args:
        pages: what `parse_pdf` yields.
        tokenizer_json: contents of the model's `tokenizer.json`.
        settings: size and overlap.
    """
    splitter = _splitter(tokenizer_json, settings.tokens, settings.overlap)
    for page in pages:
        for text in splitter.chunks(page.text):
            for start in range(0, len(text), MAX_CHARACTERS):
                yield Chunk(page.number, text[start : start + MAX_CHARACTERS])
