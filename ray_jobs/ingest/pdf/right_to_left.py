"""Lines of Arabic and Hebrew script in the order in which they are read.

A PDF places glyphs and says nothing of their order. Most programs draw a line from left to right, so the letters of
Arabic come last to first; MuPDF notices and turns such runs round, yet with three faults that this module mends. A
glyph of two letters, such as lam-alef, or a text that the file gives for a glyph (`/ActualText`) has its letters turned
round with the rest. Arabic digits too. And the runs stay in the order of drawing, so that a line with a number or a
Latin word reads end first. Here MuPDF's turning is undone, and the order is told from where the glyphs stand: the
reverse of the Unicode bidirectional algorithm (UAX #9), without embeddings.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import TYPE_CHECKING, Any, NamedTuple

from ingest.pdf.bidi import Cluster, habits_of, in_order
from ingest.pdf.drawn import Piece, drawn_pieces, joined_pieces, kind_of, level
from ingest.pdf.layout import Paragraph

if TYPE_CHECKING:
    from pymupdf import Page, TextPage

RIGHT_TO_LEFT = re.compile("[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufefc]")


class Word(NamedTuple):
    """A word as `page.get_text("words")` gives it."""

    x0: float
    y0: float
    x1: float
    y1: float
    text: str
    block: int
    line: int
    word: int


def has_right_to_left(paragraphs: Sequence[Paragraph]) -> bool:
    """Whether there are letters that are written from right to left."""
    text = "".join([line.text for paragraph in paragraphs for line in paragraph.lines])
    return not text.isascii() and RIGHT_TO_LEFT.search(text) is not None


def in_reading_order(page: Page, text: TextPage, content: dict[str, Any]) -> list[Word]:
    """Put the level lines of `content` that have letters written from right to left in order, in place.

    Pieces of such a line that MuPDF parts are joined. It takes less than 10 microseconds a character.

    Args:
        page: the page.
        text: what MuPDF read of it.
        content: `page.get_text("dict", textpage=text)`.

    Returns:
        The page's words, with numbers of the lines in the new `content`.
    """
    pieces = drawn_pieces(content, page.get_text("xml", textpage=text))
    habits = habits_of([piece.characters for of_block in pieces for piece in of_block])
    words: list[Word] = []
    for number, (block, of_block) in enumerate(zip(content["blocks"], pieces, strict=True)):
        made: list[dict[str, Any]] = []
        for together in joined_pieces(of_block):
            if level(together[0]) and any(
                kind_of(character.text) == "R" for piece in together for character in piece.characters
            ):
                read = [(_as_line(together, clusters := in_order(together, habits)), clusters)]
            else:
                read = [
                    (piece.line, [Cluster(c.text, c.x, c.x0, c.x1, "") for c in piece.characters]) for piece in together
                ]
            for line, clusters in read:
                words.extend(_words(clusters, line["bbox"], number, len(made)))
                made.append(line)
        if made:
            block["lines"] = made
    return words


def _as_line(pieces: Sequence[Piece], clusters: Sequence[Cluster]) -> dict[str, Any]:
    """The line of these pieces, with the type of the most of it."""
    lines = [piece.line for piece in pieces]
    span = max((span for line in lines for span in line["spans"]), key=lambda span: len(span["text"]))
    boxes = [line["bbox"] for line in lines]
    left, top, right, bottom = zip(*boxes, strict=True)
    return {
        **lines[0],
        "bbox": (min(left), min(top), max(right), max(bottom)),
        "spans": [{**span, "text": "".join([cluster.text for cluster in clusters])}],
    }


def _words(
    clusters: Sequence[Cluster], bbox: tuple[float, float, float, float], block: int, line: int
) -> Iterator[Word]:
    number = 0
    for space, of_word in groupby(clusters, key=lambda cluster: cluster.text.isspace()):
        if not space:
            word = list(of_word)
            x0, x1 = min(cluster.x0 for cluster in word), max(cluster.x1 for cluster in word)
            yield Word(x0, bbox[1], x1, bbox[3], "".join([cluster.text for cluster in word]), block, line, number)
            number += 1
