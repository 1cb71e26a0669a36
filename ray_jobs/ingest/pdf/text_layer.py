"""Decides whether the text layer of a page has the text that its reader sees.

A stamp, a watermark or a form field over a scan is a text layer too, and a font without a right mapping gives letters
that nobody sees. Since OCR takes seconds, cheap signs come first: what covers the page, how much of its ink the layer
explains, and the statistics of its letters. Only a page that they leave in doubt is looked at by the text detector.
"""

from __future__ import annotations

import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import TYPE_CHECKING, Any

import numpy as np

from ingest.common.sandbox_child import report_progress
from ingest.pdf.contents import contents_of
from ingest.pdf.drawings import count_segments
from ingest.pdf.frequent_words import lacks_frequent_words
from ingest.pdf.geometry import Box, intersection, is_covered
from ingest.pdf.layout import is_unreadable
from ingest.pdf.letter_statistics import is_suspect
from ingest.pdf.ocr import detect_lines, read_line
from ingest.pdf.rendering import render
from ingest.pdf.scripts import is_read_by_ocr

if TYPE_CHECKING:
    from pymupdf import Page

MAX_STAMP = 50
"""Number of characters up to which the text layer of a page counts as a stamp or a page number."""

MIN_SCAN_COVERAGE = 0.5
"""Minimum share of a page with more text that images cover if it may be a scan."""

MIN_PICTURE, MIN_OUTLINES = 0.02, 150
"""Minimum share of a page without more text than a stamp that images cover, or number of its lines, curves and boxes,
if it may show text: a letter drawn as an outline has ten to thirty."""

MIN_OUTLINED_PARAGRAPH = 1500
"""Minimum number of lines, curves and boxes of a page with more text if a paragraph may be drawn as outlines."""

INK_SCALE = 0.5
"""Pixels per point of the image in which ink is counted."""

MIN_CONTRAST = 48
"""Minimum difference in brightness between ink and the paper around it, of 255."""

MAX_UNEXPLAINED_INK = 0.15
"""Share of the ink outside the text layer up to which the layer explains the page."""

MIN_UNEXPLAINED_LINES, MIN_UNEXPLAINED_TEXT = 3, 0.1
"""Minimum number of lines that the detector sees outside the text layer, and their share of the length of all lines,
if a page is read by OCR."""

MIN_TORN_WORDS, MAX_SINGLE_LETTERS = 20, 0.2
"""Minimum number of words on a scanned page, and share of single letters among them above which the words of its text
layer are torn: it is 0.05 in the languages of Europe."""

MIN_SIMILARITY = 0.5
"""Similarity of a line of the text layer and of its OCR from which on the layer is right."""

MAX_SAMPLES, MAX_CHECKS = 3, 3
"""Number of lines of a page that are compared, and number of pages after which a document is trusted."""


@dataclass(frozen=True, slots=True)
class Missing:
    """The text of a page that only OCR can read.

    Attributes:
        fonts: fonts whose text in the layer is wrong.
        known: places where the page shows a line that the layer has, in points: OCR can leave them out.
        surely: whether only lines count that OCR is sure of, since it does not know the script of the layer.
    """

    fonts: frozenset[str] = frozenset()
    known: Sequence[Box] = ()
    surely: bool = False


