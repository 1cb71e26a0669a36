"""Derives the logical order of a line of Arabic or Hebrew from the positions of its glyphs (the visual order).

This reverses the Unicode bidirectional algorithm (UAX #9) without embeddings: combining marks and the letters of a
ligature are attached to their glyph, glyphs are grouped into runs of one direction, and the runs are put in order.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from ingest.pdf.bidi_conventions import EPSILON, LAM_ALEF, PARTNERS, PageConventions, has_no_width, is_alef_at
from ingest.pdf.draw_order import VISUAL, Character, DrawnPiece, direction_of, is_mark, with_spaces_in_place

MIN_SPACE = 0.2
"""Smallest gap, in font sizes, that stands for a space."""

MIN_CELL_GAP = 0.5
"""Smallest gap, in font sizes, between two cells of a table whose file contains its spaces."""

MAX_BACKSTEP, MAX_RUN_GAP = 0.3, 1.5
"""Largest step backwards and largest gap, in font sizes, within a run."""

MIN_ROOM = 0.6
"""Size of a gap in which a sign stands that is drawn later, relative to the sign."""

MAX_INFERRED_SPACE = 1.5
"""Width, in font sizes, below which a space that MuPDF inferred may be a letter that it does not see."""

UNKNOWN = "\ufffd"
"""MuPDF's text for a glyph whose character is unknown."""

ALEF, FATHATAN, SUKUN = "\u0627", "\u064b", "\u0652"
"""An alef, which bears no short vowel, unlike those with a hamza; the mark that it bears; one that only a lam bears."""


@dataclass(slots=True)
class GlyphCluster:
    """The characters of one glyph with its combining marks. `direction` is R, L, N (a number) or "" (neutral)."""

    text: str
    x: float
    x0: float
    x1: float
    direction: str


def logical_order(pieces: Sequence[DrawnPiece], conventions: PageConventions) -> list[GlyphCluster]:
    """Return the clusters of a line in logical order.

    Args:
        pieces: the pieces of the line, from `lines_of_pieces`.
        conventions: those of the page.
    """
    size = max(piece.size for piece in pieces)
    pieces = with_spaces_in_place(pieces)
    clusters = _with_late_signs([_clusters(piece, conventions) for piece in pieces])
    _join_numbers(clusters)
    runs = [run for of_piece in clusters for run in _runs(of_piece, size)]
    runs.sort(key=lambda run: (run[0].x + run[-1].x) / 2)
    for index in range(len(runs) - 1, 0, -1):
        before, after = runs[index - 1], runs[index]
        gap = min(cluster.x0 for cluster in after) - max(cluster.x1 for cluster in before)
        is_other = before[0].direction != after[0].direction or not conventions.has_spaces
        is_space = gap > (MIN_SPACE if is_other else MIN_CELL_GAP) * size
        if is_space and not any(run[end].text.isspace() for run in (before, after) for end in (0, -1)):
            x = max(cluster.x1 for cluster in before)
            runs.insert(index, [GlyphCluster(" ", x, x, x + gap, "")])
    directions = [cluster.direction for run in runs for cluster in run]
    right_to_left = conventions.right_to_left or directions.count("R") >= directions.count("L")
    if right_to_left:
        runs.reverse()
    ordered: list[GlyphCluster] = []
    for run in _reverse_opposite_phrases(runs, "L" if right_to_left else "R"):
        # Microsoft Word draws the space that follows a Latin word to the right of the word, as in Latin text.
        if ordered and ordered[-1].direction == "L" and run[0].direction == "R":
            ordered.append(GlyphCluster(" ", run[-1].x1, run[-1].x1, run[-1].x1, ""))
        ordered.extend(run)
    return ordered


def _with_late_signs(pieces: list[list[GlyphCluster]]) -> list[list[GlyphCluster]]:
    """Put signs that are drawn in another pass, since the font of the letters lacks them, into their gaps."""
    for piece in pieces:
        for sign in [c for number, c in enumerate(piece) if not c.direction and _is_apart(piece, number)]:
            others = [[c for c in other if c is not sign] for other in pieces]
            place = _gap_for(sign, others)
            if place is not None:
                before, after = place
                piece[:] = [c for c in piece if c is not sign]
                home = next(other for other in pieces if any(c is before for c in other))
                home.insert(next(index for index, c in enumerate(home) if c is after), sign)
    return [piece for piece in pieces if piece]


