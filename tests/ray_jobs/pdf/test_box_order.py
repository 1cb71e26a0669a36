"""Boxes and list markers that a producer draws in another order than people read them."""

import pymupdf
import pytest

from ingest.pdf.document import parse_pdf


def page_texts(draws):
    """The texts of a page on which these are drawn: x, y, size and text of each."""
    document = pymupdf.open()
    page = document.new_page()
    for x, y, size, text in draws:
        page.insert_text((x, y), text, fontsize=size)
    (parsed,), _, _ = parse_pdf(document.tobytes(), ocr=False)
    return [block.text for block in parsed.blocks]


TITLE, NUMBER = (60, 80, 30, "Accounts of the year"), (500, 790, 10, "12")
INCOME = [(60, 200, 20, "Income"), (60, 240, 14, "Dues: 500"), (60, 280, 14, "Grants: 100")]
COSTS = [(320, 200, 20, "Costs"), (320, 240, 14, "Oil: 120"), (320, 280, 14, "Wages: 300")]
READ = [text for _, _, _, text in [TITLE, *INCOME, *COSTS, NUMBER]]


@pytest.mark.parametrize(
    "drawn",
    [[NUMBER, *COSTS, *INCOME, TITLE], [*INCOME, *COSTS, TITLE, NUMBER], [NUMBER, TITLE, *INCOME, *COSTS]],
    ids=["backwards", "title last", "number first"],
)
def test_the_boxes_of_a_slide_are_read_as_they_stand(drawn):
    assert page_texts(drawn) == READ


def test_the_rows_of_boxes_side_by_side_stay_together():
    rows = [cell for pair in zip(INCOME, COSTS, strict=True) for cell in reversed(pair)]
    texts = " ".join(page_texts([TITLE, *rows]))
    assert texts.index("Costs") < texts.index("Dues") < texts.index("Grants")


PROSE = [
    "The keeper climbs the tower at dusk and trims",
    "the wick before the lamp is lit. He writes the",
    "hour into the log, and the state of the wind.",
    "When fog comes in he starts the signal, which",
]


def test_a_column_below_a_picture_is_read_before_the_next_column():
    left = [(60, 500 + 14 * index, 10, line) for index, line in enumerate(PROSE)]
    right = [(320, 100 + 14 * index, 10, line.upper()) for index, line in enumerate(PROSE)]
    assert page_texts([*left, *right]) == [" ".join(PROSE), " ".join(PROSE).upper()]


ITEMS = ["Oil for the lamp.", "Wicks of cotton.", "Bread and salt."]


@pytest.mark.parametrize("markers", [["1.", "2.", "3."], ["\u2022"] * 3, ["(a)", "(b)", "(c)"]])
@pytest.mark.parametrize("first", [True, False])
def test_markers_that_are_drawn_apart_stand_before_their_items(markers, first):
    drawn = [(60, 100 + 40 * index, 12, marker) for index, marker in enumerate(markers)]
    items = [(90, 100 + 40 * index, 12, item) for index, item in enumerate(ITEMS)]
    expected = [f"{marker} {item}".replace("\u2022", "\u00b7") for marker, item in zip(markers, ITEMS, strict=True)]
    texts = page_texts(drawn + items if first else items + drawn)
    assert [text.replace("\u2022", "\u00b7") for text in texts] == expected


def test_the_number_of_an_equation_is_not_the_marker_of_the_next_column():
    left = [(60, 100 + 20 * index, 10, line) for index, line in enumerate(PROSE)]
    edge = 60 + pymupdf.get_text_length(PROSE[0], fontsize=10)
    number = (edge - pymupdf.get_text_length("(1)", fontsize=10), 140, 10, "(1)")
    left[2] = (100, 140, 10, "a = b + c")
    right = [(320, 100 + 20 * index, 10, line.upper()) for index, line in enumerate(PROSE)]
    assert not any(f"(1) {PROSE[2].upper()}" in text for text in page_texts([*left, *right, number]))


LABELS, VALUES = ["Sales total:", "Tax:", "Total (AUD):"], ["24,600.00", "2,460.00", "27,060.00"]


@pytest.mark.parametrize("first", [True, False])
def test_values_that_are_drawn_apart_stand_beside_their_labels(first):
    labels = [(60, 100 + 40 * index, 12, label) for index, label in enumerate(LABELS)]
    values = [(300, 100 + 40 * index, 12, value) for index, value in enumerate(VALUES)]
    expected = [f"{label} {value}" for label, value in zip(LABELS, VALUES, strict=True)]
    assert page_texts(labels + values if first else values + labels) == expected


def test_a_sidebar_is_not_read_between_the_paragraphs_beside_it():
    main = [(60, 120 + 60 * index, 10, f"Station {index}: {line}") for index, line in enumerate(PROSE)]
    side = [(420, 120 + 30 * index, 10, text) for index, text in enumerate(["Skills", "Oil", "Wicks"])]
    texts = page_texts([*main, *side, TITLE])
    assert texts == [TITLE[3], *(text for *_, text in [*main, *side])]


def test_a_page_number_in_the_gutter_does_not_mix_columns():
    left = [(60, 100 + 14 * index, 10, line) for index, line in enumerate(["1 One", "", *PROSE, *PROSE]) if line]
    right = [(285, 100 + 14 * index, 10, line.upper()) for index, line in enumerate(["tons.", "", *PROSE, *PROSE])]
    texts = " ".join(page_texts([*left, *[line for line in right if line[3]], (278, 780, 9, "1")]))
    assert texts.index(PROSE[0]) < texts.index("TONS.") < texts.index(PROSE[0].upper())


def test_columns_below_a_title_are_read_from_left_to_right():
    pages = [(500, 200 + 30 * index, 12, number) for index, number in enumerate(["4", "8", "10"])]
    parts = [(60, 200 + 30 * index, 12, part) for index, part in enumerate(["Safety rules", "Notes", "Parts"])]
    texts = page_texts([TITLE, *pages, *parts])
    assert texts.index("Parts") < texts.index("4")


@pytest.mark.parametrize("length", [4, 12, 30])
def test_columns_of_upright_characters_are_read_from_the_right(length):
    columns = [
        "古い灯台は港の入口に立っていて、毎晩光を送ります。冬も夏も休みません。",
        "守り人は毎朝油を運びます。風の強い日には二人で塔に登ります。",
        "海は静かです。船は遠くを行きます。港は今日も眠っています。空は青い。",
    ]
    with pymupdf.open() as document:
        page = document.new_page()
        for number, column in enumerate(columns):
            for row, character in enumerate(column[: length if number == 2 else None]):
                page.insert_text((500 - 30 * number, 80 + 14 * row), character, fontname="japan", fontsize=14)
        (parsed,), _, _ = parse_pdf(document.tobytes(), ocr=False)
    assert "".join(parsed.text.split()) == "".join([*columns[:2], columns[2][:length]])
