"""Lines and paragraphs with their positions on the page, and the cleaning of their text."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple

from ingest.common.text import CJK, MEANINGLESS, as_typed

MAX_UNREADABLE = 0.2
"""Share of meaningless characters from which on the text layer of a page counts as broken."""

MAX_INDENT = 3.0
"""Largest indent of the first line of a paragraph, in font sizes."""

MAX_RAISED = 0.85
"""Largest font size of a superscript relative to the line."""

MIN_INITIAL = 1.8
"""Size of a large initial relative to the text beside it."""

NEIGHBOURS = 4
"""Number of paragraphs before and after that show how far to the right the lines of a column extend."""

_CJK_LETTER = re.compile(f"[{CJK}]")
_CJK_BREAK = re.compile(f"(?<=[{CJK}\u2e80-\u2fdf])\\s*\\n\\s*(?=[{CJK}\u2e80-\u2fdf])")
# A word hyphenated at the end of a line. MuPDF's flag for that, TEXT_DEHYPHENATE, has no effect on blocks.
_HYPHEN_BREAK = re.compile(r"([^\W\d_])([-\u00ad\u2010\u058a])[^\S\n]*\n\s*(?=([^\W\d_]))")
# An address of the web that goes on in the next line: behind a sign that ends none, or with another part of its path.
_URL_BREAK = re.compile(
    r"((?:https?://|www\.)(?:[^\s)>\]]*[/_=&?%#~-]|[^\s)>\],;]*[a-z0-9]))[^\S\n]*\n\s*"
    r"(?=(?!https?:|www\.)[a-z0-9][^\s/.:,;)]*(?:/[^\s]|\.[a-z0-9]+/|[._=&?%#][a-z0-9]+[_./=&?]|_[a-z0-9]))"
)
# Ligatures at the places where LaTeX's fonts have them (T1 encoding), in files that do not say what they are.
_LATEX_LIGATURES = re.compile("[\x1b-\x1f]+(?=[a-z\xdf-\xff])|(?<=[a-z\xdf-\xff])[\x1b-\x1f]+")
_LIGATURES = ("ff", "fi", "fl", "ffi", "ffl")
_UNREADABLE = re.compile(f"{MEANINGLESS.pattern}|[\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f\ud800-\udfff]|\\(cid:\\d+\\)")
_BOLD_FONT = re.compile(r"bold|black|heavy|demi|medi(?!um)|cmbx|sfbx", re.I)
INITIAL = re.compile(r"[\"'«“„‘¿¡]?[^\W\d_]")
"""Matches a large initial."""

SENTENCE_ENDS = (".", "!", "?", ":", "。", "！", "？", "：", "؟")
# The beginning of a list item.
_ITEM = re.compile(r"\s*(?:[-•‣▪●◦*–—]|\(?\w{1,3}[.)、])")
_BOLD, _MONOSPACED, _SUPERSCRIPT = 16, 8, 1
"""The span flags pymupdf.TEXT_FONT_BOLD, TEXT_FONT_MONOSPACED and TEXT_FONT_SUPERSCRIPT."""
# A raised digit is another number than one on the line: 10⁶ is not 106.
RAISED = str.maketrans("0123456789+-\u2212", "⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻⁻")


class Line(NamedTuple):
    """A line of text. Coordinates are in points (pixels in an image) from the upper left corner.

    `mono`: all of its characters have one width. `turns`: number of counter-clockwise quarter turns of the page after
    which the coordinates hold, since OCR read it so.
    """

    x0: float
    y0: float
    x1: float
    y1: float
    text: str
    size: float
    bold: bool
    mono: bool = False
    turns: int = 0


Place = tuple[int, int]
"""The row and the column of a cell."""


class TableShape(NamedTuple):
    """What the rules of a table say about the cells of its Markdown; rows and columns count from 0, with the titles.

    Attributes:
        head: number of rows with the titles of columns.
        covered: each empty cell that is part of a cell over several rows or columns, and the place of that one's text.
        lefts: the left edges of the columns.
        bottom: the lower edge of the first row.
    """

    head: int = 1
    covered: Sequence[tuple[Place, Place]] = ()
    lefts: Sequence[float] = ()
    bottom: float = 0.0


NO_SHAPE = TableShape()
"""The shape of what is no table, or has no rules."""


@dataclass(slots=True)
class Paragraph:
    """Lines that belong together, in order.

    For a table, `table` is its Markdown, `shape` what its rules say, and each line is a cell. For a program, `listing`
    is its text.
    """

    x0: float
    y0: float
    x1: float
    y1: float
    lines: list[Line]
    table: str = ""
    listing: str = ""
    shape: TableShape = NO_SHAPE

    @property
    def text(self) -> str:
        """The whole paragraph on one line, the table as Markdown, or the lines of the listing."""
        return self.table or self.listing or join_lines("\n".join([line.text for line in self.lines]))


def join_lines(lines: str) -> str:
    """Join the wrapped lines of a paragraph into a single line."""
    if "\n" in lines:
        if not lines.isascii():
            lines = _CJK_BREAK.sub("", lines)
        lines = _URL_BREAK.sub(r"\1", _HYPHEN_BREAK.sub(_without_hyphen, lines))
    if not lines.isprintable():
        lines = _LATEX_LIGATURES.sub(lambda match: "".join([_LIGATURES[ord(c) - 0x1B] for c in match[0]]), lines)
    return as_typed(lines)


def _without_hyphen(match: re.Match[str]) -> str:
    letter, hyphen, following = match.groups()
    # A hyphen before a capital is part of the word, except a soft hyphen in a word of capitals.
    joined = following.islower() or (hyphen == "\u00ad" and not letter.islower())
    return str(letter if joined else f"{letter}-")


def is_unreadable(text: str) -> bool:
    """Whether a text layer is broken: many of its glyphs map to no meaningful character."""
    bad = sum(map(len, _UNREADABLE.findall(text)))
    return bad > 0 and bad >= MAX_UNREADABLE * sum(not character.isspace() for character in text)


@lru_cache(maxsize=1024)
def _bold_font(name: str) -> bool:
    return _BOLD_FONT.search(name) is not None


def _line(bbox: tuple[float, float, float, float], spans: Sequence[dict[str, Any]]) -> Line:
    if len(spans) == 1:
        span = spans[0]
        flags = span["flags"]
        bold = bool(flags & _BOLD) or _bold_font(span["font"])
        return Line(*bbox, span["text"], span["size"], bold, bool(flags & _MONOSPACED))
    shown = [span for span in spans if not span["text"].isspace()] or spans
    size = max(shown, key=lambda span: len(span["text"]))["size"]
    bold = all(span["flags"] & _BOLD or _bold_font(span["font"]) for span in shown)
    return Line(*bbox, _joined(spans, size), size, bold, all(span["flags"] & _MONOSPACED for span in shown))


def _joined(spans: Sequence[dict[str, Any]], size: float) -> str:
    """The text of spans, with superscript digits where digits are raised."""
    if not any(span["flags"] & _SUPERSCRIPT for span in spans):
        return "".join([span["text"] for span in spans])
    raised = raised_spans(spans, size)
    return "".join([span["text"].translate(RAISED) if next(raised) else span["text"] for span in spans])


def raised_spans(spans: Sequence[dict[str, Any]], size: float) -> Iterator[bool]:
    """Yield for each span of a line in a font size whether its digits are superscript; a raised numerator's are not."""
    raised = False
    for number, span in enumerate(spans):
        text, is_index = span["text"], number > 0 and span["flags"] & _SUPERSCRIPT
        shown = bool(is_index and not raised and span["size"] <= MAX_RAISED * size)
        yield shown
        raised = bool(is_index and not text.isspace() and not (shown and text.translate(RAISED) != text))


