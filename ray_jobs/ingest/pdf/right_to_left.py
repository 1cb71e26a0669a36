"""Puts the text of lines in Arabic and Hebrew script into logical order, the order in which it is read.

A PDF places glyphs and does not record their order. Most programs draw a line from left to right, so that the letters
of an Arabic word come last to first. MuPDF detects such runs and reverses them, but with three faults. It also reverses
the letters of a ligature such as lam-alef and of a glyph's `/ActualText`; it reverses Arabic digits; and it leaves the
runs in drawing order, so that a line with a number or a Latin word is read from its end. This module undoes the
reversal and derives the logical order from the positions of the glyphs (`ingest.pdf.bidi`).

No library replaces it. Share of 13,410 known words that come out intact and in order from 145 Arabic, Hebrew, Persian
and Urdu PDFs of seven programs (Chromium, LibreOffice, WeasyPrint, typst, fpdf2, ReportLab, MuPDF), and intact words of
231 on the corpus' Arabic page from Microsoft Word (November 2026):

    this module                                                        94.2 %   231
    PDFium 159 (pypdfium2 5.15), its own text order                    74.7 %   200
    MuPDF 2.0, its own text order                                      63.7 %   200
    MuPDF's characters from left to right, then python-bidi 0.6.12     88.6 %   201
    this module's glyph clusters, then python-bidi                     93.7 %   221

The last one would save some 100 lines, but it needs python-bidi's undocumented functions: `get_display` returns a
string and does not say where each glyph went.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from typing import TYPE_CHECKING, Any

from ingest.pdf.bidi import GlyphCluster, logical_order
from ingest.pdf.bidi_conventions import EPSILON, conventions_of
from ingest.pdf.draw_order import DrawnPiece, direction_of, is_horizontal, lines_of_pieces, pieces_in_draw_order
from ingest.pdf.glyph_lines import Word
from ingest.pdf.layout import Paragraph
from ingest.pdf.mirrored_brackets import turn_brackets
from ingest.pdf.strayed_marks import return_marks

if TYPE_CHECKING:
    from pymupdf import Page, TextPage

LAM, ALEFS = "\u0644", "\u0622\u0623\u0625\u0627"

RIGHT_TO_LEFT = re.compile("[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufefc]")


def has_right_to_left(paragraphs: Sequence[Paragraph]) -> bool:
    """Whether the text contains letters of a right-to-left script."""
    text = "".join([line.text for paragraph in paragraphs for line in paragraph.lines])
    return not text.isascii() and RIGHT_TO_LEFT.search(text) is not None


def is_right_to_left(texts: Iterable[str]) -> bool:
    """Whether most of the texts with letters are in such a script: a table of them is read from its right column."""
    directions = [direction for text in texts if (direction := _direction_of(text))]
    return 2 * directions.count("R") > len(directions)


def _direction_of(text: str) -> str:
    return next((direction for c in text if (direction := direction_of(c)) in ("L", "R")), "")


def to_logical_order(page: Page, text: TextPage, content: dict[str, Any]) -> list[Word]:
    """Put the horizontal lines of `content` that contain right-to-left letters into logical order, in place.

    It joins the pieces into which MuPDF splits such a line, and takes less than 10 microseconds per character.

    Args:
        page: the page.
        text: its text page.
        content: `page.get_text("dict", textpage=text)`.

    Returns:
        The page's words; their line numbers refer to the new `content`.
    """
    pieces = pieces_in_draw_order(content, page.get_text("xml", textpage=text))
    drawn = [piece for of_block in pieces for piece in of_block]
    _restore_alefs(page, drawn)
    return_marks(page, drawn)
    conventions = conventions_of([piece.characters for of_block in pieces for piece in of_block])
    found = [
        [(row, logical_order(row, conventions) if _is_reversed(row) else []) for row in lines_of_pieces(of_block)]
        for of_block in pieces
    ]
    turn_brackets([clusters for of_block in found for _, clusters in of_block])
    words: list[Word] = []
    for number, (block, of_block) in enumerate(zip(content["blocks"], found, strict=True)):
        lines: list[dict[str, Any]] = []
        for row, ordered in of_block:
            reordered = [(_as_line(row, ordered), ordered)] if ordered else []
            for line, clusters in reordered or [(piece.line, _in_draw_order(piece)) for piece in row]:
                words.extend(_words(clusters, line["bbox"], number, len(lines)))
                lines.append(line)
        if lines:
            block["lines"] = lines
    return words


def _is_reversed(row: Sequence[DrawnPiece]) -> bool:
    return is_horizontal(row[0]) and any(direction_of(c.text) == "R" for piece in row for c in piece.characters)


def _restore_alefs(page: Page, pieces: Sequence[DrawnPiece]) -> None:
    """Add the alefs before a lam-alef, in place.

    MuPDF puts the second letter of this ligature at its right edge, and drops the letter there as one drawn twice.
    """
    ligatures = [
        (piece, index, alef)
        for piece in pieces
        for index, alef in enumerate(piece.characters)
        if index and alef.text in ALEFS and alef.x1 - alef.x0 < EPSILON and piece.characters[index - 1].text == LAM
    ]
    if not ligatures:
        return
    shown = [
        (chr(glyph[0]), glyph[2], glyph[3])
        for span in page.get_texttrace()
        for glyph in span["chars"]
        if chr(glyph[0]) in ALEFS and glyph[3][2] - glyph[3][0] > EPSILON
    ]
    for piece, index, alef in reversed(ligatures):
        for text, (x, y), (x0, _, x1, _) in shown:
            place = abs(x - alef.x) < 0.5 and abs(y - alef.y) < 0.5
            if place and not any(
                c.text == text and c.x1 - c.x0 > EPSILON and abs(c.x - x) < 0.5 for c in piece.characters
            ):
                piece.characters.insert(index + 1, alef._replace(text=text, x=x, x0=x0, x1=x1))


def _in_draw_order(piece: DrawnPiece) -> list[GlyphCluster]:
    return [GlyphCluster(c.text, c.x, c.x0, c.x1, "") for c in piece.characters]


def _as_line(pieces: Sequence[DrawnPiece], clusters: Sequence[GlyphCluster]) -> dict[str, Any]:
    """Return the line that consists of these pieces, in the font of its longest span."""
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
    clusters: Sequence[GlyphCluster], bbox: tuple[float, float, float, float], block: int, line: int
) -> Iterator[Word]:
    number = 0
    for space, of_word in groupby(clusters, key=lambda cluster: cluster.text.isspace()):
        if not space:
            word = list(of_word)
            x0, x1 = min(cluster.x0 for cluster in word), max(cluster.x1 for cluster in word)
            yield Word(x0, bbox[1], x1, bbox[3], "".join([cluster.text for cluster in word]), block, line, number)
            number += 1
