"""Finds the values of form fields, and texts typed onto a page, which MuPDF gives after the text of the page."""

from __future__ import annotations

import re
from collections.abc import Iterator
from enum import Enum, auto
from typing import TYPE_CHECKING, Any

from ingest.pdf.field_labels import Field, place
from ingest.pdf.geometry import Box, has_centre_in
from ingest.pdf.layout import Line, Paragraph, paragraph_of

if TYPE_CHECKING:
    from pymupdf import Page

TICK, CROSS, EMPTY = "✓✗☐"

HIDDEN = 0b100010
"""Bits of the flags of an annotation that is not shown (ISO 32000-1, table 165): Hidden and NoView."""

MAX_TICK = 12
"""Largest size of the letter that stands for a tick, in points."""

_WORD = re.compile(r"[^\W_]")


class State(Enum):
    """What a field is: a button that is ticked or not, a text, or a text typed onto the page."""

    ON = auto()
    OFF = auto()
    TEXT = auto()
    FREE = auto()


def with_fields(page: Page, paragraphs: list[Paragraph]) -> list[Paragraph]:
    """Move the values of fields among horizontal paragraphs to their labels, or else to their places on the page."""
    states = dict(_fields(page))
    values: dict[Box, list[Line]] = {}
    rest: list[Paragraph] = []
    for paragraph in paragraphs if states else ():
        kept = []
        for line in paragraph.lines:
            box = next((box for box in states if has_centre_in(line[:4], box)), None)
            if box is None:
                kept.append(line)
            else:
                values.setdefault(box, []).append(line)
        if kept:
            rest.append(paragraph if len(kept) == len(paragraph.lines) else paragraph_of(kept))
    fields = [
        Field(box, tuple(_shown(box, state, values.get(box, []))), state is State.FREE) for box, state in states.items()
    ]
    return place(fields, rest) if values or any(field.lines for field in fields) else paragraphs


def _shown(box: Box, state: State, lines: list[Line]) -> list[Line]:
    """The lines of a field; of a button without words, a mark if it is ticked, and else at most an empty box."""
    text = "".join([line.text for line in lines])
    if state in (State.TEXT, State.FREE) or _WORD.search(text):
        return lines
    if state is State.OFF:
        return [lines[0]._replace(text=EMPTY)] if EMPTY in text else []
    size = min(box[3] - box[1], MAX_TICK)
    return [Line(*box, text=CROSS if CROSS in text else TICK, size=size, bold=False)]


def _fields(page: Page) -> Iterator[tuple[Box, State]]:
    """Yield the boxes of the fields of a page, and of the texts typed onto it, and what they are."""
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
                is_widget = first is mupdf.pdf_first_widget
                yield (box.x0, box.y0, box.x1, box.y1), _state(found) if is_widget else State.FREE
            found = following(found)


def _state(widget: Any) -> State:
    """What a widget is. A button says in which of its appearances it is, or its field's value is one of them."""
    from pymupdf import mupdf

    if mupdf.pdf_widget_type(widget) not in (mupdf.PDF_WIDGET_TYPE_CHECKBOX, mupdf.PDF_WIDGET_TYPE_RADIOBUTTON):
        return State.TEXT
    entries = mupdf.pdf_annot_obj(widget)
    state = mupdf.pdf_dict_gets(entries, "AS")
    if not mupdf.pdf_is_name(state):
        state = mupdf.pdf_dict_get_inheritable(entries, mupdf.pdf_new_name("V"))
        appearances = mupdf.pdf_dict_gets(mupdf.pdf_dict_gets(entries, "AP"), "N")
        name = mupdf.pdf_to_name(state)
        if not name or mupdf.pdf_is_null(mupdf.pdf_dict_gets(appearances, name)):
            return State.OFF
    is_on = mupdf.pdf_to_name(state) != "Off" and not mupdf.pdf_annot_flags(widget) & HIDDEN
    return State.ON if is_on else State.OFF
