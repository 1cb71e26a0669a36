"""Reads ranges of a document's pages: the steps that take long, and need no more than a page and its neighbours.

The ranges of a document may be read by several processes, each of which opens the document anew. Wherever the cuts are,
`join_pages` returns the pages that one range over the whole document gives. Four things go from page to page: the
columns of line numbers, of which a range reads those before it itself; the comparisons of text layers with what the
pages show, which end when some were right (`MAX_CHECKS`); the limit on drawings, for which `examined_before` counts
ahead; and a repair by MuPDF, which may find other objects from there on.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from ingest.common.errors import ObjectError
from ingest.common.failures import Failure
from ingest.common.sandbox_child import report_progress
from ingest.common.sharing import SHARED_SECONDS
from ingest.common.text import one_line
from ingest.pdf.code_pages import read_code_pages
from ingest.pdf.contents import drop_empty_streams
from ingest.pdf.enciphered import has_enciphered
from ingest.pdf.figures import FigureCollector, Place
from ingest.pdf.fonts import Fonts
from ingest.pdf.form_fields import with_fields
from ingest.pdf.glyphs import repair
from ingest.pdf.layout import Paragraph, paragraphs_of
from ingest.pdf.line_numbers import Column, LineNumbers
from ingest.pdf.memory import check_memory
from ingest.pdf.merge_layers import merge
from ingest.pdf.ocr import MIN_SCORE, MIN_SURE, ocr_page
from ingest.pdf.page_boxes import as_displayed
from ingest.pdf.page_order import in_page_order
from ingest.pdf.page_text import text_of
from ingest.pdf.reader import lost_contents, take_warnings
from ingest.pdf.right_to_left import has_right_to_left, to_logical_order
from ingest.pdf.structure import RawPage
from ingest.pdf.symbol_fonts import mark_dingbats
from ingest.pdf.text_layer import MAX_CHECKS, TextLayers, without_fonts
from ingest.pdf.unknown_letters import add_letters_of_fonts, letters_as_shown, lost_letters

if TYPE_CHECKING:
    import pymupdf

MAX_DOCUMENT_TEXT = 100_000_000
"""Maximum number of characters of a file. The largest books have a few million; a compressed stream may hold any."""

CUT_SHORT = "premature end"
"""What MuPDF says of a stream that ends before its data do."""

MAX_NAMED = 5
"""Number of damaged pages whose numbers are named."""

SHARED_SAMPLE = 3
"""Each page of the rest of a document is expected to take as long as the fastest of so many last ones."""

RANGE_SECONDS = 15.0
"""A range ends with the page after which it has taken so many seconds: nobody waits longer than that for the last."""

Cut = Callable[[Sequence[float], int], bool]
"""`cut(seconds, rest)`: whether a range ends whose pages took `seconds`, although `rest` of its pages are left."""


def is_worth_sharing(seconds: Sequence[float], rest: int) -> bool:
    """Whether the rest of a document is worth sharing."""
    return len(seconds) >= SHARED_SAMPLE and min(seconds[-SHARED_SAMPLE:]) * rest >= SHARED_SECONDS


def is_long_enough(seconds: Sequence[float], _: int) -> bool:
    """Whether a range has taken RANGE_SECONDS."""
    return sum(seconds) >= RANGE_SECONDS


@dataclass(frozen=True, slots=True)
class PageRange:
    """The pages from `first` to `last`, which count from 1.

    Attributes:
        right: text layers on pages before `first` that were found to be right.
        segments: lines, curves and boxes on pages before `first` that were examined for figures.
    """

    first: int
    last: int
    right: int = 0
    segments: int = 0


@dataclass(slots=True)
class ReadPage:
    """A page as its range has read it.

    Attributes:
        raw: its text; it is empty or short if the page is damaged.
        column: the line numbers of its text layer.
        damage: the reason why the page is not read, or not all of it; None if it is.
        checks: for each comparison of its text layer with what it shows, whether the layer was right.
        lost: number of letters of its words that have no Unicode value.
        odd: its text is unlike any written language, and was not compared with the page.
        places: its figures.
        repaired: whether MuPDF had repaired the file before this page, and after it.
        seconds: how long it took.
    """

    raw: RawPage
    column: Column | None
    damage: str | None
    checks: list[bool]
    lost: int
    odd: bool
    places: list[Place]
    repaired: tuple[bool, bool]
    seconds: float


def read_range(
    document: pymupdf.Document, pages: PageRange, ocr: bool, figures: bool, cut: Cut | None = None
) -> list[ReadPage]:
    """Read the pages of a range, until `cut` ends it.

    Raises:
        ObjectError: there is too much text.
        MemoryError: there is not enough memory.
    """
    reader = _PageReader(document, pages, ocr, figures)
    found: list[ReadPage] = []
    seconds: list[float] = []
    characters = 0
    take_warnings()
    for number in range(pages.first, pages.last + 1):
        found.append(reader.read(number))
        characters += _characters(found[-1].raw)
        _check_length(characters)
        seconds.append(found[-1].seconds)
        if cut is not None and number < pages.last and cut(seconds, pages.last - number):
            break
    return found


def join_pages(
    document: pymupdf.Document, pages: list[ReadPage], ocr: bool, figures: bool, losses: list[str]
) -> tuple[list[RawPage], list[Place]]:
    """Return all pages of a document and its figures, from its ranges in order; names damaged pages in `losses`.

    Raises:
        ObjectError: no page can be read, or there is too much text.
        MemoryError: there is not enough memory.
    """
    if any(before.repaired[1] != after.repaired[0] for before, after in pairwise(pages)):
        pages = read_range(document, PageRange(1, document.page_count), ocr, figures)
    _settle_checks(document, pages, ocr, figures)
    raw = [page.raw for page in pages]
    LineNumbers(document, columns={page.raw.number: page.column for page in pages}).remove_from_scans(raw)
    characters = sum(map(_characters, raw))
    _check_length(characters)
    damaged = [page.raw.number for page in pages if page.damage is not None]
    reason = next((page.damage for page in pages if page.damage), "")
    if damaged and not characters:
        raise ObjectError(Failure.DAMAGED, f"no page of the PDF can be read ({reason})")
    if damaged:
        shown = ", ".join(map(str, damaged[:MAX_NAMED])) + (", ..." if len(damaged) > MAX_NAMED else "")
        count = f"{len(damaged)} of its {len(raw)} pages {'is' if len(damaged) == 1 else 'are'} damaged"
        losses.append(f"{count if len(raw) > 1 else 'its page is damaged'} ({shown}: {reason})")
    if lost := sum(page.lost for page in pages):
        losses.append(
            f"{lost} of its letters {'has' if lost == 1 else 'have'} no Unicode value"
            + ("" if ocr else ", and OCR is off")
        )
    if odd := sum(page.odd for page in pages):
        losses.append(f"the text of {odd} of its pages is unlike any language, and OCR is off, which would read them")
    return raw, [place for page in pages for place in page.places]


def _settle_checks(document: pymupdf.Document, pages: list[ReadPage], ocr: bool, figures: bool) -> None:
    """Read the pages again that another range would have trusted, because of comparisons that theirs did not know."""
    right = 0
    for index, page in enumerate(pages):
        before = right
        for is_right in page.checks:
            if right >= MAX_CHECKS and not is_right:
                number = page.raw.number
                pages[index] = read_range(document, PageRange(number, number, before), ocr, figures)[0]
                break
            right += is_right


def right_checks(pages: Sequence[ReadPage]) -> int:
    """How many text layers of these pages were found to be right."""
    return min(sum(map(sum, (page.checks for page in pages))), MAX_CHECKS)


def _characters(page: RawPage) -> int:
    return sum(len(line.text) for paragraph in page.paragraphs for line in paragraph.lines)


def _check_length(characters: int) -> None:
    if characters > MAX_DOCUMENT_TEXT:
        raise ObjectError(
            Failure.TOO_MUCH_TEXT, f"the PDF's text has more than {MAX_DOCUMENT_TEXT / 1e6:.0f} million characters"
        )


class _PageReader:
    """Reads the pages of a range one by one."""

    def __init__(self, document: pymupdf.Document, pages: PageRange, ocr: bool, figures: bool) -> None:
        self._document = document
        self._layers = TextLayers(pages.right) if ocr else None
        self._line_numbers = LineNumbers(document, pages.first, self._text_before)
        self._figures = FigureCollector(pages.segments) if figures else None
        self._fonts = Fonts()
        self._cleaned: set[int] = set()
        self._dingbats: set[int] = set()
        self._code_pages: set[int] = set()
        self._lost, self._odd = 0, False
        self._warnings = ""

    def read(self, number: int) -> ReadPage:
        """Read a page; if it is damaged, as far as it can be read."""
        self._lost, self._odd = 0, False
        started, repaired = time.perf_counter(), self._document.is_repaired
        raw, damage, places = RawPage(number, 0, "text", []), None, []
        try:
            page = self._opened(number)
            raw = self._read(page, number)
            if self._figures is not None:
                places = self._figures.of_page(page, raw)
        except Exception as error:
            check_memory(error)
            raw, damage = RawPage(number, 0, "text", []), one_line(error, 80)
        column = self._line_numbers.of_page(number) if raw.kind == "text" else None
        lost = lost_contents(f"{self._warnings}\n{take_warnings()}")
        self._warnings = ""
        if CUT_SHORT in lost and drop_empty_streams(self._document[number - 1]):
            return self.read(number)
        damage = (damage or lost) if damage is not None else (lost or None)
        checks = self._layers.take_checks() if self._layers is not None else []
        repairs, seconds = (repaired, self._document.is_repaired), time.perf_counter() - started
        return ReadPage(raw, column, damage, checks, self._lost, self._odd, places, repairs, seconds)

    def _opened(self, number: int) -> pymupdf.Page:
        page = as_displayed(self._document[number - 1])
        self._fonts.mend(page)
        return page

    def _text_before(self, number: int) -> list[Paragraph]:
        """The horizontal paragraphs of a page before the range; MuPDF's warnings about it are not those of this one."""
        self._warnings += f"\n{take_warnings()}"
        try:
            page = self._opened(number)
            text, content = self._text_of(page)
            return _repaired(page, text, content)[0]
        finally:
            take_warnings()

    def _text_of(self, page: pymupdf.Page) -> tuple[pymupdf.TextPage, dict[str, Any]]:
        """Return the text page and the result of `page.get_text("dict")`, with the letters that the fonts know."""
        text, content = text_of(page)
        if mark_dingbats(page, content, self._dingbats) or read_code_pages(page, content, self._code_pages):
            text, content = text_of(page)
        return text_of(page) if add_letters_of_fonts(page, content, self._cleaned) else (text, content)

    def _read(self, page: pymupdf.Page, number: int) -> RawPage:
        """Read a page, by OCR too if its text layer does not have all of its text."""
        text, content = self._text_of(page)
        missing = self._layers.missing(page, content) if self._layers is not None else None
        if self._layers is not None and missing is None and lost_letters(content):
            with letters_as_shown(page):
                text, content = text_of(page)
        horizontal, others, words = _repaired(page, text, content)
        if missing is not None:
            read, turned = ocr_page(page, missing.known, MIN_SURE if missing.surely else MIN_SCORE)
            report_progress()
            if read:
                if missing.fonts:
                    horizontal, others = paragraphs_of(without_fonts(content, missing.fonts))
                paragraphs = merge(horizontal + others, read, turned)
                return RawPage(number, page.rect.height, "ocr", paragraphs, page.rect.width)
        self._lost, self._odd = lost_letters(content), self._layers is None and has_enciphered(content)
        horizontal = with_fields(page, self._line_numbers.without(number, horizontal))
        paragraphs = in_page_order(page, text, content, horizontal, others, words)
        return RawPage(number, page.rect.height, "text", paragraphs, page.rect.width)


def _repaired(
    page: pymupdf.Page, text: pymupdf.TextPage, content: dict[str, Any]
) -> tuple[list[Paragraph], list[Paragraph], Sequence[tuple[Any, ...]] | None]:
    """Repair `content` in place, and return its horizontal and its other paragraphs, and its words if they differ."""
    horizontal, others = paragraphs_of(content)
    words = repair(page, text, content, [*horizontal, *others])
    if words is not None:
        horizontal, others = paragraphs_of(content)
    if has_right_to_left(horizontal):
        words = to_logical_order(page, text, content)
        horizontal, others = paragraphs_of(content)
    return horizontal, others, words
