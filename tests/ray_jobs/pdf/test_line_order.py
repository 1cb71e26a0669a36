"""Lines that are not drawn in the order in which they are read."""

import pymupdf
import pytest

from ingest.pdf.document import parse_pdf

LEFT = [
    "The keeper of the northern light writes",
    "into the log that the brass lens was",
    "polished at dawn by hand and shining",
    "until a pilot cutter anchored at noon.",
]
RIGHT = [
    "Two barrels of paraffin were landed by",
    "the tender Marigold on the spring tide",
    "and stored in the shed below the tower",
    "where the winter stock had been used.",
]


def page_of():
    document = pymupdf.open()
    return document, document.new_page()


def texts_of(document):
    (page,), _, _ = parse_pdf(document.tobytes(), ocr=False)
    return [block.text for block in page.blocks]


def upwards(page, lines, x=72.0, y=100.0):
    for number, line in reversed(list(enumerate(lines))):
        page.insert_text((x, y + 14 * number), line, fontsize=11)


def test_lines_drawn_from_the_bottom_up_are_read_from_the_top_down():
    document, page = page_of()
    upwards(page, RIGHT, y=200)
    upwards(page, LEFT, y=100)
    assert texts_of(document) == [" ".join(LEFT), " ".join(RIGHT)]


def test_a_page_that_is_mirrored_keeps_its_order():
    document, page = page_of()
    for number, line in enumerate(LEFT):
        point = pymupdf.Point(72, 700 - 14 * number)
        page.insert_text(point, line, fontsize=11, morph=(point, pymupdf.Matrix(1, 0, 0, -1, 0, 0)))
    assert " ".join(texts_of(document)) == " ".join(LEFT)


def test_columns_drawn_from_the_bottom_up_are_read_one_by_one():
    document, page = page_of()
    upwards(page, LEFT)
    upwards(page, RIGHT, x=320)
    assert texts_of(document) == [" ".join(LEFT), " ".join(RIGHT)]


def test_rows_of_a_table_drawn_from_the_bottom_up_stay_rows():
    document, page = page_of()
    for row in reversed(range(5)):
        for column, text in enumerate((f"port{row}", f"depth{row}", f"tide{row}")):
            page.insert_text((72 + 120 * column, 100 + 14 * row), text, fontsize=11)
    assert " ".join(texts_of(document)).split() == [
        f"{name}{row}" for row in range(5) for name in ("port", "depth", "tide")
    ]


@pytest.mark.parametrize("last", [False, True], ids=["first", "last"])
@pytest.mark.parametrize("initial", ["O", '"O'])
def test_a_large_initial_is_the_first_letter_of_its_word(initial, last):
    document, page = page_of()
    width = pymupdf.get_text_length(initial, fontsize=44)
    if not last:
        page.insert_text((72, 130), initial, fontsize=44)
    for number, line in enumerate(["nce upon a time the keeper of the light", *LEFT]):
        page.insert_text((74 + width if number < 3 else 72, 100 + 14 * number), line, fontsize=11)
    if last:
        page.insert_text((72, 130), initial, fontsize=44)
    assert " ".join(texts_of(document)) == " ".join([f"{initial}nce upon a time the keeper of the light", *LEFT])


RUBY = [("東京", "とうきょう"), ("駅", "えき"), ("から", ""), ("海", "うみ"), ("へ行く。", "")]


@pytest.mark.parametrize("inline", [True, False])
def test_furigana_stand_behind_the_text_that_they_explain(inline):
    document, page = page_of()
    x = 72.0
    for base, reading in RUBY:
        if inline:
            page.insert_text((x, 100), base, fontsize=12, fontname="japan")
        if reading:
            page.insert_text((x, 88), reading, fontsize=5, fontname="japan")
        x += 12 * len(base)
    if not inline:
        page.insert_text((72, 100), "".join(base for base, _ in RUBY), fontsize=12, fontname="japan")
    page.insert_text((72, 140), "港の灯台は夜明けに磨かれた。", fontsize=12, fontname="japan")
    *text, readings = texts_of(document)
    assert text == ["東京駅から海へ行く。", "港の灯台は夜明けに磨かれた。"]
    assert readings.replace(" ", "") == "とうきょうえきうみ"


def test_a_raised_digit_is_no_part_of_the_number_before_it():
    document, page = page_of()
    page.insert_text((72, 100), "An area of 10", fontsize=11)
    x = 72 + pymupdf.get_text_length("An area of 10", fontsize=11)
    page.insert_text((x, 95), "6", fontsize=7)
    page.insert_text((x + 6, 100), "m", fontsize=11)
    page.insert_text((x + 16, 95), "2", fontsize=7)
    page.insert_text((x + 24, 100), "was dredged.", fontsize=11)
    assert texts_of(document) == ["An area of 10⁶ m² was dredged."]


def test_a_large_initial_that_is_drawn_before_the_last_line_beside_it_begins_the_first_one():
    document, page = page_of()
    lines = ["HE keeper of the northern light writes", *LEFT[1:3]]
    for number, line in enumerate(lines):
        if number == 2:
            page.insert_text((72, 128), "T", fontsize=38)
        page.insert_text((100, 100 + 14 * number), line, fontsize=11)
    page.insert_text((72, 142), LEFT[3], fontsize=11)
    assert " ".join(texts_of(document)) == " ".join(["THE keeper of the northern light writes", *LEFT[1:]])