def _is_apart(piece: Sequence[GlyphCluster], number: int) -> bool:
    """Whether a cluster is beside neither the one before it nor the one behind it."""
    sign = piece[number]
    near = 2 * (sign.x1 - sign.x0)
    around = [*piece[max(number - 1, 0) : number], *piece[number + 1 : number + 2]]
    return not sign.text.isspace() and all(max(c.x0 - sign.x1, sign.x0 - c.x1) > near for c in around)


def _gap_for(sign: GlyphCluster, pieces: Sequence[list[GlyphCluster]]) -> tuple[GlyphCluster, GlyphCluster] | None:
    """The clusters of a piece, one behind the other, between which a sign stands."""
    middle = (sign.x0 + sign.x1) / 2
    for piece in pieces:
        for before, after in pairwise(piece):
            left, right = (before, after) if before.x0 < after.x0 else (after, before)
            if left.x1 <= middle <= right.x0 and right.x0 - left.x1 >= MIN_ROOM * (sign.x1 - sign.x0) > 0:
                return before, after
    return None


def _reverse_opposite_phrases(runs: Sequence[list[GlyphCluster]], opposite: str) -> list[list[GlyphCluster]]:
    """Reverse the phrases whose direction is opposite to that of the line.

    A phrase includes the numbers inside it; one that is read from left to right also includes those at its ends. It
    ends before a bracket whose partner is outside.
    """
    ends = ("L", "N") if opposite == "L" else ("R",)
    ordered: list[list[GlyphCluster]] = []
    start = 0
    while start < len(runs):
        stop = start + 1
        if runs[start][0].direction in ends:
            has_letters = runs[start][0].direction == opposite
            for index in range(start + 1, len(runs)):
                found = runs[index][0].direction
                if found not in (opposite, "N", ""):
                    break
                has_letters = has_letters or found == opposite
                if has_letters and found in ends:
                    stop = index + 1
            stop = _before_open_bracket(runs, start, stop)
            while stop > start + 1 and runs[stop - 1][0].direction not in ends:
                stop -= 1
        ordered.extend(reversed(runs[start:stop]))
        start = stop
    return ordered


def _before_open_bracket(runs: Sequence[Sequence[GlyphCluster]], start: int, stop: int) -> int:
    """Return the index of the first run that is a bracket without its partner in `runs[start:stop]`, or `stop`."""
    unmatched: list[tuple[int, str]] = []
    for index in range(start + 1, stop):
        text = runs[index][0].text
        if len(runs[index]) > 1 or text not in PARTNERS:
            continue
        if unmatched and unmatched[-1][1] == PARTNERS[text]:
            unmatched.pop()
        else:
            unmatched.append((index, text))
    return unmatched[0][0] if unmatched else stop


def _clusters(piece: DrawnPiece, conventions: PageConventions) -> list[GlyphCluster]:
    """Return the clusters of a piece in drawing order."""
    clusters: list[GlyphCluster] = []
    marks = ""
    rightwards = _drawn_rightwards((c.text, c.x) for c in piece.characters)
    before: Character | None = None
    for index, character in enumerate(piece.characters):
        width = character.x1 - character.x0
        if character.synthetic and conventions.has_spaces and width < MAX_INFERRED_SPACE * piece.size:
            continue
        if character.text == UNKNOWN and has_no_width(character):  # a mark, or the dots of a letter
            continue
        if is_mark(character.text):
            # In text drawn from left to right, a mark with a glyph of its own comes before its letter.
            if rightwards and conventions.marks_first and not (before and has_no_width(before)):
                marks = marks if character.text in marks else character.text + marks
            elif clusters and character.text not in clusters[-1].text:
                clusters[-1].text += character.text
            continue
        following = (
            piece.characters[index + 1] if conventions.alefs_first and index + 1 < len(piece.characters) else None
        )
        between = following is not None and is_alef_at(character, following, following.x0)
        if clusters and before and not before.text.isspace() and not between and _belongs_to(before, character):
            # Some files list the letters of a ligature from left to right.
            alef_first = character.text + before.text in LAM_ALEF
            found = clusters[-1].text
            clusters[-1].text = character.text + found if alef_first else _with_letter(found, character.text)
            continue
        x, x0, x1 = character.x, character.x0, character.x1
        new = GlyphCluster(character.text + marks, x, x0, x1, direction_of(character.text))
        marks = ""
        before = character
        last = clusters[-1] if clusters else None
        if (
            last
            and last.direction == "R"
            and last.x1 - last.x0 < EPSILON
            and x0 - MIN_SPACE * piece.size < last.x < x1 + MIN_SPACE * piece.size
            and new.text[0] in (UNKNOWN, last.text[0])
        ):
            # The dots and the body of a letter may be two glyphs, and one or both of them map to the letter.
            last.x0, last.x1, last.x = x0, x1, x
            continue
        clusters.append(new)
    if clusters:
        clusters[-1].text += marks
    return clusters


