"""Programs keep their lines and indentation, and columns that are typed with spaces stay apart."""

import pymupdf
import pytest

from ingest.pdf.document import parse_pdf

PROGRAM = """def light(lamp):
    if lamp.oil:
        return True  # it burns

    return False
x = light(lamp)"""
DEPTHS = [["Port", "Depth", "Light"], ["North", "9 m", "red"], ["South End", "4 m", "green"], ["Old", "12 m", "white"]]


def read(draw):
    """The texts of what is drawn between two lines of prose."""
    with pymupdf.open() as document:
        page = document.new_page()
        page.insert_text((72, 80), "The following was found in the log of the harbour:", fontsize=11)
        draw(page)
        page.insert_text((72, 260), "It ends here, and nobody knows why it was written.", fontsize=11)
        [page], _, _ = parse_pdf(document.tobytes(), ocr=False)
        return [block.text for block in page.blocks[1:-1]]


@pytest.mark.parametrize("by_place", [False, True], ids=["spaces", "places"])
def test_a_program_keeps_its_lines_and_its_indentation(by_place):
    def draw(page):
        for number, line in enumerate(PROGRAM.split("\n")):
            indent = len(line) - len(line.lstrip())
            x = 72 + 6 * indent * by_place
            page.insert_text((x, 110 + 12 * number), line.lstrip() if by_place else line, fontname="cour", fontsize=10)

    assert read(draw) == [PROGRAM]


def test_prose_in_type_of_one_width_is_prose():
    prose = [
        "The keeper climbs the tower at dusk and trims the wick",
        "before the lamp is lit. He writes the hour down,",
    ]

    def draw(page):
        for number, line in enumerate(prose):
            page.insert_text((72, 110 + 12 * number), line, fontname="cour", fontsize=10)

    assert read(draw) == [" ".join(prose)]


def test_columns_that_are_typed_in_type_of_one_width_stay_in_line():
    typed = [f"{port:<14}{depth:<8}{light}" for port, depth, light in DEPTHS]

    def draw(page):
        for number, line in enumerate(typed):
            page.insert_text((72, 110 + 12 * number), line, fontname="cour", fontsize=10)

    assert read(draw) == ["\n".join(typed)]


def test_columns_that_are_typed_in_other_type_are_a_table():
    def draw(page):
        for number, row in enumerate(DEPTHS):
            text = ""
            for x, cell in zip((0, 90, 180), row, strict=True):
                while pymupdf.get_text_length(text, fontsize=10) < x:
                    text += " "
                text += cell
            page.insert_text((72, 110 + 14 * number), text, fontsize=10)

    assert read(draw)[0].split("\n")[2:] == [f"|{'|'.join(row)}|" for row in DEPTHS[1:]]
