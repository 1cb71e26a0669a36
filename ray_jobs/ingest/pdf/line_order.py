"""Mends the order of lines that are not drawn as they are read: upwards, in any order, large initials, and furigana."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise
from statistics import median_low
from typing import Any

from ingest.common.text import CJK
from ingest.pdf.columns import has_columns
from ingest.pdf.layout import INITIAL, MIN_INITIAL, Line, Paragraph, paragraph_of

MIN_STEPS_UP = 2
"""Minimum number of lines above the line before them, twice as many as are below it, on a page drawn upwards."""

MAX_LEADING = 1.5
"""Largest distance, in font sizes, between the baselines of two lines of a paragraph."""

MAX_INTERLACED = 0.4
"""Height in font sizes that two lines below each other may share, since their boxes hold the highest letters."""

MAX_INITIALS = 20
"""Maximum number of large initials on a page."""

MAX_RUBY = 0.62
"""Size of furigana relative to the text below."""

# Kana, bopomofo, or pinyin.
_RUBY = re.compile("[\u3040-\u30ff\u3100-\u312f\\s]+|[a-z\u00e0-\u01dc\\s]+")
_HAN = re.compile("[\u3005\u3400-\u4dbf\u4e00-\u9fff]")
_CJK = re.compile(f"[{CJK}]")


def in_line_order(paragraphs: list[Paragraph], content: dict[str, Any]) -> tuple[list[Paragraph], list[Paragraph]]:
    """Put the lines of horizontal paragraphs in order, except that columns may still be mixed.

    Args:
        paragraphs: the paragraphs of `content`.
        content: `page.get_text("dict")`.

    Returns:
        The paragraphs, and the readings that small letters over Chinese characters give: no or one paragraph.
    """
    if _is_drawn_upwards(paragraphs) and not _is_mirrored(content):
        paragraphs = _from_top_to_bottom([line for paragraph in paragraphs for line in paragraph.lines])
    elif (
        (below := sorted(paragraphs, key=lambda paragraph: paragraph.y0)) != paragraphs
        and _none_beside(below)
        and not has_columns(paragraphs)
    ):
        paragraphs = below
    short = [line for paragraph in paragraphs for line in paragraph.lines if len(line.text) < 4]
    if short and (initials := _initials(paragraphs, short)):
        paragraphs = _with_initials(paragraphs, initials)
    if any(_RUBY.fullmatch(paragraph.lines[0].text) for paragraph in paragraphs):
        paragraphs, readings = _without_ruby(paragraphs)
        if readings:
            text = " ".join([line.text.strip() for line in readings])
            return paragraphs, [paragraph_of([readings[0]._replace(text=text)])]
    return paragraphs, []


def _is_drawn_upwards(paragraphs: Sequence[Paragraph]) -> bool:
    tops = [line.y1 for paragraph in paragraphs for line in paragraph.lines]
    up = sum([after < before - 4 for before, after in pairwise(tops)])
    return up >= MIN_STEPS_UP and up > 2 * sum([after > before + 4 for before, after in pairwise(tops)])


def _none_beside(paragraphs: Sequence[Paragraph]) -> bool:
    """Whether each paragraph begins below the one before it: on such a page, one order alone is possible."""
    return all(
        after.y0 > before.y1 - MAX_INTERLACED * min(before.lines[-1].size, after.lines[0].size)
        for before, after in pairwise(paragraphs)
    )


def _is_mirrored(content: dict[str, Any]) -> bool:
    """Whether the page is upside down: its baselines are at the top of its lines."""
    lines = [line for block in content["blocks"] for line in block.get("lines", ())]
    up = sum(2 * line["spans"][0]["origin"][1] < line["bbox"][1] + line["bbox"][3] for line in lines)
    return 2 * up > len(lines)


def _from_top_to_bottom(lines: Sequence[Line]) -> list[Paragraph]:
    """Sort rows of lines that are on one baseline, and group lines below each other into paragraphs."""
    rows: list[list[Line]] = []
    for line in lines:
        if rows and abs(line.y1 - rows[-1][-1].y1) < 0.4 * line.size:
            rows[-1].append(line)
        else:
            rows.append([line])
    rows.sort(key=lambda row: row[0].y1)
    paragraphs: list[list[Line]] = []
    for row in rows:
        above = next((lines for lines in reversed(paragraphs[-4:]) if len(row) == 1 and _is_below(row[0], lines)), None)
        if above is not None:
            above += row
        else:
            paragraphs.append(row)
    return [paragraph_of(lines) for lines in paragraphs]


def _is_below(line: Line, paragraph: Sequence[Line]) -> bool:
    last = paragraph[-1]
    shared = min(last.x1, line.x1) - max(last.x0, line.x0)
    return (
        abs(last.size - line.size) < 0.5
        and 0 < line.y1 - last.y1 < MAX_LEADING * line.size
        and shared > 0.5 * min(last.x1 - last.x0, line.x1 - line.x0)
        and (len(paragraph) < 2 or paragraph[-2].y1 < last.y1 - 0.4 * last.size)
    )


def _initials(paragraphs: Sequence[Paragraph], short: Sequence[Line]) -> list[Line]:
    """The lines that are a single letter larger than most of the text; a page of large letters has no initials."""
    size = MIN_INITIAL * median_low([line.size for paragraph in paragraphs for line in paragraph.lines])
    found = [line for line in short if line.size >= size and INITIAL.fullmatch(line.text.strip())]
    return found if len(found) <= MAX_INITIALS else []


def _with_initials(paragraphs: list[Paragraph], initials: Sequence[Line]) -> list[Paragraph]:
    """Join each large initial with the first line to its right."""
    for initial in initials:
        for paragraph in paragraphs:
            index = next((index for index, line in enumerate(paragraph.lines) if _is_beside(initial, line)), None)
            if index is not None:
                line = paragraph.lines[index]
                space = " " if line.text[0].isspace() else ""
                text = f"{initial.text.strip()}{space}{line.text.lstrip()}"
                paragraph.lines[index] = line._replace(x0=initial.x0, text=text)
                for other in paragraphs:
                    other.lines = [line for line in other.lines if line is not initial]
                break
    return [paragraph_of(paragraph.lines) for paragraph in paragraphs if paragraph.lines]


def _is_beside(initial: Line, line: Line) -> bool:
    return (
        initial.size >= MIN_INITIAL * line.size
        and -0.5 * line.size < line.x0 - initial.x1 < 1.2 * line.size
        and initial.y0 - line.size < (line.y0 + line.y1) / 2 < initial.y0 + 0.6 * (initial.y1 - initial.y0)
    )


def _without_ruby(paragraphs: list[Paragraph]) -> tuple[list[Paragraph], list[Line]]:
    """Take the readings out of the text, and join the characters that they separated."""
    lines = [line for paragraph in paragraphs for line in paragraph.lines]
    bases = [line for line in lines if _HAN.search(line.text)]
    limit = MAX_RUBY * max([base.size for base in bases], default=0)
    small = [line for line in lines if line.size <= limit and _RUBY.fullmatch(line.text)]
    readings = [line for line in small if any(_is_over(line, base) for base in bases)]
    if not readings:
        return paragraphs, []
    removed = {id(line) for line in readings}
    kept: list[list[Line]] = []
    for paragraph in paragraphs:
        group: list[Line] | None = None
        for line in paragraph.lines:
            if id(line) in removed:
                continue
            last = kept[-1][-1] if kept else None
            if last is not None and _continues(last, line):
                kept[-1][-1] = last._replace(x1=line.x1, text=last.text + line.text)
                group = kept[-1]
            elif group is not None:
                group.append(line)
            else:
                group = [line]
                kept.append(group)
    return [paragraph_of(lines) for lines in kept], readings


def _is_over(line: Line, base: Line) -> bool:
    return (
        line.size <= MAX_RUBY * base.size
        and base.x0 - base.size < line.x0
        and line.x1 < base.x1 + base.size
        and line.y0 < base.y0
        and abs(line.y1 - base.y0) < 0.6 * base.size
    )


def _continues(last: Line, line: Line) -> bool:
    """Whether a line is the next piece of the same line of Chinese or Japanese."""
    return (
        abs(last.size - line.size) < 0.5
        and abs(last.y1 - line.y1) < 0.3 * line.size
        and -0.5 * line.size < line.x0 - last.x1 < line.size
        and _CJK.match(line.text) is not None
        and _CJK.match(last.text[-1]) is not None
    )
