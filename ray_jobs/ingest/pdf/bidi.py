"""The order in which a line with Arabic or Hebrew letters is read, told from where its glyphs stand.

This is the reverse of the Unicode bidirectional algorithm (UAX #9), without embeddings: marks and the letters of a
ligature are put to their glyph, glyphs to runs of one direction, and the runs in order.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

from ingest.pdf.drawn import VISUAL, Character, Piece, kind_of

SPACE = 0.2
"""Gap, in sizes of the type, from which on a space is missing."""

BACK, FAR = 0.3, 1.5
"""Steps back and gaps, in sizes of the type, that part a run."""

MAX_GUESSED = 1.5
"""Width, in sizes of the type, up to which MuPDF's guess of a space may be a letter that it does not see."""

WIDTH = 0.001
"""Points up to which a width is none and two places are one."""

UNNAMED = "\ufffd"
"""MuPDF's text of a glyph without a known character."""

MIN_SPACES = 0.05
"""Share of spaces in the text of a page from which on the file has them, and none need be guessed."""

LAM_ALEF = frozenset(("\u0644\u0622", "\u0644\u0623", "\u0644\u0625", "\u0644\u0627"))
"""Letters that every font of Arabic shows as one glyph: lam before one of the four alefs."""


@dataclass(slots=True)
class Cluster:
    """What stands at one place: a glyph's characters with the marks on it. `kind` is R, L, N (a number) or ""."""

    text: str
    x: float
    x0: float
    x1: float
    kind: str


class Habits(NamedTuple):
    """What holds for a page: words have spaces between them, most letters are read leftwards, marks precede letters."""

    spaced: bool
    leftwards: bool
    marks_first: bool


def habits_of(lines: Sequence[Sequence[Character]]) -> Habits:
    """What holds for the page of these lines."""
    characters = [character for line in lines for character in line]
    letters = sum(not character.text.isspace() for character in characters)
    spaces = sum(character.text == " " and not character.synthetic for character in characters)
    kinds = [kind_of(character.text) for character in characters]
    return Habits(spaces >= MIN_SPACES * letters, kinds.count("R") >= kinds.count("L"), _marks_first(lines))


def in_order(pieces: Sequence[Piece], habits: Habits) -> list[Cluster]:
    """The clusters of a line in the order in which they are read."""
    size = max(piece.size for piece in pieces)
    clusters = [_clusters(piece, habits) for piece in pieces]
    _join_numbers(clusters)
    runs = [run for of_piece in clusters for run in _runs(of_piece, size)]
    runs.sort(key=lambda run: (run[0].x + run[-1].x) / 2)
    for index in range(len(runs) - 1, 0, -1):
        before, after = runs[index - 1], runs[index]
        gap = min(cluster.x0 for cluster in after) - max(cluster.x1 for cluster in before)
        apart = gap > SPACE * size and (before[0].kind != after[0].kind or not habits.spaced)
        if apart and not any(run[end].text.isspace() for run in (before, after) for end in (0, -1)):
            x = max(cluster.x1 for cluster in before)
            runs.insert(index, [Cluster(" ", x, x, x + gap, "")])
    kinds = [cluster.kind for run in runs for cluster in run]
    leftwards = habits.leftwards or kinds.count("R") >= kinds.count("L")
    if leftwards:
        runs.reverse()
    ordered: list[Cluster] = []
    for run in _against(runs, "L" if leftwards else "R"):
        # Word draws the space after a Latin word on its right, which is before it in a line that is read leftwards.
        if ordered and ordered[-1].kind == "L" and run[0].kind == "R":
            ordered.append(Cluster(" ", run[-1].x1, run[-1].x1, run[-1].x1, ""))
        ordered.extend(run)
    return ordered


def _against(runs: Sequence[list[Cluster]], kind: str) -> list[list[Cluster]]:
    """Turn round phrases of a kind that is read against the line, with numbers in them or at the ends of Latin ones."""
    ends = ("L", "N") if kind == "L" else ("R",)
    ordered: list[list[Cluster]] = []
    start = 0
    while start < len(runs):
        stop = start + 1
        if runs[start][0].kind in ends:
            turned = runs[start][0].kind == kind
            for index in range(start + 1, len(runs)):
                found = runs[index][0].kind
                if found not in (kind, "N", ""):
                    break
                turned = turned or found == kind
                if turned and found in ends:
                    stop = index + 1
        ordered.extend(reversed(runs[start:stop]))
        start = stop
    return ordered


