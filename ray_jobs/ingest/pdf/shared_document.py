"""Parses a PDF in several processes: one begins it, any number read ranges of its pages, and one finishes it.

The result is that of `read_document`. All of it runs in the child processes of sandboxes.
"""

from __future__ import annotations

import mmap
import pickle
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from ingest.pdf.covers import is_portfolio
from ingest.pdf.document import Document, DocumentSettings, chunked, form_of, import_parsers, parsed
from ingest.pdf.figures import examined_before
from ingest.pdf.page_ranges import (
    SHARED_SAMPLE,
    Cut,
    PageRange,
    ReadPage,
    is_long_enough,
    is_worth_sharing,
    read_range,
    right_checks,
)
from ingest.pdf.reader import open_pdf


@dataclass(frozen=True, slots=True)
class Begun:
    """A document whose first pages are read, and whose others are worth sharing.

    Attributes:
        found: its first pages, a pickled list of `ReadPage`: they are large, and only `finish_document` looks at them.
        read: their number.
        count: the number of all its pages.
        unit_seconds: how long each of the others is likely to take.
        right: as in `PageRange`, for all pages after them.
        segments: as in `PageRange`, for each page of the document; empty without figures.
    """

    found: bytes
    read: int
    count: int
    unit_seconds: float
    right: int
    segments: list[int]

    def range(self, first: int, last: int) -> PageRange:
        """The pages from `first` to `last`, which come after those that are read."""
        return PageRange(first, last, self.right, self.segments[first - 1] if self.segments else 0)


def begin_document(data: bytes, settings: DocumentSettings, cut: Cut = is_worth_sharing) -> Document | Begun:
    """Do the same as `read_document`, or only begin if `cut` ends the first range of pages.

    The others are for `read_pages`, in any number of processes, and then all are for `finish_document`.
    """
    losses: list[str] = []
    with open_pdf(data, settings.max_pages, losses) as document:
        form = form_of(document)
        pages: list[ReadPage] = []
        if form is None:
            every = PageRange(1, document.page_count)
            cut_here = None if is_portfolio(document) else cut
            pages = read_range(document, every, settings.ocr, settings.figures, cut_here)
            if len(pages) < document.page_count:
                segments = examined_before(document) if settings.figures else []
                found = pickle.dumps(pages, pickle.HIGHEST_PROTOCOL)
                seconds = min(page.seconds for page in pages[-SHARED_SAMPLE:])
                return Begun(found, len(pages), document.page_count, seconds, right_checks(pages), segments)
        return chunked(
            *parsed(document, form, pages, settings.max_pages, settings.ocr, settings.figures, losses), settings
        )


def read_pages(path: str, pages: PageRange, settings: DocumentSettings, cut: Cut = is_long_enough) -> tuple[int, bytes]:
    """Read pages of the file `path` until `cut` ends the range; return their number, and a pickled list of `ReadPage`.

    Raises:
        ObjectError: there is too much text.
        MemoryError: there is not enough memory.
    """
    with _mapped(path) as data, open_pdf(data, None, []) as document:
        found = read_range(document, pages, settings.ocr, settings.figures, cut)
    return len(found), pickle.dumps(found, pickle.HIGHEST_PROTOCOL)


def finish_document(path: str, ranges: Sequence[bytes], settings: DocumentSettings) -> Document:
    """Do the rest of `read_document`, with the ranges of all pages of the file `path` in order.

    Raises:
        ObjectError: as in `parse_pdf`.
        MemoryError: there is not enough memory.
    """
    losses: list[str] = []
    pages = [page for part in ranges for page in pickle.loads(part)]
    with _mapped(path) as data, open_pdf(data, settings.max_pages, losses) as document:
        found = parsed(document, None, pages, settings.max_pages, settings.ocr, settings.figures, losses)
    return chunked(*found, settings)


def prepare_reader() -> None:
    """Import the parser for `read_pages`."""
    import_parsers("pymupdf")


@contextmanager
def _mapped(path: str) -> Iterator[memoryview]:
    """The bytes of a file, which all processes that read it share."""
    with (
        Path(path).open("rb") as file,
        mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content,
        memoryview(content) as view,
    ):
        yield view
