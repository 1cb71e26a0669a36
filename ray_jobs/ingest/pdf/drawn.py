"""The characters of a page in the order in which a PDF draws them, with MuPDF's turning of Arabic and Hebrew undone."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import groupby
from typing import Any, NamedTuple

MAX_GAP = 0.8
"""Gap, in sizes of the type, up to which pieces on one baseline are one line: as MuPDF has it."""

SHARED = 0.6
"""Share of their height that two pieces on one baseline have in common."""

_SYNTHETIC = 4
"""FZ_STEXT_SYNTHETIC, a flag of characters: a space that MuPDF guesses from a gap."""

VISUAL = 3
"""MuPDF's mark of a character that it takes for drawn from left to right although it is read from right to left."""

_TAG = re.compile(
    r'<line bbox|<char c="([^"]+)" quad="([^"]*)" x="([^"]*)" y="([^"]*)" bidi="(\d+)"[^>]* flags="(\d+)"'
)
_REFERENCE = re.compile(r"&(?:#x([0-9a-fA-F]+)|(\w+));")
_NAMED = {"lt": "<", "gt": ">", "amp": "&", "quot": '"', "apos": "'"}


class Character(NamedTuple):
    """A character; `bidi` is 0 for left to right, else MuPDF's mark. It has no width if it has no glyph of its own."""

    text: str
    x: float
    x0: float
    x1: float
    y: float
    bidi: int
    synthetic: bool


class Piece(NamedTuple):
    """A line of MuPDF with its characters in the order of drawing; `size` is that of its largest type."""

    line: dict[str, Any]
    characters: list[Character]
    size: float


def drawn_pieces(content: dict[str, Any], xml: str) -> list[list[Piece]]:
    """The lines of each block of `page.get_text("dict")` with their characters, from `page.get_text("xml")`.

    The second has more lines: those outside of the page too. A line of which only a part is on the page has no
    characters here.
    """
    drawn = list(_drawn(xml))
    places = [(min(c.x0 for c in line), max(c.x1 for c in line)) for line in drawn]
    position = 0
    pieces: list[list[Piece]] = []
    for block in content["blocks"]:
        pieces.append([])
        for line in block.get("lines", ()):
            x0, _, x1, _ = line["bbox"]
            found: list[Character] = []
            for index in range(position, len(drawn)):
                if abs(places[index][0] - x0) + abs(places[index][1] - x1) < 0.01:
                    found, position = drawn[index], index + 1
                    break
            pieces[-1].append(Piece(line, found, max(span["size"] for span in line["spans"])))
    return pieces


def _drawn(xml: str) -> Iterator[list[Character]]:
    """The characters of each line in the order in which the file draws them."""
    line: list[Character] = []
    for tag in _TAG.finditer(xml):
        if tag[1] is None:
            if line:
                yield _as_drawn(line)
            line = []
        else:
            quad = [float(value) for value in tag[2].split()]
            text = _REFERENCE.sub(lambda match: chr(int(match[1], 16)) if match[1] else _NAMED[match[2]], tag[1])
            synthetic = bool(int(tag[6]) & _SYNTHETIC)
            line.append(
                Character(text, float(tag[3]), min(quad[::2]), max(quad[::2]), float(tag[4]), int(tag[5]), synthetic)
            )
    if line:
        yield _as_drawn(line)


def _as_drawn(line: list[Character]) -> list[Character]:
    """Undo MuPDF's turning: if it marks a character VISUAL, it turns every run of characters with a mark."""
    if all(character.bidi != VISUAL for character in line):
        return line
    runs = [(marked, list(run)) for marked, run in groupby(line, key=lambda character: character.bidi > 0)]
    return [character for marked, run in runs for character in (reversed(run) if marked else run)]


def joined_pieces(pieces: Sequence[Piece]) -> Iterator[list[Piece]]:
    """The lines of a block, those together that stand on one baseline without a gap."""
    row: list[Piece] = []
    for piece in pieces:
        if row and not _on_one_baseline(row[0], piece):
            yield from _without_gaps(row)
            row = []
        row.append(piece)
    if row:
        yield from _without_gaps(row)


def _on_one_baseline(first: Piece, second: Piece) -> bool:
    if not (level(first) and level(second)):
        return False
    (_, top, _, bottom), (_, other_top, _, other_bottom) = first.line["bbox"], second.line["bbox"]
    shared = min(bottom, other_bottom) - max(top, other_top)
    return bool(shared > SHARED * min(bottom - top, other_bottom - other_top))


def level(piece: Piece) -> bool:
    """Whether a piece is a level line of which the characters are known."""
    return bool(piece.characters and piece.line["dir"] == (1.0, 0.0) and piece.line["wmode"] == 0)


def _without_gaps(row: Sequence[Piece]) -> list[list[Piece]]:
    """Pieces on a baseline, parted at gaps, in the order in which they are read."""
    groups: list[list[int]] = []
    reach = float("-inf")
    for index, piece in sorted(enumerate(row), key=lambda item: item[1].line["bbox"][0]):
        x0, _, x1, _ = piece.line["bbox"]
        if not groups or x0 - reach > MAX_GAP * piece.size:
            groups.append([])
        groups[-1].append(index)
        reach = max(reach, x1)
    kinds = [kind_of(character.text) for piece in row for character in piece.characters]
    if kinds.count("R") > kinds.count("L"):
        groups.reverse()
    else:
        groups.sort(key=min)
    return [[row[index] for index in sorted(group)] for group in groups]


@lru_cache(maxsize=4096)
def kind_of(character: str) -> str:
    """R for a letter that is read from right to left, L for another, N for a digit, else ""."""
    name = unicodedata.bidirectional(character)
    return {"R": "R", "AL": "R", "L": "L", "EN": "N", "AN": "N"}.get(name, "")
