"""Text with its place on the page: lines, paragraphs, and the order in which a person reads them."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from statistics import median
from typing import Any, NamedTuple

from ingest.pdf import UNPRINTABLE

MAX_UNREADABLE = 0.2
"""Share of characters without meaning from which on the text layer of a page is broken."""

MAX_SORTED = 300
"""Paragraphs of a page that are looked at for columns; a page has more only where it is a drawing or a form."""

MIN_GUTTER = 1.2
"""Width of the space between columns, in sizes of the type: a number before a heading is nearer to it."""

# Scripts written without spaces between words: a line break inside them is no word boundary.
CJK = "\u3000-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\uff00-\uffef"
_CJK_BREAK = re.compile(f"(?<=[{CJK}])\\s*\\n\\s*(?=[{CJK}])")
# A word cut at the end of a line. MuPDF's own flag for it (TEXT_DEHYPHENATE) does nothing for blocks.
_HYPHEN_BREAK = re.compile(r"(?<=[^\W\d_])[-\u00ad\u2010][^\S\n]*\n\s*(?=([^\W\d_]))")
# What a font shows and no one can search for: characters for private use, and MuPDF's for a glyph that it cannot name.
_MEANINGLESS = re.compile("[\ufffd\ue000-\uf8ff\U000f0000-\U0010ffff]")
_UNREADABLE = re.compile(f"{_MEANINGLESS.pattern}|{UNPRINTABLE.pattern}|\\(cid:\\d+\\)")
# Shapes of letters that have a character of their own beside the letter: Latin ligatures, radicals of Chinese
# characters, forms of Arabic letters. Fonts name their glyphs after them, and nobody searches for them.
_SHAPES = re.compile("[\ufb00-\ufb06\u2e80-\u2fdf\ufb1d-\ufdff\ufe70-\ufefc]+")
_RIGHT_TO_LEFT = re.compile("[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufefc]")
_BOLD_FONT = re.compile(r"bold|black|heavy|demi|medi(?!um)|cmbx|sfbx", re.I)
_SENTENCE_ENDS = (".", "!", "?", ":", "。", "！", "？", "：", "؟")
# What begins an item of a list.
_ITEM = re.compile(r"\s*(?:[-•‣▪●◦*–—]|\(?\w{1,3}[.)、])")
_BOLD = 16
"""pymupdf.TEXT_FONT_BOLD, a flag of spans."""


class Line(NamedTuple):
    """A line of text; coordinates in points, or pixels of an image, from the upper left corner."""

    x0: float
    y0: float
    x1: float
    y1: float
    text: str
    size: float
    bold: bool


@dataclass(slots=True)
class Paragraph:
    """Lines that belong together, in order. A table has its Markdown in `table`, and a line a cell."""

    x0: float
    y0: float
    x1: float
    y1: float
    lines: list[Line]
    table: str = ""

    @property
    def text(self) -> str:
        """All of it on one line, or the table."""
        return self.table or join_lines("\n".join([line.text for line in self.lines]))


def join_lines(lines: str) -> str:
    """One paragraph of wrapped lines as a single line."""
    lines = UNPRINTABLE.sub("", lines)
    if not lines.isascii():
        lines = _SHAPES.sub(lambda match: unicodedata.normalize("NFKC", match[0]), lines)
        lines = _CJK_BREAK.sub("", _MEANINGLESS.sub(" ", lines))
    lines = _HYPHEN_BREAK.sub(lambda match: "" if match[1].islower() else "-", lines)
    return " ".join(lines.split())


def unreadable(text: str) -> bool:
    """Whether a text layer says other than what the page shows: many of its glyphs have no known character."""
    bad = len(_UNREADABLE.findall(text))
    return bad > 0 and bad >= MAX_UNREADABLE * sum(not character.isspace() for character in text)


@lru_cache(maxsize=1024)
def _bold_font(name: str) -> bool:
    return _BOLD_FONT.search(name) is not None


def _line(bbox: tuple[float, float, float, float], spans: Sequence[dict[str, Any]]) -> Line:
    if len(spans) == 1:
        span = spans[0]
        return Line(*bbox, span["text"], span["size"], bool(span["flags"] & _BOLD) or _bold_font(span["font"]))
    shown = [span for span in spans if not span["text"].isspace()] or spans
    size = max(shown, key=lambda span: len(span["text"]))["size"]
    bold = all(span["flags"] & _BOLD or _bold_font(span["font"]) for span in shown)
    return Line(*bbox, "".join([span["text"] for span in spans]), size, bold)


def paragraphs_of(content: dict[str, Any]) -> list[Paragraph]:
    """The paragraphs of `page.get_text("dict")` in reading order."""
    paragraphs = []
    level = True
    for block in content["blocks"]:
        lines = []
        for line in block.get("lines", ()):
            made = _line(line["bbox"], line["spans"])
            if made.text and not made.text.isspace():
                lines.append(made)
                level = level and line["dir"] == (1.0, 0.0) and line["wmode"] == 0
        if lines:
            x0, y0, x1, y1 = block["bbox"]
            paragraphs.append(Paragraph(x0, y0, x1, y1, lines))
    # What stands sideways has no columns from left to right; its order is left to the file.
    return _whole(reading_order(paragraphs)) if level else paragraphs


def _whole(paragraphs: list[Paragraph]) -> list[Paragraph]:
    """Lines that MuPDF parts where they are set far apart, as the paragraphs that they are."""
    whole: list[Paragraph] = []
    for paragraph in paragraphs:
        if whole and 1 in (len(whole[-1].lines), len(paragraph.lines)) and _continues(whole[-1], paragraph.lines[0]):
            whole[-1] = bounded(whole[-1].lines + paragraph.lines)
        else:
            whole.append(paragraph)
    return whole


def _continues(paragraph: Paragraph, line: Line) -> bool:
    """Whether a line follows on a full one of the same type, at most a blank line below it and not indented."""
    last = paragraph.lines[-1]
    size = line.size
    return (
        abs(last.size - size) < 0.5
        and last.bold == line.bold
        and 0 < line.y0 - last.y0 < 2.2 * size
        and min(other.x0 for other in paragraph.lines) > line.x0 - 0.5 * size
        and last.x0 < line.x1
        and last.x1 > line.x1 - 1.5 * size
        and not _ITEM.match(line.text)
        and not last.text.rstrip().endswith(_SENTENCE_ENDS)
    )


def reading_order(paragraphs: list[Paragraph]) -> list[Paragraph]:
    """Paragraphs column by column where the page has columns of prose, else in the order given, which is the file's.

    Most files are in reading order, and a table without rules would be torn into columns by any sorting; so what is
    no column of prose stays where it is.
    """
    if not 1 < len(paragraphs) <= MAX_SORTED:
        return paragraphs
    parts = [part for paragraph in paragraphs for part in _side_by_side(paragraph)]
    right_to_left = 2 * sum(_RIGHT_TO_LEFT.search(part.lines[0].text) is not None for part in parts) > len(parts)
    ordered = _by_columns(parts, right_to_left)
    return ordered if ordered is not None else paragraphs


def _side_by_side(paragraph: Paragraph) -> list[Paragraph]:
    """The parts of a paragraph that stand beside each other: some files are written line by line across columns."""
    if paragraph.table or len(paragraph.lines) < 2:
        return [paragraph]
    columns: list[list[Line]] = []
    reach = float("-inf")
    for line in sorted(paragraph.lines, key=lambda line: line.x0):
        if line.x0 > reach + MIN_GUTTER * line.size:
            columns.append([])
        columns[-1].append(line)
        reach = max(reach, line.x1)
    if len(columns) == 1:
        return [paragraph]
    return [bounded(sorted(column, key=lambda line: line.y0)) for column in columns]


def bounded(lines: list[Line]) -> Paragraph:
    """A paragraph of these lines, as large as they are."""
    return Paragraph(
        min(line.x0 for line in lines),
        min(line.y0 for line in lines),
        max(line.x1 for line in lines),
        max(line.y1 for line in lines),
        lines,
    )


def _prose(lines: Sequence[Line]) -> bool:
    """Whether lines look like a column of text: several, and most of them fill it."""
    if len(lines) < 3:
        return False
    width = max(line.x1 for line in lines) - min(line.x0 for line in lines)
    return (
        median([line.x1 - line.x0 for line in lines]) > 0.6 * width and median([len(line.text) for line in lines]) > 9
    )


def _by_columns(parts: list[Paragraph], right_to_left: bool) -> list[Paragraph] | None:
    """The parts of a region in the order of its columns, or None where it has none.

    A gutter is a vertical stripe that no part crosses. Where some part (a title, a wide figure) crosses it, the region
    is cut into bands from top to bottom, and as many bands as have a gutter together are read as one.
    """
    gutter = _gutter(parts)
    if gutter is not None:
        left = [part for part in parts if part.x0 < gutter]
        right = [part for part in parts if part.x0 >= gutter]
        sides = [right, left] if right_to_left else [left, right]
        return [part for side in sides for part in _by_columns(side, right_to_left) or side]
    bands = _bands(parts)
    if len(bands) < 2 or max(map(len, bands)) < 2:
        return None
    ordered: list[Paragraph] = []
    found = False
    start = 0
    while start < len(bands):
        stop = _stop_of_columns(bands, start)
        together = [part for band in bands[start:stop] for part in band]
        inner = _by_columns(together, right_to_left) if stop - start < len(bands) else None
        found = found or inner is not None
        ordered.extend(inner or together)
        start = stop
    return ordered if found else None


def _stop_of_columns(bands: list[list[Paragraph]], start: int) -> int:
    """The end of the most bands from `start` on that have a gutter together; the next band where there is none."""
    stop = start + 1
    stripes: list[tuple[float, float]] = []  # what text covers of the width, from left to right
    for end, band in enumerate(bands[start:], start + 1):
        for part in band:
            x0, x1 = part.x0, part.x1
            apart = [stripe for stripe in stripes if stripe[1] < x0 or stripe[0] > x1]
            touching = [stripe for stripe in stripes if not (stripe[1] < x0 or stripe[0] > x1)]
            joined = (min([x0, *(s[0] for s in touching)]), max([x1, *(s[1] for s in touching)]))
            stripes = [*apart, joined]
        if len(stripes) > 1:
            stop = end
        elif end > stop and stop > start + 1:
            break
    together = [part for band in bands[start:stop] for part in band]
    return stop if _gutter(together) is not None else start + 1


def _bands(parts: list[Paragraph]) -> list[list[Paragraph]]:
    """The parts from top to bottom, parted wherever a horizontal line crosses none of them."""
    rest = sorted(enumerate(parts), key=lambda item: item[1].y0)
    bands: list[list[tuple[int, Paragraph]]] = []
    bottom = float("-inf")
    for item in rest:
        if item[1].y0 >= bottom - 1:
            bands.append([])
        bands[-1].append(item)
        bottom = max(bottom, item[1].y1)
    return [[part for _, part in sorted(band, key=lambda item: item[0])] for band in bands]


def _gutter(parts: list[Paragraph]) -> float | None:
    """Where a stripe without text parts the region into prose on both sides: the left edge of what is right of it."""
    reach = float("-inf")
    ordered = sorted(parts, key=lambda part: part.x0)
    for index, part in enumerate(ordered):
        if index and part.x0 > reach + 4 and _column(ordered[:index]) and _column(ordered[index:]):
            return part.x0
        reach = max(reach, part.x1)
    return None


def _column(parts: Sequence[Paragraph]) -> bool:
    return _prose([line for part in parts for line in part.lines])
