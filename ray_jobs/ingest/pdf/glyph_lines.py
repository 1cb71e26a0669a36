"""Lines of a page with the positions of their glyphs, and the way back to text and words."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING, Any, NamedTuple

from ingest.pdf.covered_text import CoveredGlyphs, GlyphPlace, glyph_place
from ingest.pdf.geometry import bounding_box
from ingest.pdf.layout import RAISED, raised_spans

if TYPE_CHECKING:
    from pymupdf import Page, TextPage

PAINTED = 16 | 32
"""MuPDF's flags FZ_STEXT_FILLED and FZ_STEXT_STROKED: text with neither is invisible, as that of an OCR layer."""

UNSEEN = "unseen"
"""The key of a span of `page.get_text("dict")` that is no more than a gap."""


class Word(NamedTuple):
    """A word in the form of `page.get_text("words")`."""

    x0: float
    y0: float
    x1: float
    y1: float
    text: str
    block: int
    line: int
    word: int


@dataclass(slots=True)
class Glyph:
    """A character, its box, baseline and font size in points; `synthetic`: a space that MuPDF inferred from a gap."""

    text: str
    x0: float
    y0: float
    x1: float
    y1: float
    baseline: float
    size: float
    synthetic: bool


@dataclass(slots=True)
class GlyphLine:
    """A line as MuPDF splits them.

    Attributes:
        block: index of the block in `page.get_text("dict")`.
        line: that line of the block.
        size: the largest font size.
        changed: the glyphs are no longer those of the file.
    """

    block: int
    line: dict[str, Any]
    glyphs: list[Glyph]
    size: float
    horizontal: bool
    visible: bool
    changed: bool = False

    @property
    def text(self) -> str:
        """The characters of the line."""
        return "".join([glyph.text for glyph in self.glyphs])

    def words(self) -> Iterator[list[Glyph]]:
        """Yield the glyphs of each word."""
        for space, word in groupby(self.glyphs, key=lambda glyph: glyph.text.isspace()):
            if not space:
                yield list(word)


def glyph_lines(page: Page, text: TextPage, content: dict[str, Any], covered: CoveredGlyphs) -> list[GlyphLine]:
    """Return the lines of `content`, which is `page.get_text("dict", textpage=text)`, with their glyphs.

    Glyphs that are covered or in unseen spans become gaps.
    """
    raw = page.get_text("rawdict", textpage=text)
    hidden = _hidden(raw, covered)
    found: list[GlyphLine] = []
    for number, (block, of_glyphs) in enumerate(zip(content["blocks"], raw["blocks"], strict=True)):
        for line, with_glyphs in zip(block.get("lines", ()), of_glyphs.get("lines", ()), strict=True):
            spans = with_glyphs["spans"]
            changed = any(UNSEEN in span for span in line["spans"])
            glyphs = []
            size = max(line["spans"], key=lambda span: len(span["text"]))["size"]
            raised = raised_spans(line["spans"], size)
            for span, is_gap, is_raised in zip(spans, [UNSEEN in span for span in line["spans"]], raised, strict=True):
                for c in span["chars"]:
                    shown, origin = " " if is_gap else c["c"].translate(RAISED) if is_raised else c["c"], c["origin"]
                    if hidden and hidden[place := glyph_place(c["c"], origin)] > 0:
                        hidden[place] -= 1
                        shown, changed = " ", True
                    x0, y0, x1, y1 = c["bbox"]
                    glyphs.append(Glyph(shown, x0, y0, x1, y1, origin[1], span["size"], c["synthetic"]))
            if changed and all(glyph.text.isspace() for glyph in glyphs):
                glyphs = []
            visible = any(span["char_flags"] & PAINTED for span in spans)
            horizontal = line["dir"] == (1.0, 0.0) and line["wmode"] == 0
            found.append(
                GlyphLine(number, line, glyphs, max(span["size"] for span in spans), horizontal, visible, changed)
            )
    return found


def _hidden(raw: dict[str, Any], covered: CoveredGlyphs) -> Counter[GlyphPlace]:
    """How many glyphs of the text at a place are covered: MuPDF leaves out some that are drawn again there."""
    if not covered.hidden:
        return Counter()
    lines = (line for block in raw["blocks"] for line in block.get("lines", ()))
    places = (glyph_place(c["c"], c["origin"]) for line in lines for span in line["spans"] for c in span["chars"])
    there = Counter(place for place in places if place in covered.hidden)
    return Counter({place: there[place] - (covered.drawn[place] - count) for place, count in covered.hidden.items()})


def with_spaces(glyphs: Sequence[Glyph], gap: float) -> list[Glyph]:
    """Return glyphs from left to right with a space in each gap of at least `gap` points that has none."""
    spaced: list[Glyph] = []
    for glyph in glyphs:
        before = spaced[-1] if spaced else glyph
        if not (before.text.isspace() or glyph.text.isspace()) and glyph.x0 - before.x1 >= gap:
            spaced.append(Glyph(" ", before.x1, glyph.y0, glyph.x0, glyph.y1, glyph.baseline, glyph.size, True))
        spaced.append(glyph)
    return spaced


def write_back(lines: Sequence[GlyphLine], content: dict[str, Any]) -> list[Word]:
    """Put changed lines into `content`, and return the words of the page; a line without glyphs disappears."""
    words: list[Word] = []
    by_block = {number: list(of_block) for number, of_block in groupby(lines, key=lambda line: line.block)}
    for number, block in enumerate(content["blocks"]):
        kept = [line for line in by_block.get(number, ()) if line.glyphs]
        if "lines" in block:
            block["lines"] = [_changed(line) if line.changed else line.line for line in kept]
            if any(line.changed for line in kept):
                block["bbox"] = bounding_box([line["bbox"] for line in block["lines"]])
        for position, line in enumerate(kept):
            for index, word in enumerate(line.words()):
                box = _box(word)
                words.append(Word(*box, "".join([glyph.text for glyph in word]), number, position, index))
    content["blocks"] = [block for block in content["blocks"] if block.get("lines", True)]
    return words


def _changed(line: GlyphLine) -> dict[str, Any]:
    span = max(line.line["spans"], key=lambda span: len(span["text"]))
    return {**line.line, "bbox": _box(line.glyphs), "spans": [{**span, "text": line.text}]}


def _box(glyphs: Sequence[Glyph]) -> tuple[float, float, float, float]:
    return (
        min(glyph.x0 for glyph in glyphs),
        min(glyph.y0 for glyph in glyphs),
        max(glyph.x1 for glyph in glyphs),
        max(glyph.y1 for glyph in glyphs),
    )
