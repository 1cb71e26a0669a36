"""Split pages into chunks, by paragraph, then sentence, then word, sized in tokens of the embedding model."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from ingest.pdf import Page

if TYPE_CHECKING:
    from semantic_text_splitter import TextSplitter

MAX_CHARACTERS = 8000
"""A longer page is cut into pieces of this size before it is split, so no chunk is longer, whatever its tokens.

A tokenizer may make one token of a megabyte without spaces; four bytes a character at most in UTF-8 keep a chunk under
the 65,535 bytes that a Milvus VARCHAR can hold. And the splitter's time grows with the square of a text that has no
sentences: 8,000 Chinese characters without punctuation take a third of a second, 330,000 at once would take minutes.
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
def _splitter(tokenizer_json: str, tokens: int, overlap: int) -> TextSplitter:
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
        for piece in _pieces(page.text):
            for text in splitter.chunks(piece):
                yield Chunk(page.number, text)


def _pieces(text: str) -> Iterator[str]:
    """Cut a text into pieces of at most MAX_CHARACTERS: between paragraphs, else between words, else anywhere."""
    start = 0
    while len(text) - start > MAX_CHARACTERS:
        end = start + MAX_CHARACTERS
        cuts = (text.rfind("\n\n", start + 1, end), text.rfind(" ", start + 1, end), end)
        cut = next(cut for cut in cuts if cut > start)
        yield text[start:cut]
        start = cut
    yield text[start:]