def _with_letter(found: str, letter: str) -> str:
    """Join the second letter of a ligature: of marks that are drawn before both, those of an alef stand behind it."""
    if found[0] + letter in LAM_ALEF:
        on_alef = FATHATAN if letter == ALEF else "".join(set(found[1:]) - {SUKUN})
        return "".join([c for c in found if c not in on_alef]) + letter + "".join([c for c in found if c in on_alef])
    return found + letter


def _belongs_to(before: Character, character: Character) -> bool:
    """Whether a character belongs to the glyph before it: MuPDF then puts it at that glyph's end, with no width."""
    return (
        has_no_width(character)
        and (
            character.bidi != VISUAL
            or before.text + character.text in LAM_ALEF
            or character.text + before.text in LAM_ALEF
        )
        and unicodedata.category(character.text) == "Lo"
        and abs(character.x - before.x1) < EPSILON
        and character.y == before.y
    )


def _drawn_rightwards(letters: Iterable[tuple[str, float]]) -> bool:
    """Whether right-to-left letters, given as text and x position, are drawn from left to right."""
    positions = [x for text, x in letters if direction_of(text[0]) == "R"]
    return sum((after > before) - (after < before) for before, after in pairwise(positions)) >= 0


def _join_numbers(pieces: Sequence[list[GlyphCluster]]) -> None:
    """Make the separators inside a number, such as a decimal point, part of the number."""
    # Rules W2 to W5 of UAX #9: after Hebrew letters a hyphen or percent sign joins a number, after Arabic ones not.
    arabic = any(unicodedata.bidirectional(c.text[0]) == "AL" for clusters in pieces for c in clusters)
    inside = ".,:/\u066b\u066c" if arabic else ".,:/+-\u2212"
    for clusters in pieces:
        for before, separator, after in zip(clusters, clusters[1:], clusters[2:], strict=False):
            if before.direction == after.direction == "N" and separator.text in inside:
                separator.direction = "N"
        if not arabic:
            for before, separator in pairwise(clusters):
                if before.direction == "N" and separator.text in "%\u2030\u00b0":
                    separator.direction = "N"


def _runs(clusters: Sequence[GlyphCluster], size: float) -> Iterator[list[GlyphCluster]]:
    """Group adjacent clusters of one direction into runs.

    Neutral characters belong to a run if they are between two parts of it; otherwise each is a run of its own.
    """
    backwards = 1 if _drawn_rightwards((cluster.text, cluster.x) for cluster in clusters) else -1
    run: list[GlyphCluster] = []
    neutrals: list[GlyphCluster] = []  # neutral clusters after the run
    for cluster in clusters:
        last = neutrals[-1] if neutrals else run[-1] if run else None
        if last is not None:
            sense = backwards if "R" in (cluster.direction, run[0].direction if run else "") else 1
            step = (cluster.x - last.x) * sense
            gap = max(cluster.x0 - last.x1, last.x0 - cluster.x1)
            if step < -MAX_BACKSTEP * size or gap > MAX_RUN_GAP * size:
                yield from _in_logical_order(run, neutrals, backwards)
                run, neutrals = [], []
        if not cluster.direction and run and run[0].direction in ("R", "L"):
            neutrals.append(cluster)
        elif cluster.direction and run and run[0].direction == cluster.direction:
            run += [*neutrals, cluster]
            neutrals = []
        else:
            yield from _in_logical_order(run, neutrals, backwards)
            run, neutrals = [cluster], []
    yield from _in_logical_order(run, neutrals, backwards)


def _in_logical_order(
    run: list[GlyphCluster], neutrals: Sequence[GlyphCluster], backwards: int
) -> Iterator[list[GlyphCluster]]:
    """Yield a run with its right-to-left letters in logical order, and then each of its neutral clusters."""
    if run:
        yield run[::-1] if run[0].direction == "R" and backwards > 0 else run
    for cluster in neutrals:
        yield [cluster]
