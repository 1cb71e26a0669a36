"""How busy one PDF of 5,000 scanned pages keeps 64 readers, whose pages only sleep.

    uv run pytest -n 0 -s -m benchmark tests/benchmarks/test_long_pdf.py

64 real readers would need 96 GB. What divides the pages among them is real (`shared_ranges`); they take as long as OCR
does, PDF_SPEED (10) times as fast. One reader alone reads the first pages, which show that the others are worth
sharing, and joins all pages at the end: that is done for real, with pages of OCR.
"""

import copy
import os
import pickle
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import pymupdf
import pytest

from ingest.models.text_model import find_text_model
from ingest.pdf.chunking import ChunkSettings
from ingest.pdf.document import DocumentSettings, prepare_documents
from ingest.pdf.page_ranges import RANGE_SECONDS, SHARED_SAMPLE, PageRange, read_range
from ingest.pdf.shared_document import Begun, finish_document
from ingest.stages.shared_ranges import Read, read_remaining

READERS = 64
PAGES = 5000
SPEED = float(os.environ.get("PDF_SPEED", 10))
PAGE_SECONDS, SPREAD = 3.6, 0.5
"""Seconds of OCR of a page of middling length on one core, and the standard deviation of their logarithm."""

START_SECONDS = 1.5
"""Seconds until the process of a reader has imported the parser."""

pytestmark = [pytest.mark.benchmark, pytest.mark.timeout(1800)]


class Readers:
    """Gives out readers, and notes what each has read and for how long."""

    def __init__(self) -> None:
        self._seconds = np.random.default_rng(0).lognormal(np.log(PAGE_SECONDS), SPREAD, PAGES + 1)
        self._left = READERS - 1
        self._lock = threading.Lock()
        self.busy = 0.0
        self.pages: list[int] = []

    def __call__(self, wanted: int) -> list:
        count = max(0, min(wanted, self._left))
        self._left -= count
        return [self._reader() for _ in range(count)]

    @contextmanager
    def _reader(self) -> Iterator[Read[PageRange]]:
        time.sleep(START_SECONDS / SPEED)
        yield self.read

    def read(self, pages: PageRange) -> tuple[int, bytes]:
        """Sleep until the range is long enough, as a real one ends."""
        taken, number = 0.0, pages.first
        while number <= pages.last and taken < RANGE_SECONDS:
            taken += self._seconds[number]
            number += 1
        time.sleep(taken / SPEED)
        with self._lock:
            self.busy += taken
            self.pages += range(pages.first, number)
        return number - pages.first, b""


def joining(path, model: str) -> float:
    """Seconds of joining a document of so many pages, each of which has the words of a scan in another order."""
    with pymupdf.open() as printed, pymupdf.open() as document:
        words = " ".join(f"Sentence {number} of the report speaks of tides, boats and weather." for number in range(60))
        source = printed.new_page()
        source.insert_textbox(pymupdf.Rect(50, 50, 545, 792), words, fontsize=10)
        picture = source.get_pixmap(dpi=150).tobytes("jpg")
        for _ in range(PAGES):
            page = document.new_page()
            page.insert_image(page.rect, stream=picture)
        [scan] = read_range(document, PageRange(1, 1), True, False)
        document.save(path)
    assert scan.raw.kind == "ocr"
    chance, ranges = np.random.default_rng(0), []
    for number in range(1, PAGES + 1):
        page = copy.deepcopy(scan)
        page.raw.number = number
        for paragraph in page.raw.paragraphs:
            texts = [line.text for line in paragraph.lines]
            paragraph.lines[:] = [
                line._replace(text=" ".join(chance.permutation(text.split())))
                for line, text in zip(paragraph.lines, chance.permutation(texts), strict=True)
            ]
        ranges.append(pickle.dumps([page]))
    tokenizer = find_text_model(model).tokenizer_json
    prepare_documents(tokenizer)
    began = time.perf_counter()
    joined = finish_document(str(path), ranges, DocumentSettings(ChunkSettings(200, 0), 20_000))
    assert (joined.pages, joined.metadata["ocr_pages"]) == (PAGES, PAGES) and len(joined.chunks) > PAGES
    return time.perf_counter() - began


def test_one_document_keeps_the_readers_busy(figures, minilm_path, tmp_path):
    joined = joining(tmp_path / "long.pdf", minilm_path)
    readers = Readers()
    first = [readers.read(PageRange(number, number)) for number in range(1, SHARED_SAMPLE + 1)]
    alone = readers.busy
    began = time.perf_counter()
    read_remaining(Begun(b"", len(first), PAGES, PAGE_SECONDS, 0, []), readers.read, readers)
    seconds = alone + SPEED * (time.perf_counter() - began) + joined
    assert sorted(readers.pages) == list(range(1, PAGES + 1))
    share = readers.busy / (READERS * seconds)
    figures.note(
        "large", f"a PDF of {PAGES:,} scanned pages", share,
        f"{READERS} readers whose pages sleep; {seconds:.0f} s, of which one reader alone takes {alone:.0f} s for the "
        f"first {len(first)} pages and {joined:.0f} s to join all pages, which is done for real",
    )  # fmt: skip
    assert share > 0.8
