"""Assigns the words of a page to the lines, rows and cells of a ruled table that its rules do not divide.

Words are in the form of `page.get_text("words")`.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from ingest.pdf.layout import RAISED, Paragraph

if TYPE_CHECKING:
    from pymupdf import Page, TextPage

TOLERANCE = 2.5
"""Largest distance in points between lines that are meant to meet."""

MIN_OVERLAP = 0.04
"""Width, in font sizes, in which two letters overlap that belong to the texts of two cells."""

_VALUE = re.compile(r"\d")
_RAISED = re.compile(f"[{''.join(map(chr, set(RAISED.values())))}]")


def with_exponents(words: list[tuple[Any, ...]], paragraphs: Iterable[Paragraph]) -> list[tuple[Any, ...]]:
    """Put the superscript digits of lines into their words: 10⁶ is not 106."""
    lines = [line for paragraph in paragraphs for line in paragraph.lines if _RAISED.search(line.text)]
    if not lines:
        return words
    numbers: defaultdict[tuple[int, int], list[int]] = defaultdict(list)
    for number, word in enumerate(words):
        numbers[word[5], word[6]].append(number)
    written = list(words)
    for of_line in numbers.values():
        first, last = words[of_line[0]], words[of_line[-1]]
        for line in lines:
            parts = line.text.split()
            if (
                abs(line.x0 - first[0]) < TOLERANCE
                and abs(line.x1 - last[2]) < TOLERANCE
                and line.y0 <= _middle([first]) <= line.y1
                and [len(part) for part in parts] == [len(words[number][4]) for number in of_line]
            ):
                for number, part in zip(of_line, parts, strict=True):
                    written[number] = (*words[number][:4], part, *words[number][5:])
    return written


def cut_at_rules(
    page: Page, text: TextPage, words: list[tuple[Any, ...]], grids: Sequence[tuple[list[float], list[float]]]
) -> list[tuple[Any, ...]]:
    """Cut words that consist of the ends of two cells: of a text that its cell cuts off, and of the one beside it."""
    places = [(rule, rows[0], rows[-1]) for rows, columns in grids for rule in columns[1:-1]]
    crossed = [_crossed(word, places) for word in words]
    if not any(rule is not None for rule in crossed):
        return words
    glyphs: defaultdict[int, list[tuple[Sequence[float], str, float]]] = defaultdict(list)  # by their lower edges
    for block in page.get_text("rawdict", textpage=text)["blocks"]:
        for line in block["lines"]:
            for span in line["spans"]:
                for c in span["chars"]:
                    glyphs[round(c["bbox"][3])].append((c["bbox"], c["c"], span["size"]))
    cut: list[tuple[Any, ...]] = []
    for word, rule in zip(words, crossed, strict=True):
        around = range(round(word[3]) - 1, round(word[3]) + 2) if rule is not None else ()
        inside = [glyph for edge in around for glyph in glyphs.get(edge, ()) if _is_inside(glyph[0], word)]
        edge = next(
            (
                index
                for index, ((before, _, size), (after, _, _)) in enumerate(pairwise(inside), 1)
                if rule is not None
                and before[2] - after[0] > MIN_OVERLAP * size
                and any(abs(other[0] - after[0]) < 0.5 for other in words)
                and before[0] < rule < after[2]
                and abs(after[0] - rule) < size
            ),
            0,
        )
        if not edge or len(inside) != len(word[4]):
            cut.append(word)
            continue
        middle = inside[edge][0][0]
        cut.append((word[0], word[1], middle - 1, word[3], word[4][:edge], *word[5:]))
        cut.append((middle, word[1], word[2], word[3], word[4][edge:], *word[5:]))
    return cut


def _crossed(word: Sequence[Any], places: Sequence[tuple[float, float, float]]) -> float | None:
    """Return the rule of a table that a word in it crosses, of rules with the upper and lower edge of their table."""
    middle = (word[1] + word[3]) / 2
    return next((rule for rule, top, bottom in places if word[0] < rule < word[2] and top <= middle <= bottom), None)


def _is_inside(box: Sequence[float], word: Sequence[Any]) -> bool:
    return all(abs(box[side] - word[side]) < 1 for side in (1, 3)) and (
        word[0] - 0.1 <= box[0] and box[2] <= word[2] + 0.1
    )


def lines_of(words: Sequence[tuple[Any, ...]]) -> str:
    """Return the text of a cell's words, with line breaks.

    Its lines come from top to bottom, since a cell may be drawn from its last line, unless some are side by side.
    """
    lines: defaultdict[tuple[int, int], list[tuple[Any, ...]]] = defaultdict(list)
    for word in words:
        lines[word[5], word[6]].append(word)
    drawn = list(lines.values())
    ordered = sorted(drawn, key=lambda line: min(word[1] for word in line))
    if any(max(word[3] for word in above) > _middle(below) for above, below in pairwise(ordered)):
        ordered = drawn
    return "\n".join(" ".join(word[4] for word in line) for line in ordered)


def _middle(line: Sequence[tuple[Any, ...]]) -> float:
    return sum(word[1] + word[3] for word in line) / (2 * len(line))


def divided(rows: list[float], columns: list[float], words: Sequence[tuple[Any, ...]]) -> list[float]:
    """Add borders to rows that no rules divide: above each line on which several columns have a value.

    A column has values if each of its lines in the row has a digit, but no word of more than letters.
    """
    found = list(rows)
    for top, bottom in pairwise(rows):
        lines: defaultdict[int, defaultdict[int, list[str]]] = defaultdict(lambda: defaultdict(list))
        tops: dict[int, float] = {}
        for x0, y0, x1, y1, word, *_ in words:
            column = bisect_right(columns, (x0 + x1) / 2) - 1
            if top <= (y0 + y1) / 2 < bottom and 0 <= column < len(columns) - 1:
                line = next((line for line in tops if abs(line - y1) <= TOLERANCE), y1)
                lines[column][line].append(word)
                tops[line] = min(tops.get(line, y0), y0)
        values = [of_column for of_column in lines.values() if all(map(_has_values, of_column.values()))]
        counts = Counter(line for of_column in values for line in of_column)
        starts = sorted(line for line, count in counts.items() if count > 1)
        if len(starts) > 1 and len(starts) == len(counts):
            found += [tops[line] for line in starts[1:]]
    return sorted(found)


def _has_values(words: Sequence[str]) -> bool:
    return any(_VALUE.search(word) for word in words) and not any(word.isalpha() for word in words)