class TextLayers:
    """Judges the text layers of a document page by page; `right` of them were found to be right before."""

    def __init__(self, right: int = 0) -> None:
        self._right = right
        self._checks: list[bool] = []

    def take_checks(self) -> list[bool]:
        """For each comparison of a layer with its page since the last call, whether the layer was right."""
        checks, self._checks = self._checks, []
        return checks

    def missing(self, page: Page, content: dict[str, Any]) -> Missing | None:
        """Return the part of a page that only OCR can read, if there is any.

        Args:
            page: the page, with its rotation applied.
            content: the result of `page.get_text("dict")`.
        """
        lines = [line for block in content["blocks"] for line in block.get("lines", ())]
        text = "".join(span["text"] for line in lines for span in line["spans"])
        is_known = is_read_by_ocr(text)
        if is_known and is_unreadable(text):
            return _without(page, lines, _unreadable_fonts(lines))
        covered = image_coverage(page)
        if len("".join(text.split())) <= MAX_STAMP:
            if covered >= MIN_PICTURE or count_segments(page) >= MIN_OUTLINES:
                return Missing(surely=not is_known)
            wrong = self._wrong_fonts(page, lines, is_scan=False)
            return _without(page, lines, wrong) if wrong else None
        if is_known and covered >= MIN_SCAN_COVERAGE and is_torn(lines):
            return Missing(frozenset(font for line in lines for font in _fonts(line)))
        if wrong := self._wrong_fonts(page, lines, covered >= MIN_SCAN_COVERAGE):
            return _without(page, lines, wrong)
        if covered < MIN_SCAN_COVERAGE and count_segments(page) < MIN_OUTLINED_PARAGRAPH:
            return None
        boxes = _boxes(lines)
        if _unexplained_ink(page, boxes) <= MAX_UNEXPLAINED_INK:
            return None
        known, others = _seen(page, boxes)
        length = _length(others)
        enough = len(others) >= MIN_UNEXPLAINED_LINES and length >= MIN_UNEXPLAINED_TEXT * (length + _length(known))
        return Missing(known=known, surely=not is_known) if enough else None

    def _wrong_fonts(self, page: Page, lines: Sequence[dict[str, Any]], is_scan: bool) -> frozenset[str]:
        """Return the fonts whose text looks odd, and is not what the page shows; bad OCR has odd words, too."""
        of_font: defaultdict[str, list[dict[str, Any]]] = defaultdict(list)
        for line in lines:
            if line["dir"] == (1.0, 0.0) and len(_fonts(line)) == 1:
                of_font[line["spans"][0]["font"]].append(line)
        wrong = []
        for font, of_lines in of_font.items():
            texts = ["".join(span["text"] for span in line["spans"]) for line in of_lines]
            text = " ".join(texts)
            odd = is_suspect(text) or (is_scan and lacks_frequent_words(text))
            if self._right >= MAX_CHECKS or not (odd and is_read_by_ocr(text)):
                continue
            longest = sorted(zip(texts, of_lines, strict=True), key=lambda line: -len(line[0]))[:MAX_SAMPLES]
            alike = [_similarity(shown, read_line(page, line["bbox"])) for shown, line in longest]
            report_progress()
            self._checks.append(float(np.median(alike)) >= MIN_SIMILARITY)
            if self._checks[-1]:
                self._right += 1
            else:
                wrong.append(font)
        return frozenset(wrong)


def without_fonts(content: dict[str, Any], fonts: frozenset[str]) -> dict[str, Any]:
    """Return the result of `page.get_text("dict")` without the lines that have text in these fonts."""
    blocks = [
        {**block, "lines": [line for line in block["lines"] if not fonts & _fonts(line)]}
        for block in content["blocks"]
        if "lines" in block
    ]
    return {**content, "blocks": [block for block in blocks if block["lines"]]}


def _without(page: Page, lines: Iterable[dict[str, Any]], fonts: frozenset[str]) -> Missing:
    boxes = _boxes(line for line in lines if not fonts & _fonts(line))
    return Missing(fonts, _seen(page, boxes)[0] if boxes else ())


def _fonts(line: dict[str, Any]) -> set[str]:
    return {span["font"] for span in line["spans"]}


def _unreadable_fonts(lines: Iterable[dict[str, Any]]) -> frozenset[str]:
    of_font: defaultdict[str, list[str]] = defaultdict(list)
    for line in lines:
        for span in line["spans"]:
            of_font[span["font"]].append(span["text"])
    return frozenset(font for font, texts in of_font.items() if is_unreadable("".join(texts)))


