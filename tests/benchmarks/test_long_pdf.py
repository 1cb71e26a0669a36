"""How busy one PDF of 5,000 scanned pages keeps 64 readers, whose pages only sleep.

    uv run pytest -n 0 -s -m benchmark tests/benchmarks/test_long_pdf.py

64 real readers would need 96 GB. What divides the pages among them is real (`shared_ranges`); they take as long as OCR
does, PDF_SPEED (10) times as fast.
"""

import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import pytest

from ingest.pdf.page_ranges import RANGE_SECONDS, PageRange
from ingest.pdf.shared_document import Begun
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


def test_one_document_keeps_the_readers_busy(figures):
    readers = Readers()
    began = time.perf_counter()
    read_remaining(Begun(b"", 0, PAGES, PAGE_SECONDS, 0, []), readers.read, readers)
    seconds = SPEED * (time.perf_counter() - began)
    assert sorted(readers.pages) == list(range(1, PAGES + 1))
    share = readers.busy / (READERS * seconds)
    figures.note(
        "large", f"a PDF of {PAGES:,} scanned pages", share,
        f"{READERS} readers whose pages sleep; {seconds:.0f} s, their start included",
    )  # fmt: skip
    assert share > 0.8
