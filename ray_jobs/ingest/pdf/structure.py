"""Document structure: running heads and headings, which only the whole document shows."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from ingest.pdf.continued_tables import continue_tables
from ingest.pdf.hyphens import rejoin_hyphenated
from ingest.pdf.layout import Line, Paragraph, Place, join_lines
from ingest.pdf.places import NO_PAGE, Size, TextBox, boxes_of

TextSource = Literal["text", "ocr"]

PAGE_MARGIN = 0.12
"""Share of a page's height at its top and bottom where running heads and page numbers are."""

MIN_REPEATS = 3
"""Number of pages on which a text in the margin must appear to be a running head."""

MAX_MARGINAL = 200
"""Maximum length of a running head in characters."""

HEADING_SCALE: dict[TextSource, float] = {"text": 1.12, "ocr": 1.35}
"""Minimum font size of a heading relative to the body text; the height of an OCR line varies with its letters."""

MAX_HEADING, MAX_HEADING_LINES = 150, 4
"""Maximum number of characters and lines of a heading."""

MAX_DEPTH = 6
"""Maximum number of headings above a passage."""

_NUMBER = re.compile(r"\d+|\b[ivxlc]+\b")
# A number that is no page number.
_VALUE = re.compile(r"\d[.,:]\d")
_WORD = re.compile(r"[^\W\d_]{2}|[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7a3]")


@dataclass(slots=True)
class RawPage:
    """A page as it was read. `number` counts from 1; `height` is in the units of the paragraphs' coordinates.

    `width`: the same for the width; 0 if these are not coordinates on a page.
    """

    number: int
    height: float
    kind: TextSource
    paragraphs: list[Paragraph]
    width: float = 0.0


@dataclass(frozen=True, slots=True)
class Block:
    """A paragraph, a heading or a table.

    Attributes:
        text: one line; for a table, Markdown; for a program, its lines.
        headings: the headings above it, outermost first. Those of a heading end with itself.
        table: it is a table.
        head: number of rows of the table with titles of columns.
        covered: each empty cell of the table that is part of a larger one, and the place of that one's text.
        boxes: where its lines, or the rows of the table, stand on the page.
    """

    text: str
    headings: tuple[str, ...] = ()
    table: bool = False
    head: int = 1
    covered: Sequence[tuple[Place, Place]] = ()
    boxes: Sequence[TextBox] = ()

    @property
    def heading(self) -> bool:
        """Whether the block is a heading."""
        return bool(self.headings) and self.text == self.headings[-1]


@dataclass(frozen=True, slots=True)
class Page:
    """A page. `number` counts from 1; `kind` is the source of its text.

    `size`: width and height in points; NO_PAGE if its text has no places, and None if nobody has looked for them.
    """

    number: int
    blocks: Sequence[Block]
    kind: TextSource = "text"
    size: Size | None = None

    @property
    def text(self) -> str:
        """All blocks, separated by blank lines."""
        return "\n\n".join(block.text for block in self.blocks)


@dataclass(frozen=True, slots=True)
class _BodyText:
    """The body text of a document.

    Attributes:
        size: the most common font size.
        heading_size: the smallest font size of a heading.
        light: most text is not bold, so that bold text stands out.
    """

    size: float
    heading_size: float
    light: bool


def detect_structure(pages: Sequence[RawPage]) -> list[Page]:
    """Remove repeated marginal text from pages, and give each block its headings.

    The first occurrence of a running head is kept, since the title may appear nowhere else. Page numbers are removed.
    """
    _remove_repeated(pages)
    continue_tables(pages, PAGE_MARGIN, MAX_MARGINAL)
    rejoin_hyphenated(pages)
    bodies = {kind: _body_text(kind, [page for page in pages if page.kind == kind]) for kind in HEADING_SCALE}
    runs = [[run for paragraph in page.paragraphs for run in _runs(paragraph, bodies[page.kind])] for page in pages]
    levels: dict[TextSource, dict[float, int]] = {}
    for kind in HEADING_SCALE:
        found = {
            _rounded_size(run.lines[0].size)
            for page, of_page in zip(pages, runs, strict=True)
            if page.kind == kind
            for run, heading in of_page
            if heading
        }
        levels[kind] = {size: level for level, size in enumerate(sorted(found, reverse=True))}
    path: list[tuple[int, str]] = []
    structured = []
    for page, of_page in zip(pages, runs, strict=True):
        size = (page.width, page.height) if page.width > 0 else NO_PAGE
        blocks: list[Block] = []
        before: Paragraph | None = None  # the previous run, if it is a heading
        lines: list[Line] = []  # of the block
        for run, heading in of_page:
            text = run.text
            if not text:
                continue
            above, lines = lines, run.lines
            if heading:
                if blocks and before is not None and _continues_heading(before, run):
                    lines = above + lines
                    text = join_lines(f"{blocks.pop().text}\n{text}")
                level = levels[page.kind][_rounded_size(run.lines[0].size)]
                while path and path[-1][0] >= level:
                    path.pop()
                path = [*path, (level, text)][-MAX_DEPTH:]
            before = run if heading else None
            titles, shape = tuple(title for _, title in path), run.shape
            boxes = () if size == NO_PAGE else tuple(boxes_of(run, lines, size))
            blocks.append(Block(text, titles, bool(run.table), shape.head, tuple(shape.covered), boxes))
        structured.append(Page(page.number, blocks, page.kind, size))
    return structured


