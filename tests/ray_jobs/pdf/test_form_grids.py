"""Values of forms stand at their own captions, however close the rows are and wherever the captions stand."""

import pymupdf
import pytest

from ingest.pdf.document import parse_pdf

PEOPLE = (("Name of the child:", "Lena Brandstetter"), ("Date of birth:", "14.05.2013"), ("Town:", "Port Ellen"))
END = "Signed at the office."


def text_of(labels, fields):
    """The text of a form with (x, y, text) labels, and fields of (x0, y0, x1, y1, value)."""
    with pymupdf.open() as document:
        page = document.new_page()
        for x, y, text in labels:
            page.insert_text((x, y), text, fontsize=11)
        for number, (*box, value) in enumerate(fields):
            field = pymupdf.Widget()
            field.field_name, field.rect, field.field_value = f"field {number}", pymupdf.Rect(box), value
            field.field_type, field.text_fontsize = pymupdf.PDF_WIDGET_TYPE_TEXT, 11
            page.add_widget(field)
        [page], _, _ = parse_pdf(document.tobytes(), ocr=False)
        return " ".join([block.text for block in page.blocks])


@pytest.mark.parametrize("at", [172, 210, 250])
@pytest.mark.parametrize("step", [16, 18, 22, 26, 30, 34, 40])
def test_a_value_stands_at_the_label_of_its_row(step, at):
    rows = [(120 + index * step, label, value) for index, (label, value) in enumerate(PEOPLE)]
    found = text_of(
        [*((72, y, label) for y, label, _ in rows), (72, 300, END)],
        [(at, y - 14, at + 220, y + 4, value) for y, _, value in rows],
    )
    assert found == " ".join(f"{label} {value}" for label, value in PEOPLE) + f" {END}"


@pytest.mark.parametrize("step", [18, 22, 30])
def test_an_empty_field_keeps_its_label(step):
    labels = [(72, 120, "Name of the child who is to be registered:"), (72, 120 + step, "Born:"), (72, 300, END)]
    fields = [(290, 108, 400, 123, ""), (200, 108 + step, 400, 123 + step, "14.05.2013")]
    assert text_of(labels, fields) == f"{labels[0][2]} Born: 14.05.2013 {END}"


@pytest.mark.parametrize("step", [18, 26, 34])
def test_two_labels_and_fields_in_one_row(step):
    rows = [("First name:", "Lena", "Last name:", "Brandstetter"), ("Street:", "Pier 4", "Town:", "Port Ellen")]
    labels, fields = [(72, 300, END)], []
    for index, (left, value, right, other) in enumerate(rows):
        y = 120 + index * step
        labels += [(72, y, left), (310, y, right)]
        fields += [(150, y - 12, 290, y + 3, value), (390, y - 12, 540, y + 3, other)]
    found = text_of(labels, fields)
    assert all(f"{row[at]} {row[at + 1]}" in found for row in rows for at in (0, 2))


@pytest.mark.parametrize("step", [36, 44])
def test_a_value_stands_below_its_label(step):
    rows = [("First name", "Lena", "Last name", "Brandstetter"), ("Street", "Pier 4", "Town", "Port Ellen")]
    labels, fields = [(72, 300, END)], []
    for index, (left, value, right, other) in enumerate(rows):
        y = 120 + index * step
        labels += [(72, y, left), (310, y, right)]
        fields += [(72, y + 4, 290, y + 19, value), (310, y + 4, 540, y + 19, other)]
    found = text_of(labels, fields)
    assert all(f"{row[at]} {row[at + 1]}" in found for row in rows for at in (0, 2))


def test_several_fields_of_one_label_are_in_order():
    fields = [(150, 108, 180, 123, "14"), (190, 108, 220, 123, "05"), (230, 108, 280, 123, "2013")]
    assert text_of([(72, 120, "Date of birth:"), (72, 300, END)], fields) == f"Date of birth: 14 05 2013 {END}"


@pytest.mark.parametrize("step", [18, 30])
def test_a_label_to_the_right_follows_its_value(step):
    labels = [(130, 120, "metres long"), (130, 120 + step, "tons heavy"), (72, 300, END)]
    fields = [(72, 108, 125, 123, "12"), (72, 108 + step, 125, 123 + step, "48")]
    assert text_of(labels, fields) == f"12 metres long 48 tons heavy {END}"


@pytest.mark.parametrize("step", [18, 26])
def test_titles_of_columns_are_no_labels_of_the_first_row(step):
    labels = [(150, 100, "Monday"), (250, 100, "Tuesday"), (72, 120, "Morning"), (72, 120 + step, "Evening")]
    rows = [(120, "Ada", "Ben"), (120 + step, "Cleo", "Dan")]
    fields = [
        (at, y - 12, at + 90, y + 3, value) for y, *values in rows for at, value in zip((150, 250), values, strict=True)
    ]
    found = text_of([*labels, (72, 300, END)], fields)
    assert found == f"Monday Tuesday Morning Ada Ben Evening Cleo Dan {END}"