def _boxes(lines: Iterable[dict[str, Any]]) -> list[Box]:
    """The boxes of the lines that are horizontal or vertical: others have boxes that cover more than themselves."""
    return [line["bbox"] for line in lines if 1.0 in map(abs, line["dir"])]


def is_torn(lines: Iterable[dict[str, Any]]) -> bool:
    """Whether the words of an OCR layer are torn into single letters."""
    text = " ".join("".join(span["text"] for span in line["spans"]) for line in lines)
    words = [word for word in text.split() if word.isalpha()]
    letters = sum(len(word) == 1 and word.isascii() for word in words)
    return len(words) >= MIN_TORN_WORDS and letters > MAX_SINGLE_LETTERS * len(words)


def _similarity(text: str, seen: str) -> float:
    """Similarity of two texts from 0 to 1, without white space, marks and case; 1 if nothing is seen."""
    one, other = (
        "".join(character for character in unicodedata.normalize("NFKD", found).casefold() if character.isalnum())
        for found in (text, seen)
    )
    return SequenceMatcher(None, one, other, autojunk=False).ratio() if other else 1.0


def may_have_images(page: Page) -> bool:
    """Whether a page may show an image, which may also be inline, or part of a pattern that it is painted with."""
    if page.get_images():
        return True
    contents = contents_of(page)
    return b"BI" in contents or b"/Pattern" in contents


def image_coverage(page: Page) -> float:
    """Share of the page that images cover; a scan may consist of many strips, or of a stencil."""
    width, height = page.rect.width, page.rect.height
    if not (width > 0 and height > 0 and may_have_images(page)):
        return 0.0
    cells = np.zeros((100, 100), np.bool_)
    for kind, bbox in page.get_bboxlog():
        x0, y0, x1, y1 = intersection(bbox, (0, 0, width, height))
        if kind in ("fill-image", "fill-imgmask") and x1 > x0 and y1 > y0:
            rows = slice(int(100 * y0 / height), int(np.ceil(100 * y1 / height)))
            cells[rows, int(100 * x0 / width) : int(np.ceil(100 * x1 / width))] = True
    return float(cells.mean())


def _unexplained_ink(page: Page, boxes: Iterable[Box]) -> float:
    """Share of a page's ink outside the boxes of its text layer."""
    import cv2
    import pymupdf

    side = max(page.rect.width, page.rect.height, 1)
    scale = INK_SCALE * min(1.0, 2000 / side)
    image = render(page, matrix=pymupdf.Matrix(scale, scale), colorspace=pymupdf.csGRAY, alpha=False)
    pixels = np.frombuffer(image.samples, np.uint8).reshape(image.h, image.w)
    paper = cv2.medianBlur(np.ascontiguousarray(pixels), 21)
    ink = cv2.absdiff(pixels, paper) >= MIN_CONTRAST
    total = int(ink.sum())
    for x0, y0, x1, y1 in boxes:
        margin = (y1 - y0) / 6
        left, top = max(int((x0 - margin) * scale), 0), max(int((y0 - margin) * scale), 0)
        ink[top : int((y1 + margin) * scale) + 1, left : int((x1 + margin) * scale) + 1] = False
    return int(ink.sum()) / total if total else 0.0


def _seen(page: Page, boxes: Sequence[Box]) -> tuple[list[Box], list[Box]]:
    """Return the places where the page shows a line of text: those among the boxes of its text layer, and others."""
    known: list[Box] = []
    others: list[Box] = []
    for box in detect_lines(page):
        (known if is_covered(box, boxes) else others).append(box)
    report_progress()
    return known, others


def _length(boxes: Iterable[Box]) -> float:
    """Length of lines of text in heights of a line, which is about half their number of characters."""
    return sum(max(x1 - x0, y1 - y0) / max(min(x1 - x0, y1 - y0), 1) for x0, y0, x1, y1 in boxes)