def _clusters(piece: Piece, habits: Habits) -> list[Cluster]:
    """The clusters of a piece in the order of drawing."""
    clusters: list[Cluster] = []
    marks = ""
    rightwards = _drawn_rightwards((c.text, c.x) for c in piece.characters)
    before: Character | None = None
    for character in piece.characters:
        if character.synthetic and habits.spaced and character.x1 - character.x0 < MAX_GUESSED * piece.size:
            continue
        if character.text == UNNAMED and _without_width(character):  # a mark or the dots of a letter
            continue
        if _is_mark(character):
            # Marks that are drawn by themselves come before their letter in what is drawn from left to right.
            if rightwards and habits.marks_first and not (before and _without_width(before)):
                marks = character.text + marks
            elif clusters:
                clusters[-1].text += character.text
            continue
        if clusters and before and not before.text.isspace() and _follows(before, character):
            # Some files name the letters of a ligature from left to right.
            turned = character.text + before.text in LAM_ALEF
            clusters[-1].text = character.text + clusters[-1].text if turned else clusters[-1].text + character.text
            continue
        x, x0, x1 = character.x, character.x0, character.x1
        new = Cluster(character.text + marks, x, x0, x1, kind_of(character.text))
        marks = ""
        before = character
        last = clusters[-1] if clusters else None
        if (
            last
            and last.kind == "R"
            and last.x1 - last.x0 < WIDTH
            and x0 - SPACE * piece.size < last.x < x1 + SPACE * piece.size
            and new.text[0] in (UNNAMED, last.text[0])
        ):
            # The dots of a letter and the rest of it may be two glyphs, of which one or both have the letter's name.
            last.x0, last.x1, last.x = x0, x1, x
            continue
        clusters.append(new)
    if clusters:
        clusters[-1].text += marks
    return clusters


def _is_mark(character: Character) -> bool:
    return not character.text.isascii() and unicodedata.category(character.text) == "Mn"


def _without_width(character: Character) -> bool:
    return character.x1 - character.x0 < WIDTH


def _follows(before: Character, character: Character) -> bool:
    """Whether a character is a further one of the glyph before: MuPDF puts it at the end of that, without width."""
    return (
        _without_width(character)
        and (
            character.bidi != VISUAL
            or before.text + character.text in LAM_ALEF
            or character.text + before.text in LAM_ALEF
        )
        and unicodedata.category(character.text) == "Lo"
        and abs(character.x - before.x1) < WIDTH
        and character.y == before.y
    )


def _marks_first(lines: Iterable[Sequence[Character]]) -> bool:
    """Whether marks are drawn before their letter, and do not come from the letter's glyph: then some come after a
    space, and none before one."""
    votes = 0
    for line in lines:
        for before, after in pairwise(line):
            if before.text.isspace() and not before.synthetic and _is_mark(after):
                votes += 1
            elif _is_mark(before) and after.text.isspace() and not after.synthetic:
                votes -= 1
    return votes >= 0


def _drawn_rightwards(letters: Iterable[tuple[str, float]]) -> bool:
    """Whether letters that are read from right to left are drawn from left to right, told from text and place."""
    places = [x for text, x in letters if kind_of(text[0]) == "R"]
    return sum((after > before) - (after < before) for before, after in pairwise(places)) >= 0


def _join_numbers(pieces: Sequence[list[Cluster]]) -> None:
    """Make the signs inside of a number, such as a decimal point, a part of it."""
    # After Arabic letters, and not after Hebrew ones, a hyphen and a sign of percent are read by themselves (W2 to W5).
    arabic = any(unicodedata.bidirectional(c.text[0]) == "AL" for clusters in pieces for c in clusters)
    inside = ".,:/\u066b\u066c" if arabic else ".,:/+-\u2212"
    for clusters in pieces:
        for before, sign, after in zip(clusters, clusters[1:], clusters[2:], strict=False):
            if before.kind == after.kind == "N" and sign.text in inside:
                sign.kind = "N"
        if not arabic:
            for before, sign in pairwise(clusters):
                if before.kind == "N" and sign.text in "%\u2030\u00b0":
                    sign.kind = "N"


def _runs(clusters: Sequence[Cluster], size: float) -> Iterator[list[Cluster]]:
    """What is drawn one beside another and is of one kind, from left to right; white space and signs between two parts
    of a kind belong to it."""
    backwards = 1 if _drawn_rightwards((cluster.text, cluster.x) for cluster in clusters) else -1
    run: list[Cluster] = []
    held: list[Cluster] = []  # neutral ones after the run
    for cluster in clusters:
        last = held[-1] if held else run[-1] if run else None
        if last is not None:
            sense = backwards if "R" in (cluster.kind, run[0].kind if run else "") else 1
            step = (cluster.x - last.x) * sense
            gap = max(cluster.x0 - last.x1, last.x0 - cluster.x1)
            if step < -BACK * size or gap > FAR * size:
                yield from _turned(run, held, backwards)
                run, held = [], []
        if not cluster.kind and run and run[0].kind in ("R", "L"):
            held.append(cluster)
        elif cluster.kind and run and run[0].kind == cluster.kind:
            run += [*held, cluster]
            held = []
        else:
            yield from _turned(run, held, backwards)
            run, held = [cluster], []
    yield from _turned(run, held, backwards)


def _turned(run: list[Cluster], held: Sequence[Cluster], backwards: int) -> Iterator[list[Cluster]]:
    if run:
        # Letters that are read from right to left come out of this in the order of reading.
        yield run[::-1] if run[0].kind == "R" and backwards > 0 else run
    for cluster in held:
        yield [cluster]
