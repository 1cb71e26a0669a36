"""Splits pages into chunks by paragraph, sentence and word; sizes are in tokens of the embedding model."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import accumulate, groupby
from typing import TYPE_CHECKING, Any

from ingest.common.sandbox_child import report_progress
from ingest.common.tokenizer import tokenizer_of
from ingest.pdf.places import PLACE, TablePlaces, TextBox, TextPlaces, place_on
from ingest.pdf.structure import Block, Page, TextSource
from ingest.pdf.table_parts import table_parts

if TYPE_CHECKING:
    from semantic_text_splitter import TextSplitter
    from tokenizers import Tokenizer

MAX_CHARACTERS = 8000
"""A longer page is cut into pieces of this size before it is split, so that no chunk is longer.

A tokenizer may turn a megabyte without spaces into one token; at most four bytes per character in UTF-8 keep a chunk
below the 65,535 bytes of a Milvus VARCHAR. Besides, the splitter's time is quadratic in the length of text without
sentences: 8,000 Chinese characters without punctuation take a third of a second, 330,000 would take minutes.
"""


@dataclass(frozen=True, slots=True)
class ChunkSettings:
    """Size and overlap of chunks in tokens, not counting the model's special tokens."""

    tokens: int
    overlap: int


@dataclass(frozen=True, slots=True)
class Chunk:
    """A passage of one page; `page` counts from 1.

    `metadata` holds `headings`, the headings above the passage (outermost first), if there are any; for a part of a
    table `table: true`; and `place`, its place on the page (`place_on`).
    """

    page: int
    text: str
    kind: TextSource = "text"
    metadata: dict[str, Any] = field(default_factory=dict)


@lru_cache(maxsize=4)
def _splitter(tokenizer_json: str, tokens: int, overlap: int) -> tuple[TextSplitter, Tokenizer]:
    from semantic_text_splitter import TextSplitter

    tokenizer = tokenizer_of(tokenizer_json)
    return TextSplitter.from_huggingface_tokenizer(tokenizer, tokens, overlap=overlap), tokenizer


def chunk_pages(pages: Iterable[Page], tokenizer_json: str, settings: ChunkSettings) -> Iterator[Chunk]:
    """Yield the chunks of the pages in order. A chunk never spans two pages, so that every hit has a page.

    A table is a chunk of its own. One that is too large is split (`table_parts`).

    Args:
        pages: the result of `detect_structure`.
        tokenizer_json: contents of the model's `tokenizer.json`.
        settings: size and overlap.
    """
    splitter, tokenizer = _splitter(tokenizer_json, settings.tokens, settings.overlap)
    cells, _ = _splitter(tokenizer_json, max(settings.tokens // 4, 1), 0)

    def count(texts: Sequence[str]) -> list[int]:
        return [len(found.ids) for found in tokenizer.encode_batch_fast(list(texts), add_special_tokens=False)]

    def cut(text: str) -> list[str]:
        return [found for _, piece in _pieces(text) for found in cells.chunks(piece)]

    for page in pages:
        report_progress()  # their number is bounded
        for table, group in groupby(page.blocks, key=lambda block: block.table):
            for block in group if table else ():
                rows = TablePlaces(block.boxes, block.text, block.head)
                for part in table_parts(block.text, count, cut, settings.tokens, block.head, block.covered):
                    for text in (text for _, piece in _pieces(part) for text in splitter.chunks(piece)):
                        place = _place(page, rows.boxes_of(text))
                        yield Chunk(page.number, text, page.kind, _metadata(block) | {"table": True} | place)
            blocks = [] if table else list(group)
            # A heading ends in a single line break, since the splitter cuts at blank lines first.
            texts = [block.text + ("\n" if block.heading else "\n\n") for block in blocks]
            starts = list(accumulate(map(len, texts), initial=0))
            text = "".join(texts).rstrip()
            places = [TextPlaces(block.boxes, block.text) for block in blocks]
            for offset, piece in _pieces(text):
                for start, passage in splitter.chunk_indices(piece):
                    begin = offset + start
                    first = bisect_right(starts, begin, hi=len(blocks)) - 1
                    boxes = _boxes(places, starts, first, begin, begin + len(passage))
                    yield Chunk(page.number, passage, page.kind, _metadata(blocks[first]) | _place(page, boxes))


def _metadata(block: Block) -> dict[str, Any]:
    return {"headings": list(block.headings)} if block.headings else {}


def _boxes(places: Sequence[TextPlaces], starts: Sequence[int], first: int, begin: int, end: int) -> Iterator[TextBox]:
    """Yield the boxes of the text between two offsets on the page, which begins in the block number `first`.

    `starts` has the offset of each block, and of the end of the page.
    """
    for number in range(first, len(places)):
        if starts[number] >= end:
            break
        yield from places[number].boxes_between(begin - starts[number], end - starts[number])


def _place(page: Page, boxes: Iterable[TextBox]) -> dict[str, Any]:
    return {} if page.size is None else {PLACE: place_on(page.size, boxes)}


def _pieces(text: str) -> Iterator[tuple[int, str]]:
    """Cut a text into pieces of at most MAX_CHARACTERS: between paragraphs, else between words, else anywhere.

    Yields:
        The offset of each piece, and the piece.
    """
    start = 0
    while len(text) - start > MAX_CHARACTERS:
        end = start + MAX_CHARACTERS
        cuts = (text.rfind("\n\n", start + 1, end), text.rfind(" ", start + 1, end), end)
        cut = next(cut for cut in cuts if cut > start)
        yield start, text[start:cut]
        start = cut
    yield start, text[start:]
