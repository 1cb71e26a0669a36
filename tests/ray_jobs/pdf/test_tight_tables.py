"""A ruled table whose texts stand close to its rules is a table, though each of its rows is one line of text."""

import pymupdf
import pytest

from read_pdfs import PROSE, blocks_of

ROWS = [["Gauge", "Spring", "Winter"], ["1001.7", "1048.1", "1059.2"], ["1002.7", "1085.1", "1096.2"]]
MARKDOWN = "|Gauge|Spring|Winter|\n|---|---|---|\n|1001.7|1048.1|1059.2|\n|1002.7|1085.1|1096.2|"


def draw(page, rows, width, first=0):
    """Draw rows of cells of 14 points, each text two points behind the left rule."""
    top = 100 + 14 * first
    for number in range(len(rows[0]) + 1):
        page.draw_line((60 + width * number, top), (60 + width * number, top + 14 * len(rows)))
    for number in range(len(rows) + 1):
        page.draw_line((60, top + 14 * number), (60 + width * len(rows[0]), top + 14 * number))
    for number, row in enumerate(rows):
        for column, text in enumerate(row):
            page.insert_text((62 + width * column, top + 10 + 14 * number), text, fontsize=8)


def tables_of(document):
    return [block.text for block in blocks_of(document) if block.table]


def test_the_cells_of_a_tight_table_that_are_one_line_are_cells():
    with pymupdf.open() as document:
        page = document.new_page()
        draw(page, ROWS, 28)
        assert {line.count(" ") for line in page.get_text().splitlines()} == {2}
        assert tables_of(document) == [MARKDOWN]


def test_a_tight_table_beside_lines_side_by_side_is_a_table():
    with pymupdf.open() as document:
        page = document.new_page()
        draw(page, ROWS, 28)
        for row in range(4):
            page.insert_text((60, 300 + 14 * row), f"left {row}", fontsize=8)
            page.insert_text((300, 300 + 14 * row), f"right {row}", fontsize=8)
        assert MARKDOWN in tables_of(document)


def test_a_title_over_the_columns_of_a_tight_table_is_one_cell():
    with pymupdf.open() as document:
        page = document.new_page()
        draw(page, ROWS * 2, 28)
        page.draw_rect((60, 86, 144, 100))
        page.insert_text((62, 96), "Levels of the gauges", fontsize=8)
        (table,) = tables_of(document)
    assert table.split("\n")[0] == "|Levels of the gauges|||"


@pytest.mark.parametrize("text", [PROSE[:38], PROSE[5:43]])
def test_prose_across_rules_is_no_table(text):
    with pymupdf.open() as document:
        page = document.new_page()
        draw(page, [["", "", ""]] * 4, 55)
        for row in range(4):
            page.insert_text((62, 110 + 14 * row), text[row:], fontsize=8)
        assert tables_of(document) == []


def test_boxes_that_enclose_words_of_prose_are_no_table():
    with pymupdf.open() as document:
        page = document.new_page()
        for row, line in enumerate(
            ["the keeper of lamp and boat", "and a lamp for ships at sea", "oil is in the boat"]
        ):
            x = 60.0
            for number, word in enumerate(line.split()):
                width = pymupdf.get_text_length(word, fontsize=8)
                if number % 2:
                    page.draw_rect((x - 1, 100 + 12 * row, x + width + 1, 112 + 12 * row))
                page.insert_text((x, 109 + 12 * row), f"{word} ", fontsize=8)
                x += width + pymupdf.get_text_length(" ", fontsize=8)
        assert tables_of(document) == []


def test_letters_in_boxes_are_no_table():
    with pymupdf.open() as document:
        page = document.new_page()
        draw(page, [list("HARBOUR"), list("LANTERN"), list("KEEPERS")], 9)
        assert tables_of(document) == []
