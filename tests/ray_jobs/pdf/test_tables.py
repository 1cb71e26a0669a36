"""Tables with rules become Markdown, and boxes that hold no table do not."""

import pymupdf
import pytest

from read_pdfs import PROSE, blocks_of


def table(page, rows, top=100.0, width=120, height=24):
    for index, row in enumerate(rows):
        for column, text in enumerate(row):
            cell = pymupdf.Rect(60 + width * column, top + height * index, 60 + width * (column + 1), 0)
            cell.y1 = cell.y0 + height
            page.draw_rect(cell)
            page.insert_text((cell.x0 + 4, cell.y1 - 8), text, fontsize=10)


def test_a_ruled_table_becomes_markdown():
    with pymupdf.open() as document:
        page = document.new_page()
        page.insert_text((60, 80), "Depths of the harbours:")
        table(page, [["Port", "Depth", "Light"], ["North", "9 m", ""], ["South", "4 m", "red|green"]])
        page.insert_text((60, 220), "They were measured in spring.")
        blocks = blocks_of(document)
    assert [(block.text, block.table) for block in blocks] == [
        ("Depths of the harbours:", False),
        ("|Port|Depth|Light|\n|---|---|---|\n|North|9 m||\n|South|4 m|red\\|green|", True),
        ("They were measured in spring.", False),
    ]


def test_a_table_whose_rules_divide_only_its_columns_has_rows():
    with pymupdf.open() as document:
        page = document.new_page()
        columns = [60, 140, 320, 400, 480]
        for x in columns:
            page.draw_line((x, 100), (x, 220))
        for y in (100, 124, 220):
            page.draw_line((60, y), (480, y))
        rows = [
            (116, ["Date", "Text", "Amount", "Balance"]),
            (140, ["22/06/17", "Transfer to the harbour", "1,000.00", "14,904.08"]),
            (154, ["", "master's office", "", ""]),
            (170, ["23/06/17", "Oil", "2.88", "14,901.20"]),
            (190, ["24/06/17", "Wicks of cotton, and", "", "14,901.20"]),
            (204, ["", "a rope", "", ""]),
        ]
        for y, cells in rows:
            for x, text in zip(columns, cells, strict=False):
                page.insert_text((x + 4, y), text, fontsize=10)
        (block,) = blocks_of(document)
    assert block.text.split("\n")[2:] == [
        "|22/06/17|Transfer to the harbour master's office|1,000.00|14,904.08|",
        "|23/06/17|Oil|2.88|14,901.20|",
        "|24/06/17|Wicks of cotton, and a rope||14,901.20|",
    ]


def test_a_cell_that_is_drawn_from_its_last_line_is_read_from_its_first():
    with pymupdf.open() as document:
        page = document.new_page()
        table(page, [["", "", ""]] * 3, height=60)
        for row in range(3):
            for column in range(3):
                for line, text in reversed(list(enumerate(["seen for", f"{row}{column}", "miles"]))):
                    page.insert_text((64 + 120 * column, 114 + 60 * row + 14 * line), text, fontsize=10)
        (block,) = blocks_of(document)
    rows = ["|".join(f"seen for {row}{column} miles" for column in range(3)) for row in range(3)]
    assert [line.strip("|") for line in block.text.split("\n") if "-" not in line] == rows


def test_a_text_that_ends_on_the_border_of_its_cell_keeps_out_of_the_next_one():
    with pymupdf.open() as document:
        page = document.new_page()
        table(page, [["oil", "", "code"]] * 3)
        for row in range(3):
            page.insert_text((181, 116 + 24 * row), f"{row}0 CC", fontsize=10)
        page.insert_text((177, 140), "s", fontsize=10)
        (block,) = blocks_of(document)
    assert "|10 CC|code|" in block.text


@pytest.mark.parametrize("rotation", [90, 180, 270])
def test_a_rotated_page_reads_like_an_upright_one(rotation):
    with pymupdf.open() as upright:
        sheet = upright.new_page(width=842, height=595)
        table(sheet, [["Port", "Depth", "Light"], ["North", "9 m", "white"], ["South", "4 m", "red"]], width=200)
        for row in range(12):
            sheet.insert_text((60, 250 + 14 * row), f"left {row} {PROSE[:50]}", fontsize=9)
            sheet.insert_text((450, 250 + 14 * row), f"right {row} {PROSE[:50]}", fontsize=9)
        blocks = blocks_of(upright)
        sheet.set_rotation(rotation)
        sheet.remove_rotation()
        sheet.set_rotation(360 - rotation)
        assert blocks_of(upright) == blocks
    assert [block.table for block in blocks].count(True) == 1


@pytest.mark.parametrize("rotation", [90, 270])
def test_a_table_that_runs_up_or_down_a_page_is_a_table(rotation):
    with pymupdf.open() as upright:
        sheet = upright.new_page(width=842, height=595)
        sheet.insert_text((60, 80), "Depths of the harbours:")
        rows = [["Port", "Depth", "Light"], ["North", "9 m", "white"], ["South", "4 m", "red"], ["East", "3 m", "red"]]
        table(sheet, rows, width=200)
        blocks = blocks_of(upright)
        sheet.set_rotation(rotation)
        assert [(block.text, block.table) for block in blocks_of(upright)] == [
            (block.text, block.table) for block in blocks
        ]
    assert [block.table for block in blocks] == [False, True]


def test_words_across_a_grid_are_no_cells_of_a_table_that_runs_up_a_page():
    labels = ["Scale", "Mass", "Sheet", "Drawn by", "Seen by", "Kept by", "Sent to", "Made of"]
    with pymupdf.open() as document:
        page = document.new_page()
        table(page, [["", "", "", ""]] * 3, height=60)
        for number, label in enumerate(labels):
            page.insert_text((75 + 60 * number, 150), label, fontsize=8, rotate=90)
        for row in range(3):
            page.insert_text((80, 125 + 60 * row), f"oil for lamp {row}", fontsize=8)
            page.insert_text((330, 125 + 60 * row), f"rope for boat {row}", fontsize=8)
        text = " ".join(block.text for block in blocks_of(document))
    assert [text.count(word) for word in [*labels, "oil for lamp", "rope for boat"]] == [1] * len(labels) + [3, 3]


def test_a_box_around_text_is_no_table():
    with pymupdf.open() as document:
        page = document.new_page()
        for inset in range(4):
            page.draw_rect((60 + 4 * inset, 90 + 4 * inset, 520 - 4 * inset, 300 - 4 * inset))
        page.insert_textbox((90, 120, 490, 280), PROSE, fontsize=11)
        assert [block.table for block in blocks_of(document)] == [False]


def test_boxes_behind_words_are_no_table():
    with pymupdf.open() as document:
        page = document.new_page()
        for row in range(4):
            for column in range(3):
                page.draw_rect((60 + 130 * column, 98 + 24 * row, 190 + 130 * column, 122 + 24 * row))
            page.insert_text((64, 114 + 24 * row), PROSE[20 * row : 20 * row + 55], fontsize=11)
            page.insert_text((400, 114 + 24 * row), "aside", fontsize=11)
        assert not [block for block in blocks_of(document) if block.table]
