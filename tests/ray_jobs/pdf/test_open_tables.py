"""Tables with horizontal rules alone: cells and titles belong to their columns."""

import pymupdf
import pytest

from ingest.pdf.document import parse_pdf

PLACES = [72, 180, 260, 340, 420]
ROWS = [["North", "9.1", "40", "8.7", "41"], ["South", "4.2", "22", "4.0", "22"], ["East", "12.0", "80", "11.1", "85"]]


def drawn(head, rules=(100, 138, 200), partial=(), rows=ROWS, pitch=14):
    """The texts of a page with a table; `head` has (x, y, text), and `partial` (x0, x1, y)."""
    with pymupdf.open() as document:
        page = document.new_page()
        page.insert_text((72, 80), "The harbours were measured twice, by two keepers.", fontsize=9)
        for y in rules:
            page.draw_line((72, y), (480, y))
        for x0, x1, y in partial:
            page.draw_line((x0, y), (x1, y))
        for x, y, text in head:
            page.insert_text((x, y), text, fontsize=9)
        for number, row in enumerate(rows):
            for x, text in zip(PLACES, row, strict=False):
                page.insert_text((x, 150 + pitch * number), text, fontsize=9)
        page.insert_text((72, 240), "The keepers disagree about the east.", fontsize=9)
        [page], _, _ = parse_pdf(document.tobytes(), ocr=False)
        return [block.text for block in page.blocks][1:-1]


LEAVES = [(x, 132, text) for x, text in zip(PLACES, ["Port", "Depth", "Width", "Depth", "Width"], strict=True)]
BODY = "\n".join("|" + "|".join(row) + "|" for row in ROWS)


@pytest.mark.parametrize("partial", [[(180, 320, 115), (340, 480, 115)], []], ids=["rules", "no rules"])
def test_a_title_over_several_columns_is_in_each_of_them(partial):
    head = [(187, 112, "Before the storm"), (350, 112, "After the storm"), *LEAVES]
    before, after = "|Before the storm Depth|Before the storm Width", "|After the storm Depth|After the storm Width|"
    assert drawn(head, partial=partial) == [f"|Port{before}{after}\n|---|---|---|---|---|\n{BODY}"]


def test_titles_over_different_numbers_of_columns():
    leaves = [(x, 132, text) for x, text in zip(PLACES, ["Port", "Calm", "Swell", "Storm", "All"], strict=True)]
    head = [(255, 112, "Depth"), *leaves]
    before = "|Port|Depth Calm|Depth Swell|Depth Storm|All|"
    assert drawn(head, partial=[(180, 370, 115)])[0].split("\n")[0] == before
    two = [(195, 112, "Low tide depth"), (373, 112, "Width"), *leaves]
    assert drawn(two)[0].split("\n")[0] == "|Port|Low tide depth Calm|Low tide depth Swell|Width Storm|Width All|"


def test_the_lines_of_a_title_are_one_title():
    head = [(180, 112, "Depth at"), (180, 122, "low tide"), (260, 122, "Width (m)"), (72, 122, "Port")]
    head += [(340, 122, "Depth"), (420, 122, "Width")]
    assert drawn(head)[0].split("\n")[0] == "|Port|Depth at low tide|Width (m)|Depth|Width|"


def test_sections_and_cells_of_several_lines_keep_their_rows():
    rows = [ROWS[0], ["", "", "or so"], ["In the south"], *ROWS[1:]]
    (table,) = drawn(LEAVES, rules=(100, 138, 220), rows=rows, pitch=12)
    lines = table.split("\n")[2:]
    assert lines == ["|North|9.1|40 or so|8.7|41|", "|In the south|||||", *BODY.split("\n")[1:]]


def test_the_first_row_may_have_no_first_cell():
    (table,) = drawn(LEAVES, rows=[["", "8.0", "39", "7.1", "40"], *ROWS])
    assert table.split("\n")[2:] == ["||8.0|39|7.1|40|", *BODY.split("\n")]


def test_rules_around_prose_and_figures_make_no_table():
    prose = [["The keeper climbs the tower at dusk and trims the wick before the lamp is lit, and then"]] * 4
    assert "|" not in "".join(drawn([(72, 120, "The lamp")], rows=prose))
    two = [["The keeper climbs the tower and", "", "", "the lamp is lit by him and so it is"]] * 4
    assert "|" not in "".join(drawn([(72, 120, "The lamp")], rows=two))