def paragraphs_of(content: dict[str, Any]) -> tuple[list[Paragraph], list[Paragraph]]:
    """Return the horizontal and the other paragraphs of `page.get_text("dict")`, both in the file's order."""
    horizontal: list[Paragraph] = []
    others: list[Paragraph] = []
    for block in content["blocks"]:
        lines: list[Line] = []
        is_horizontal = True
        for line in block.get("lines", ()):
            spans, box = line["spans"], line["bbox"]
            if len(spans) > 1 and spans[0]["size"] >= MIN_INITIAL * spans[1]["size"] and _is_initial(spans, lines):
                spans, box = spans[1:], (spans[1]["bbox"][0], *box[1:])
            extracted = _line(box, spans)
            if extracted.text and not extracted.text.isspace():
                lines.append(extracted)
                is_horizontal = is_horizontal and line["dir"] == (1.0, 0.0) and line["wmode"] == 0
        if lines:
            x0, y0, x1, y1 = block["bbox"]
            (horizontal if is_horizontal else others).append(Paragraph(x0, y0, x1, y1, lines))
    return horizontal, others


def _is_initial(spans: Sequence[dict[str, Any]], lines: list[Line]) -> bool:
    """Whether a line begins with a large initial of a line above; if so, it is put there."""
    initial, size = spans[0], spans[1]["size"]
    if not INITIAL.fullmatch(initial["text"].strip()):
        return False
    for number, line in enumerate(lines):
        if abs(line.x0 - spans[1]["bbox"][0]) <= size and line.y1 > initial["bbox"][1] and line.size <= 1.2 * size:
            lines[number] = line._replace(x0=initial["bbox"][0], text=initial["text"].strip() + line.text.lstrip())
            return True
    return False


