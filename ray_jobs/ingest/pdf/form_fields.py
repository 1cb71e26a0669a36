"""Finds the values of form fields, and texts typed onto a page, which MuPDF gives after the text of the page."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
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

COMB = 1 << 24
"""Flag of a text field that shows each character of its value in a cell of its own (ISO 32000-1, table 228)."""

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
    fields_of_page = list(_fields(page))
    states = {box: state for box, state, _, _ in fields_of_page}
    names = {box: written for box, _, written, _ in fields_of_page if written}
    whole = {box: value for box, _, _, value in fields_of_page}
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
        Field(
            box,
            tuple(_shown(box, state, _named(_whole(values.get(box, []), *whole[box]), names.get(box, {})))),
            state is State.FREE,
            state in (State.ON, State.OFF),
        )
        for box, state in states.items()
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


def _whole(lines: list[Line], value: str, is_comb: bool) -> list[Line]:
    """The lines of a text field, or its value in one line where they are a part of it, or single characters."""
    shown, wanted = ("".join(text.split()) for text in ("".join([line.text for line in lines]), value))
    if not shown or shown not in wanted or (shown == wanted and not is_comb):
        return lines
    return [lines[0]._replace(x1=lines[-1].x1, text=" ".join(value.split()))]


def _named(lines: list[Line], names: Mapping[str, str]) -> list[Line]:
    """The lines of a field in other words where there are any."""
    return [line._replace(text=names.get(line.text.strip(), line.text)) for line in lines]


def _fields(page: Page) -> Iterator[tuple[Box, State, Mapping[str, str], tuple[str, bool]]]:
    """Yield the boxes of the fields of a page, and of the texts typed onto it, and what they are.

    Behind that come the other words of its values, and what `_value` tells of it.
    """
    import pymupdf

    mupdf = pymupdf.mupdf
    shown = pymupdf._as_pdf_page(page.this)
    widget = mupdf.pdf_first_widget(shown)
    while widget.m_internal:
        yield _box(widget), _state(widget), _options(widget), _value(widget)
        widget = mupdf.pdf_next_widget(widget)
    typed = mupdf.pdf_first_annot(shown)
    while typed.m_internal:
        if mupdf.pdf_annot_type(typed) == mupdf.PDF_ANNOT_FREE_TEXT:
            yield _box(typed), State.FREE, {}, ("", False)
        typed = mupdf.pdf_next_annot(typed)


def _box(annotation: Any) -> Box:
    from pymupdf import mupdf

    box = mupdf.pdf_bound_annot(annotation)
    return box.x0, box.y0, box.x1, box.y1


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


def _options(widget: Any) -> Mapping[str, str]:
    """The words that a viewer shows for the values of a choice (ISO 32000-1, table 231), where they are others."""
    from pymupdf import mupdf

    options = mupdf.pdf_dict_get_inheritable(mupdf.pdf_annot_obj(widget), mupdf.pdf_new_name("Opt"))
    pairs = [mupdf.pdf_array_get(options, index) for index in range(mupdf.pdf_array_len(options))]
    names = {
        mupdf.pdf_to_text_string(mupdf.pdf_array_get(pair, 0)): mupdf.pdf_to_text_string(mupdf.pdf_array_get(pair, 1))
        for pair in pairs
        if mupdf.pdf_array_len(pair) == 2
    }
    shown = set(names.values())
    return {value: name for value, name in names.items() if value not in shown}


def _value(widget: Any) -> tuple[str, bool]:
    """The value of a text field, of which its appearance may show a part, and whether its characters stand in cells."""
    from pymupdf import mupdf

    entries = mupdf.pdf_annot_obj(widget)
    if mupdf.pdf_widget_type(widget) != mupdf.PDF_WIDGET_TYPE_TEXT:
        return "", False
    flags = mupdf.pdf_to_int(mupdf.pdf_dict_get_inheritable(entries, mupdf.pdf_new_name("Ff")))
    value = mupdf.pdf_to_text_string(mupdf.pdf_dict_get_inheritable(entries, mupdf.pdf_new_name("V")))
    return value, bool(flags & COMB)