def _continues_heading(heading: Paragraph, run: Paragraph) -> bool:
    """Whether `run` is the next line of a heading that MuPDF split because its lines are set far apart."""
    last, line = heading.lines[-1], run.lines[0]
    above = 0 < line.y0 - last.y0 < 1.6 * line.size and last.x0 < line.x1 and line.x0 < last.x1
    return above and _rounded_size(last.size) == _rounded_size(line.size)


def _remove_repeated(pages: Sequence[RawPage]) -> None:
    """Remove running heads and page numbers, except from pages with no other text."""
    marginal: list[list[tuple[Paragraph, tuple[bool, str]]]] = []
    for page in pages:
        top, bottom = PAGE_MARGIN * page.height, (1 - PAGE_MARGIN) * page.height
        marginal.append([])
        for paragraph in page.paragraphs:
            if (paragraph.y1 <= top or paragraph.y0 >= bottom) and sum(
                len(x.text) for x in paragraph.lines
            ) <= MAX_MARGINAL:
                text = _NUMBER.sub("#", paragraph.text.lower())
                marginal[-1].append((paragraph, (paragraph.y1 <= top, text)))
    counts = Counter(key for of_page in marginal for key in {key for _, key in of_page})
    seen: set[tuple[bool, str]] = set()
    for page, of_page in zip(pages, marginal, strict=True):
        removed = []
        for paragraph, key in of_page:
            is_number = not _WORD.search(key[1]) and not _VALUE.search(paragraph.text)
            if counts[key] >= MIN_REPEATS and (is_number or (key in seen and _WORD.search(key[1]))):
                removed.append(id(paragraph))
            seen.add(key)
        if removed and len(removed) < len(page.paragraphs):
            page.paragraphs = [paragraph for paragraph in page.paragraphs if id(paragraph) not in removed]


def _body_text(kind: TextSource, pages: Sequence[RawPage]) -> _BodyText:
    exact: defaultdict[tuple[float, bool], int] = defaultdict(int)
    for page in pages:
        for paragraph in page.paragraphs:
            for line in paragraph.lines:
                exact[line.size, line.bold] += len(line.text)
    sizes: Counter[float] = Counter()
    for (size, _), count in exact.items():
        sizes[_rounded_size(size)] += count
    bold = sum(count for (_, is_bold), count in exact.items() if is_bold)
    common = max(sizes, key=lambda size: sizes[size], default=0.0)
    return _BodyText(common, HEADING_SCALE[kind] * common, 3 * bold < sizes.total())


def _rounded_size(size: float) -> float:
    return round(2 * size) / 2


def _stands_out(line: Line, body: _BodyText) -> bool:
    return line.size >= body.heading_size or (line.bold and body.light and line.size >= 0.95 * body.size)


def _runs(paragraph: Paragraph, body: _BodyText) -> list[tuple[Paragraph, bool]]:
    """Split a paragraph that begins with a heading; each part says whether it is a heading."""
    lines = paragraph.lines
    if paragraph.table or paragraph.listing or not _stands_out(lines[0], body):
        return [(paragraph, False)]
    count = 1
    size = _rounded_size(lines[0].size)
    while count < len(lines) and _stands_out(lines[count], body) and _rounded_size(lines[count].size) == size:
        count += 1
    head = Paragraph(paragraph.x0, paragraph.y0, paragraph.x1, paragraph.y1, lines[:count])
    text = head.text
    if (
        count > MAX_HEADING_LINES
        or len(text) > MAX_HEADING
        or text.endswith((".", ",", ";", "。", "，"))
        or not _WORD.search(text)
    ):
        return [(paragraph, False)]
    if count == len(lines):
        return [(paragraph, True)]
    rest = Paragraph(paragraph.x0, paragraph.y0, paragraph.x1, paragraph.y1, lines[count:])
    return [(head, True), (rest, False)]
