"""Keeps the lines of programs, and the columns that are typed with spaces, in type of one width."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import pairwise
from statistics import median

from ingest.common.text import CJK, as_typed
from ingest.pdf.layout import Line, Paragraph, paragraph_of

MIN_CODE, MIN_INDENTED = 0.4, 0.3
"""Minimum share of lines with signs of a program, or of lines that are indented if some of them have such signs."""

MAX_LEADING, BLANK = 4.5, 1.7
"""Largest distance between two lines of a program, and distance from which on there is an empty line, in usual ones."""

_CODE = re.compile(
    r"[{}=<>\\|$#@^~`\[\]]|\w\(|\)\s*$|::|->|;\s*$|^\s*(?:[-+>%*/]|\w[\w.-]*:)\s|\w:$|\w[_/]\w|[-+]{3}|\S {3,}\S"
)
_CHINESE = re.compile(f"[{CJK}]")
_SPACES = re.compile("( {2,})")


def with_listings(paragraphs: list[Paragraph]) -> list[Paragraph]:
    """Make a paragraph of each program: lines in type of one width, unless they are prose."""
    if not any(line.mono for paragraph in paragraphs for line in paragraph.lines):
        return paragraphs
    lines = [line for paragraph in paragraphs if not paragraph.table for line in paragraph.lines]
    listings = [run for run in _runs(lines) if _is_program(run)]
    if not listings:
        return paragraphs
    of_line = {id(line): number for number, run in enumerate(listings) for line in run}
    kept: list[Paragraph] = []
    placed: set[int] = set()
    for paragraph in paragraphs:
        if paragraph.table or not any(id(line) in of_line for line in paragraph.lines):
            kept.append(paragraph)
            continue
        rest: list[Line] = []
        for line in paragraph.lines:
            number = of_line.get(id(line))
            if number is None:
                rest.append(line)
            elif number not in placed:
                placed.add(number)
                kept += [paragraph_of(rest)] if rest else []
                kept.append(replace(paragraph_of(listings[number]), listing=_text(listings[number])))
                rest = []
        kept += [paragraph_of(rest)] if rest else []
    return kept


def _runs(lines: Sequence[Line]) -> Iterator[list[Line]]:
    """Yield the runs of lines in type of one width and one size, from top to bottom."""
    run: list[Line] = []
    for line in lines:
        if run and not (line.mono and _follows(run[-1], line)):
            yield run
            run = []
        if line.mono:
            run.append(line)
    if run:
        yield run


def _follows(before: Line, line: Line) -> bool:
    return abs(line.size - before.size) < 0.5 and -0.4 * line.size < line.y1 - before.y1 < MAX_LEADING * line.size


def _is_program(run: Sequence[Line]) -> bool:
    rows = _rows(run)
    if len(rows) < 2 or any(_CHINESE.search(line.text) for line in run):
        return False
    left = min(line.x0 for line in run)
    signs = sum(any(_CODE.search(line.text) for line in row) or len(row) > 1 for row in rows)
    indented = sum(row[0].x0 > left + row[0].size or row[0].text.startswith("  ") for row in rows)
    return signs >= MIN_CODE * len(rows) or (signs > 0 and indented >= MIN_INDENTED * len(rows))


def _rows(run: Sequence[Line]) -> list[list[Line]]:
    rows: list[list[Line]] = []
    for line in run:
        if rows and abs(line.y1 - rows[-1][0].y1) <= 0.4 * line.size:
            rows[-1].append(line)
        else:
            rows.append([line])
    return [sorted(row, key=lambda line: line.x0) for row in rows]


def _text(run: Sequence[Line]) -> str:
    """The lines of a program, with their indentation."""
    width = median([(line.x1 - line.x0) / len(line.text) for line in run]) or 1
    left = min(line.x0 + width * (len(line.text) - len(line.text.lstrip())) for line in run)
    rows = _rows(run)
    pitches = [below[0].y1 - above[0].y1 for above, below in pairwise(rows)]
    shown: list[str] = []
    for row, pitch in zip(rows, [0.0, *pitches], strict=True):
        text = ""
        for line in row:
            bare = line.text.strip()
            column = round((line.x0 + width * (len(line.text) - len(line.text.lstrip())) - left) / width)
            gap = max(column - len(text), 1 if text else 0)
            text += " " * gap + "".join([part if part.isspace() else as_typed(part) for part in _typed(bare)])
        shown += [""] if pitch > BLANK * median(pitches) else []
        shown.append(text)
    return "\n".join(shown)


def _typed(text: str) -> list[str]:
    """The parts of a text between several spaces, and these; a single space at the edge of a part is kept by them."""
    return [part for part in _SPACES.split(text) if part]