def join_split_paragraphs(paragraphs: list[Paragraph]) -> list[Paragraph]:
    """Join paragraphs that MuPDF splits because their lines are set far apart."""
    joined: list[Paragraph] = []
    for index, paragraph in enumerate(paragraphs):
        before, line = joined[-1] if joined else paragraph, paragraph.lines[0]
        if joined and 1 in (len(before.lines), len(paragraph.lines)) and _follows(before, line):
            neighbours = paragraphs[max(index - NEIGHBOURS, 0) : index + NEIGHBOURS]
            edge = max(
                other.x1
                for neighbour in neighbours
                for other in neighbour.lines
                if abs(other.x0 - line.x0) < MAX_INDENT * line.size
            )
            if before.lines[-1].x1 + first_word(line) > edge:
                joined[-1] = paragraph_of(before.lines + paragraph.lines)
                continue
        joined.append(paragraph)
    return joined


def _follows(paragraph: Paragraph, line: Line) -> bool:
    """Whether a line may continue a paragraph: same font, at most one blank line below it, not indented."""
    last, first = paragraph.lines[-1], min(other.x0 for other in paragraph.lines)
    size = line.size
    return (
        abs(last.size - size) < 0.5
        and last.bold == line.bold
        and 0 < line.y0 - last.y0 < 2.2 * size
        and first - MAX_INDENT * size < line.x0 < first + 0.5 * size
        and not _ITEM.match(line.text)
        and not last.text.rstrip().endswith(SENTENCE_ENDS)
    )


def first_word(line: Line) -> float:
    """Estimate the width of a line's first word and a space: with so much room, it would be on the line before."""
    word = line.text.split(None, 1)[0]
    letters = 1 if _CJK_LETTER.match(word) else len(word) + 1
    return letters * (line.x1 - line.x0) / len(line.text)


def paragraph_of(lines: list[Line]) -> Paragraph:
    """Make a paragraph of lines; its box is their bounding box."""
    return Paragraph(
        min(line.x0 for line in lines),
        min(line.y0 for line in lines),
        max(line.x1 for line in lines),
        max(line.y1 for line in lines),
        lines,
    )
