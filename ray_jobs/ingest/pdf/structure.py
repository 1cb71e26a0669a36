"""What only a whole document shows: which lines repeat on its pages, and which are headings."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from ingest.pdf.layout import Line, Paragraph, join_lines

Kind = Literal["text", "ocr"]

MARGIN = 0.12
"""Share of a page's height at the top and at the bottom where running heads and page numbers are."""

MIN_REPEATS = 3
"""Pages that a text in the margin has to be on to be a running head."""

MAX_MARGINAL = 200
"""Characters of a running head."""

LARGER: dict[Kind, float] = {"text": 1.12, "ocr": 1.35}
"""How much larger than the running text a heading is set; the height of a line of OCR varies with its letters."""

MAX_HEADING, MAX_HEADING_LINES = 150, 4
"""Characters and lines of a heading."""

MAX_DEPTH = 6
"""Headings above a passage."""

_NUMBER = re.compile(r"\d+|\b[ivxlc]+\b")
_WORD = re.compile(r"[^\W\d_]{2}|[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7a3]")


@dataclass(slots=True)
class RawPage:
    """A page as it was read, `number` from 1; `height` is in the units of the paragraphs' coordinates."""

    number: int
    height: float
    kind: Kind
    paragraphs: list[Paragraph]


@dataclass(frozen=True, slots=True)
class Block:
    """A paragraph, a heading or a table, with the headings that it stands under, outermost first.

    The path of a heading ends with itself. `text` of a table is Markdown; of anything else it is one line.
    """

    text: str
    headings: tuple[str, ...] = ()
    table: bool = False

    @property
    def heading(self) -> bool:
        """Whether it is itself the last of its headings."""
        return bool(self.headings) and self.text == self.headings[-1]


@dataclass(frozen=True, slots=True)
class Page:
    """`number` counts from 1; `kind` is how its text was had."""

    number: int
    blocks: Sequence[Block]
    kind: Kind = "text"

    @property
    def text(self) -> str:
        """All blocks, parted by blank lines."""
        return "\n\n".join(block.text for block in self.blocks)


@dataclass(frozen=True, slots=True)
class _Body:
    """The running text of a document: the most common size, and whether bold type stands out from it."""

    size: float
    larger: float
    light: bool


def structure(pages: Sequence[RawPage]) -> list[Page]:
    """The pages without what repeats in their margins, each block with its headings.

    The first of the repeated texts is kept where it stands, since a title may be nowhere else. Page numbers go.
    """
    _drop_repeated(pages)
    bodies = {kind: _body(kind, [page for page in pages if page.kind == kind]) for kind in LARGER}
    runs = [[run for paragraph in page.paragraphs for run in _runs(paragraph, bodies[page.kind])] for page in pages]
    levels: dict[Kind, dict[float, int]] = {}
    for kind in LARGER:
        found = {
            _rank(run.lines[0].size)
            for page, of_page in zip(pages, runs, strict=True)
            if page.kind == kind
            for run, heading in of_page
            if heading
        }
        levels[kind] = {size: level for level, size in enumerate(sorted(found, reverse=True))}
    path: list[tuple[int, str]] = []
    done = []
    for page, of_page in zip(pages, runs, strict=True):
        blocks: list[Block] = []
        before: Paragraph | None = None  # if it is a heading
        for run, heading in of_page:
            text = run.text
            if not text:
                continue
            if heading:
                if blocks and before is not None and _goes_on(before, run):
                    text = join_lines(f"{blocks.pop().text}\n{text}")
                level = levels[page.kind][_rank(run.lines[0].size)]
                while path and path[-1][0] >= level:
                    path.pop()
                path = [*path, (level, text)][-MAX_DEPTH:]
            before = run if heading else None
            blocks.append(Block(text, tuple(title for _, title in path), bool(run.table)))
        done.append(Page(page.number, blocks, page.kind))
    return done


def _goes_on(heading: Paragraph, run: Paragraph) -> bool:
    """Whether the second is the next line of the first, which MuPDF may part where lines are far apart."""
    last, line = heading.lines[-1], run.lines[0]
    above = 0 < line.y0 - last.y0 < 1.6 * line.size and last.x0 < line.x1 and line.x0 < last.x1
    return above and _rank(last.size) == _rank(line.size)


def _drop_repeated(pages: Sequence[RawPage]) -> None:
    """Take running heads and page numbers out, from pages that have something else."""
    marginal: list[list[tuple[Paragraph, tuple[bool, str]]]] = []
    for page in pages:
        top, bottom = MARGIN * page.height, (1 - MARGIN) * page.height
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
        dropped = []
        for paragraph, key in of_page:
            if counts[key] >= MIN_REPEATS and (key in seen or not _WORD.search(key[1])):
                dropped.append(id(paragraph))
            seen.add(key)
        if dropped and len(dropped) < len(page.paragraphs):
            page.paragraphs = [paragraph for paragraph in page.paragraphs if id(paragraph) not in dropped]


def _body(kind: Kind, pages: Sequence[RawPage]) -> _Body:
    exact: defaultdict[tuple[float, bool], int] = defaultdict(int)
    for page in pages:
        for paragraph in page.paragraphs:
            for line in paragraph.lines:
                exact[line.size, line.bold] += len(line.text)
    sizes: Counter[float] = Counter()
    for (size, _), count in exact.items():
        sizes[_rank(size)] += count
    bold = sum(count for (_, is_bold), count in exact.items() if is_bold)
    common = max(sizes, key=lambda size: sizes[size], default=0.0)
    return _Body(common, LARGER[kind] * common, 3 * bold < sizes.total())


def _rank(size: float) -> float:
    return round(2 * size) / 2


def _stands_out(line: Line, body: _Body) -> bool:
    return line.size >= body.larger or (line.bold and body.light and line.size >= 0.95 * body.size)


def _runs(paragraph: Paragraph, body: _Body) -> list[tuple[Paragraph, bool]]:
    """The paragraph and whether it is a heading; parted where it begins with one."""
    lines = paragraph.lines
    if paragraph.table or not _stands_out(lines[0], body):
        return [(paragraph, False)]
    count = 1
    while count < len(lines) and _stands_out(lines[count], body) and _rank(lines[count].size) == _rank(lines[0].size):
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
