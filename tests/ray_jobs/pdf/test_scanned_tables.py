"""Scanned tables without rules come in rows; scanned columns of prose stay columns."""

import pymupdf
import pytest

from read_pdfs import PROSE, texts_of

ROWS = [
    ["Test", "Result", "Units", "Reference"],
    ["Sodium", "139", "mmol/L", "135 to 145"],
    ["Chloride", "104", "mmol/L", "98 to 107"],
    ["Creatinine", "88", "umol/L", "60 to 110"],
    ["Platelets", "36", "billion/L", "150 to 400"],
    ["Haemoglobin", "131", "g/L", "120 to 160"],
]


def scanned(draw):
    """The texts of a page that is an image of what `draw` shows on it."""
    with pymupdf.open() as shown, pymupdf.open() as document:
        draw(shown.new_page())
        page = document.new_page()
        page.insert_image(page.rect, pixmap=shown[0].get_pixmap(dpi=150))
        return texts_of(document)


def draw_table(page):
    page.insert_text((60, 80), "Harbour Clinical Laboratory", fontsize=18)
    for row, cells in enumerate(ROWS):
        for x, cell in zip((60, 200, 300, 420), cells, strict=True):
            page.insert_text((x, 130 + 22 * row), cell, fontsize=12)
    page.insert_text((60, 300), "The sample was fresh. Please repeat the test today.", fontsize=12)


def draw_columns(page):
    for x in (60, 320):
        page.insert_textbox((x, 100, x + 220, 400), PROSE, fontsize=12)


def test_a_scanned_table_comes_in_rows():
    _, table, _ = scanned(draw_table)
    assert [line[1:-1].split("|") for line in table.split("\n") if not line.startswith("|---")] == ROWS


@pytest.mark.nightly
def test_scanned_columns_of_prose_stay_columns():
    assert "|" not in "".join(found := scanned(draw_columns))
    assert [" ".join(found).count(word) for word in ("keeper", "signal")] == [2, 2]
    assert " ".join(found).index("signal") < " ".join(found).rindex("keeper")
