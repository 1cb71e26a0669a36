"""Text with its place on the page: lines and paragraphs."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple

from ingest.common.text import CJK
from ingest.pdf.reader import UNPRINTABLE

MAX_UNREADABLE = 0.2
"""Share of characters without meaning from which on the text layer of a page is broken."""

MAX_INDENT = 3.0
"""Of the first line of a paragraph, in sizes of the type."""

NEAR = 4
"""Paragraphs before and after that show how far to the right the lines of a column reach."""

_CJK_LETTER = re.compile(f"[{CJK}]")
_CJK_BREAK = re.compile(f"(?<=[{CJK}])\\s*\\n\\s*(?=[{CJK}])")
# A word cut at the end of a line. MuPDF's own flag for it (TEXT_DEHYPHENATE) does nothing for blocks.
_HYPHEN_BREAK = re.compile(r"(?<=[^\W\d_])[-\u00ad\u2010][^\S\n]*\n\s*(?=([^\W\d_]))")
# What a font shows and no one can search for: characters for private use, and MuPDF's for a glyph that it cannot name.
_MEANINGLESS = re.compile("[\ufffd\ue000-\uf8ff\U000f0000-\U0010ffff]")
_UNREADABLE = re.compile(f"{_MEANINGLESS.pattern}|{UNPRINTABLE.pattern}|\\(cid:\\d+\\)")
# Shapes of letters that have a character of their own beside the letter: Latin ligatures, radicals of Chinese
# characters, forms of Arabic letters. Fonts name their glyphs after them, and nobody searches for them.
_SHAPES = re.compile("[\ufb00-\ufb06\u2e80-\u2fdf\ufb1d-\ufdff\ufe70-\ufefc]+")
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


def paragraphs_of(content: dict[str, Any]) -> tuple[list[Paragraph], list[Paragraph]]:
    """The paragraphs of `page.get_text("dict")` in the file's order: those with level lines, and those without."""
    level: list[Paragraph] = []
    sideways: list[Paragraph] = []
    for block in content["blocks"]:
        lines = []
        upright = True
        for line in block.get("lines", ()):
            made = _line(line["bbox"], line["spans"])
            if made.text and not made.text.isspace():
                lines.append(made)
                upright = upright and line["dir"] == (1.0, 0.0) and line["wmode"] == 0
        if lines:
            x0, y0, x1, y1 = block["bbox"]
            (level if upright else sideways).append(Paragraph(x0, y0, x1, y1, lines))
    return level, sideways


def whole(paragraphs: list[Paragraph]) -> list[Paragraph]:
    """Lines that MuPDF parts where they are set far apart, as the paragraphs that they are."""
    joined: list[Paragraph] = []
    for index, paragraph in enumerate(paragraphs):
        before, line = joined[-1] if joined else paragraph, paragraph.lines[0]
        if joined and 1 in (len(before.lines), len(paragraph.lines)) and _follows(before, line):
            near = paragraphs[max(index - NEAR, 0) : index + NEAR]
            edge = max(
                other.x1
                for neighbour in near
                for other in neighbour.lines
                if abs(other.x0 - line.x0) < MAX_INDENT * line.size
            )
            if before.lines[-1].x1 + _first_word(line) > edge:
                joined[-1] = bounded(before.lines + paragraph.lines)
                continue
        joined.append(paragraph)
    return joined


def _follows(paragraph: Paragraph, line: Line) -> bool:
    """Whether a line may go on with a paragraph: of the same type, at most a blank line below, not indented."""
    last, first = paragraph.lines[-1], min(other.x0 for other in paragraph.lines)
    size = line.size
    return (
        abs(last.size - size) < 0.5
        and last.bold == line.bold
        and 0 < line.y0 - last.y0 < 2.2 * size
        and first - MAX_INDENT * size < line.x0 < first + 0.5 * size
        and not _ITEM.match(line.text)
        and not last.text.rstrip().endswith(_SENTENCE_ENDS)
    )


def _first_word(line: Line) -> float:
    """The width of a line's first word, with a space: had the line before had so much room, it would stand there."""
    word = line.text.split(None, 1)[0]
    letters = 1 if _CJK_LETTER.match(word) else len(word) + 1
    return letters * (line.x1 - line.x0) / len(line.text)


def bounded(lines: list[Line]) -> Paragraph:
    """A paragraph of these lines, as large as they are."""
    return Paragraph(
        min(line.x0 for line in lines),
        min(line.y0 for line in lines),
        max(line.x1 for line in lines),
        max(line.y1 for line in lines),
        lines,
    )
