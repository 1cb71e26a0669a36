"""Puts the values of form fields, and text typed onto a page, beside their labels: MuPDF gives them after the page."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from ingest.pdf.geometry import Box, has_centre_in
from ingest.pdf.layout import Line, Paragraph, paragraph_of

if TYPE_CHECKING:
    from pymupdf import Page

MAX_DISTANCE = 30
"""Largest distance between a label and the value to its right, in font sizes of the label."""

MAX_CLOSE = 3
"""Largest such distance, in font sizes, if there is a label above the field, too."""

MAX_ABOVE = 1.5
"""Largest distance between a label and the field below it, in font sizes of the label."""

MAX_BESIDE = 2.5
"""Largest distance between a check mark and the label to its right, in font sizes of the label."""

MIN_LINES = 3
"""Number of lines of a field from which on it is a text of its own, without a label to its left."""

MIN_SHARED = 0.4
"""Share of the lower height by which a label and a value in one row overlap."""


def with_fields(page: Page, paragraphs: list[Paragraph]) -> list[Paragraph]:
    """Move the values of fields among horizontal paragraphs to their labels, or else to their places on the page."""
    values: dict[Box, list[Line]] = {}
    rest: list[Paragraph] = []
    boxes = list(_fields(page))
    for paragraph in paragraphs if boxes else ():
        kept = []
        for line in paragraph.lines:
            box = next((box for box in boxes if has_centre_in(line[:4], box)), None)
            if box is None:
                kept.append(line)
            else:
                values.setdefault(box, []).append(line)
        if kept:
            rest.append(paragraph if len(kept) == len(paragraph.lines) else paragraph_of(kept))
    if not values:
        return paragraphs
    for box, lines in sorted(values.items(), key=lambda value: (round(value[0][1] / 4), value[0][0])):
        _place(box, lines, rest)
    return rest


def _fields(page: Page) -> Iterator[Box]:
    """Yield the boxes of the fields of a page, and of the texts typed onto it."""
    import pymupdf

    mupdf = pymupdf.mupdf
    shown = pymupdf._as_pdf_page(page.this)
    for first, following in (
        (mupdf.pdf_first_widget, mupdf.pdf_next_widget),
        (mupdf.pdf_first_annot, mupdf.pdf_next_annot),
    ):
        found = first(shown)
        while found.m_internal:
            if first is mupdf.pdf_first_widget or mupdf.pdf_annot_type(found) == mupdf.PDF_ANNOT_FREE_TEXT:
                box = mupdf.pdf_bound_annot(found)
                yield box.x0, box.y0, box.x1, box.y1
            found = following(found)


def _place(box: Box, lines: Sequence[Line], paragraphs: list[Paragraph]) -> None:
    """Put the lines of a field behind its label, in place."""
    mark = len(lines) == 1 and len(lines[0].text.strip()) == 1 and not lines[0].text.strip().isalnum()
    places = [(number, index) for number, paragraph in enumerate(paragraphs) for index in range(len(paragraph.lines))]

    def label_at(distance: dict[tuple[int, int], float]) -> tuple[int, int] | None:
        return min(distance, key=lambda place: distance[place], default=None)

    labels = {place: paragraphs[place[0]].lines[place[1]] for place in places}
    row = {place: line for place, line in labels.items() if len(lines) < MIN_LINES and _in_row(line, lines[0])}
    right = {place: line.x0 - box[2] for place, line in row.items() if -2 <= line.x0 - box[2] < MAX_BESIDE * line.size}
    left = {place: box[0] - line.x1 for place, line in row.items() if -2 <= box[0] - line.x1 < MAX_DISTANCE * line.size}
    above = {
        place: box[1] - line.y1
        for place, line in labels.items()
        if -0.5 * line.size <= box[1] - line.y1 < MAX_ABOVE * line.size and line.x0 < box[2] and line.x1 > box[0]
    }
    if mark and (found := label_at(right)) is not None:
        _join(paragraphs, found, [lines[0], labels[found]])
    elif (found := label_at(left)) is not None and not (above and left[found] > MAX_CLOSE * labels[found].size):
        _join(paragraphs, found, [labels[found], *lines])
    elif (found := label_at(above)) is not None and len(lines) >= MIN_LINES:
        paragraphs.insert(found[0] + 1, paragraph_of([*lines]))
    elif found is not None:
        paragraph = paragraphs[found[0]]
        paragraphs[found[0]] = paragraph_of(
            [*paragraph.lines[: found[1] + 1], *lines, *paragraph.lines[found[1] + 1 :]]
        )
    else:
        below = (number for number, paragraph in enumerate(paragraphs) if paragraph.y0 >= box[1])
        paragraphs.insert(next(below, len(paragraphs)), paragraph_of([*lines]))


def _in_row(one: Line, other: Line) -> bool:
    return min(one.y1, other.y1) - max(one.y0, other.y0) > MIN_SHARED * min(one.y1 - one.y0, other.y1 - other.y0)


def _join(paragraphs: list[Paragraph], place: tuple[int, int], lines: Sequence[Line]) -> None:
    """Replace the line at a place by one with the text of several."""
    label = paragraphs[place[0]].lines[place[1]]
    box = paragraph_of([*lines])
    text = " ".join([line.text.strip() for line in lines])
    joined = label._replace(x0=box.x0, y0=box.y0, x1=box.x1, y1=box.y1, text=text)
    paragraph = paragraphs[place[0]]
    others = [joined if index == place[1] else line for index, line in enumerate(paragraph.lines)]
    paragraphs[place[0]] = replace(paragraph_of(others), table=paragraph.table)
