"""Each word of a page is in one cell of a table, or in a line beside it."""

import pymupdf

from read_pdfs import blocks_of, texts_of


def grid(page, columns, rows):
    for x in columns:
        page.draw_line((x, rows[0]), (x, rows[-1]))
    for y in rows:
        page.draw_line((columns[0], y), (columns[-1], y))


def write(page, y, cells):
    for x, text in cells:
        page.insert_text((x, y), text, fontsize=10)


def test_a_title_that_begins_beside_a_table_is_not_cut():
    with pymupdf.open() as document:
        page = document.new_page()
        grid(page, [120, 200, 280, 360], [100, 124, 148, 172])
        write(page, 116, [(60, "Depths of the harbours in fathoms")])
        write(page, 140, [(130, "1"), (210, "2"), (290, "3")])
        write(page, 164, [(130, "4"), (210, "5"), (290, "6")])
        texts = texts_of(document)
    assert texts[0] == "Depths of the harbours in fathoms"
    assert sorted("".join(filter(str.isdigit, text)) for text in texts[1:]) == ["123456"]


def test_boxes_for_the_amounts_of_a_form_are_no_table():
    labels = ["Wages and salaries", "Interest", "Dividends", "Alimony", "Business income", "Pensions"]
    with pymupdf.open() as document:
        page = document.new_page()
        grid(page, [400, 430, 500, 540], [100 + 20 * row for row in range(7)])
        for row, label in enumerate(labels):
            write(page, 114 + 20 * row, [(60, f"{row + 1} {label}"), (410, f"{row + 1}")])
        blocks = blocks_of(document)
    assert not any(block.table for block in blocks)
    text = " ".join(block.text for block in blocks)
    assert [f"{row + 1} {label} {row + 1}" in text for row, label in enumerate(labels)] == [True] * 6


def table_over_an_undivided_row(rows, last):
    """The last lines of a table with three columns, and a row below them that no vertical rule divides."""
    with pymupdf.open() as document:
        page = document.new_page()
        grid(page, [60, 200, 340, 480], [100, 124, 148, 172])
        page.draw_line((60, 196), (480, 196))
        for x in (60, 480):
            page.draw_line((x, 172), (x, 196))
        for row, cells in enumerate([*rows, last]):
            write(page, 116 + 24 * row, zip((64, 204, 344), cells, strict=False))
        (block,) = blocks_of(document)
        return block.text.split("\n")[3:]


def test_a_line_that_crosses_columns_whose_border_is_not_drawn_there_is_one_cell():
    rows = [("Port", "Depth", "Light"), ("North", "9 m", "white"), ("South", "4 m", "red")]
    note = "The depths were measured in spring by the master of the harbour."
    assert table_over_an_undivided_row(rows, [note]) == ["|South|4 m|red|", f"|{note}|||"]


def test_values_without_a_border_between_them_keep_to_their_columns():
    rows = [("Port", "Oil", "Wicks"), ("North", "9", "2"), ("South", "4", "1")]
    assert table_over_an_undivided_row(rows, ["", "13", "3"]) == ["|South|4|1|", "||13|3|"]


def test_dots_that_lead_the_eye_are_no_cells():
    with pymupdf.open() as document:
        page = document.new_page()
        grid(page, [60, 200, 340, 480], [100, 124, 148, 172])
        for row, (name, depth) in enumerate([("Port", "Depth"), ("North", "9 m"), ("South", "4 m")]):
            dots = [(x, ".") for x in range(204, 330, 12)] if row else []
            write(page, 116 + 24 * row, [(64, name), *dots, (344, depth)])
        (block,) = blocks_of(document)
    assert block.text.split("\n") == ["|Port|Depth|", "|---|---|", "|North|9 m|", "|South|4 m|"]


def test_boxes_behind_words_are_no_edges_of_rows():
    with pymupdf.open() as document:
        page = document.new_page()
        grid(page, [60, 200, 340, 480], [100, 160, 220])
        page.draw_rect((200, 122, 230, 136), fill=(0.9, 0.9, 0.9))
        write(page, 118, [(64, "Port"), (204, "Light and"), (344, "Depth at")])
        write(page, 133, [(204, "colour"), (344, "low tide")])
        write(page, 148, [(204, "of it"), (344, "in metres")])
        write(page, 190, [(64, "North"), (204, "white"), (344, "9")])
        (block,) = blocks_of(document)
    assert block.text.split("\n") == [
        "|Port|Light and colour of it|Depth at low tide in metres|",
        "|---|---|---|",
        "|North|white|9|",
    ]


def test_double_rules_around_one_column_are_no_table():
    with pymupdf.open() as document:
        page = document.new_page()
        for x in (60, 62, 64):
            page.draw_line((x, 100), (x, 172))
        for y in (100, 124, 148, 172):
            page.draw_line((60, y), (400, y))
        write(page, 116, [(70, "Port"), (210, "Depth")])
        write(page, 140, [(70, "North"), (210, "9 m")])
        assert "Port" in " ".join(block.text for block in blocks_of(document))


def test_a_cell_over_several_rows_stands_in_the_first_of_them():
    with pymupdf.open() as document:
        page = document.new_page()
        for x in (60, 200, 340):
            page.draw_line((x, 100), (x, 196))
        for y in (100, 124, 196):
            page.draw_line((60, y), (340, y))
        for y in (148, 172):
            page.draw_line((200, y), (340, y))
        cells = [("Keeper", "Day"), ("", "Monday"), ("Ada", "Tuesday"), ("", "Sunday")]
        for row, texts in enumerate(cells):
            write(page, 116 + 24 * row, [(x, text) for x, text in zip((64, 204), texts, strict=True) if text])
        (block,) = blocks_of(document)
    assert block.text.split("\n")[2:] == ["|Ada|Monday|", "||Tuesday|", "||Sunday|"]
