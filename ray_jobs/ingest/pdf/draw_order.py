"""Recovers the order in which a PDF draws a page's characters, before MuPDF reverses Arabic and Hebrew runs."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import groupby
from typing import Any, NamedTuple

MAX_GAP = 0.8
"""Largest gap, in font sizes, between two pieces of one line on the same baseline; MuPDF uses the same value."""

MIN_VERTICAL_OVERLAP = 0.6
"""Share of the lower height by which two pieces on the same baseline overlap vertically."""

_SYNTHETIC = 4
"""MuPDF's character flag FZ_STEXT_SYNTHETIC: a space that MuPDF infers from a gap."""

VISUAL = 3
"""MuPDF's bidi value for a right-to-left character that it believes was drawn from left to right."""

_TAG = re.compile(
    r'<line bbox|<char c="([^"]+)" quad="([^"]*)" x="([^"]*)" y="([^"]*)" bidi="(\d+)"[^>]* flags="(\d+)"'
)
_REFERENCE = re.compile(r"&(?:#x([0-9a-fA-F]+)|(\w+));")
_NAMED = {"lt": "<", "gt": ">", "amp": "&", "quot": '"', "apos": "'"}


class Character(NamedTuple):
    """A character and its position in points. One without a glyph of its own has no width.

    `bidi` is MuPDF's value: 0 for left to right. `synthetic` is true for a space that MuPDF inferred.
    """

    text: str
    x: float
    x0: float
    x1: float
    y: float
    bidi: int
    synthetic: bool


class DrawnPiece(NamedTuple):
    """A line as MuPDF splits them, with its characters in drawing order; `size` is its largest font size."""

    line: dict[str, Any]
    characters: list[Character]
    size: float


def pieces_in_draw_order(content: dict[str, Any], xml: str) -> list[list[DrawnPiece]]:
    """Match the lines of `page.get_text("dict")` with their characters from `page.get_text("xml")`.

    The XML also holds lines outside of the page. A line that is only partly on the page gets no characters.

    Returns:
        For each block, its pieces.
    """
    drawn = list(_characters_of_lines(xml))
    places = [(min(c.x0 for c in line), max(c.x1 for c in line)) for line in drawn]
    position = 0
    pieces: list[list[DrawnPiece]] = []
    for block in content["blocks"]:
        pieces.append([])
        for line in block.get("lines", ()):
            x0, _, x1, _ = line["bbox"]
            found: list[Character] = []
            for index in range(position, len(drawn)):
                if abs(places[index][0] - x0) + abs(places[index][1] - x1) < 0.01:
                    found, position = drawn[index], index + 1
                    break
            pieces[-1].append(DrawnPiece(line, found, max(span["size"] for span in line["spans"])))
    return pieces


def _characters_of_lines(xml: str) -> Iterator[list[Character]]:
    """Yield the characters of each line in drawing order."""
    line: list[Character] = []
    for tag in _TAG.finditer(xml):
        if tag[1] is None:
            if line:
                yield _undo_reversal(line)
            line = []
        else:
            quad = [float(value) for value in tag[2].split()]
            text = _REFERENCE.sub(lambda match: chr(int(match[1], 16)) if match[1] else _NAMED[match[2]], tag[1])
            synthetic = bool(int(tag[6]) & _SYNTHETIC)
            line.append(
                Character(text, float(tag[3]), min(quad[::2]), max(quad[::2]), float(tag[4]), int(tag[5]), synthetic)
            )
    if line:
        yield _undo_reversal(line)


def _undo_reversal(line: list[Character]) -> list[Character]:
    """Undo MuPDF's reversal: in a line with a VISUAL character, MuPDF reverses every run of characters with `bidi`."""
    if all(character.bidi != VISUAL for character in line):
        return line
    runs = [(marked, list(run)) for marked, run in groupby(line, key=lambda character: character.bidi > 0)]
    return [character for marked, run in runs for character in (reversed(run) if marked else run)]


def lines_of_pieces(pieces: Sequence[DrawnPiece]) -> Iterator[list[DrawnPiece]]:
    """Group the pieces of a block that share a baseline without a large gap: each group is one line."""
    row: list[DrawnPiece] = []
    for piece in pieces:
        if row and not _on_one_baseline(row[0], piece):
            yield from _split_at_gaps(row)
            row = []
        row.append(piece)
    if row:
        yield from _split_at_gaps(row)


def _on_one_baseline(first: DrawnPiece, second: DrawnPiece) -> bool:
    if not (is_horizontal(first) and is_horizontal(second)):
        return False
    (_, top, _, bottom), (_, other_top, _, other_bottom) = first.line["bbox"], second.line["bbox"]
    shared = min(bottom, other_bottom) - max(top, other_top)
    return bool(shared > MIN_VERTICAL_OVERLAP * min(bottom - top, other_bottom - other_top))


def is_horizontal(piece: DrawnPiece) -> bool:
    """Whether a piece is horizontal and its characters are known."""
    return bool(piece.characters and piece.line["dir"] == (1.0, 0.0) and piece.line["wmode"] == 0)


def _split_at_gaps(row: Sequence[DrawnPiece]) -> list[list[DrawnPiece]]:
    """Split pieces on one baseline at large gaps, and return the groups in reading order."""
    groups: list[list[int]] = []
    reach = float("-inf")
    for index, piece in sorted(enumerate(row), key=lambda item: item[1].line["bbox"][0]):
        x0, _, x1, _ = piece.line["bbox"]
        if not groups or x0 - reach > MAX_GAP * piece.size:
            groups.append([])
        groups[-1].append(index)
        reach = max(reach, x1)
    directions = [direction_of(character.text) for piece in row for character in piece.characters]
    if directions.count("R") > directions.count("L"):
        groups.reverse()
    else:
        groups.sort(key=min)
    return [[row[index] for index in sorted(group)] for group in groups]


def with_spaces_in_place(pieces: Sequence[DrawnPiece]) -> list[DrawnPiece]:
    """Put spaces that are drawn before the words around them where MuPDF infers a space."""
    inferred = [c for piece in pieces for c in piece.characters if c.synthetic]
    apart = []
    for piece in pieces if inferred else ():
        wide = [c for c in piece.characters if c.x1 > c.x0]
        for c, after in zip(wide, [*wide[1:], None], strict=True):
            if c.text == " " and not c.synthetic and (after is None or abs(after.x0 - c.x1) > piece.size):
                apart.append(c)
    real = {id(c) for c in inferred if any(c.x0 - 1 < (space.x0 + space.x1) / 2 < c.x1 + 1 for space in apart)}
    if not real:
        return list(pieces)
    drawn = {id(space) for space in apart}
    return [
        piece._replace(characters=[c._replace(synthetic=False) if id(c) in real else c for c in kept])
        for piece in pieces
        if (kept := [c for c in piece.characters if id(c) not in drawn])
    ]


@lru_cache(maxsize=4096)
def direction_of(character: str) -> str:
    """Classify a character: R for right to left, L for left to right, N for a digit, "" for a neutral one."""
    name = unicodedata.bidirectional(character)
    return {"R": "R", "AL": "R", "L": "L", "EN": "N", "AN": "N"}.get(name, "")


def is_mark(character: str) -> bool:
    """Whether a character is a mark that combines with the letter before it."""
    return not character.isascii() and unicodedata.category(character) == "Mn"
