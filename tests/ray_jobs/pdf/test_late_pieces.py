"""Pieces of a line that are drawn in a later pass stand where they are seen."""

import pymupdf

from read_pdfs import texts_of

LINES = [
    ["The harbour office of ", "Marigold", " opens at ", "nine", " each day."],
    ["Ships of ", "class four", " wait at the ", "northern", " mole for the pilot."],
    ["Dues are paid in ", "advance", " at the counter of the ", "harbour", " master."],
]


def drawn(lines, fonts=("helv", "hebo"), passes=2, shift=0.0):
    """The texts of a page on which every second piece of each line is drawn after all others, in another font."""
    with pymupdf.open() as document:
        page = document.new_page()
        later = []
        for row, pieces in enumerate(lines):
            x = 60.0
            for number, piece in enumerate(pieces):
                font = fonts[number % 2]
                place = (x, 100 + 16 * row + shift * (number % 2)), piece, font
                later.append(place) if number % passes else page.insert_text(
                    place[0], piece, fontname=font, fontsize=11
                )
                x += pymupdf.get_text_length(piece, fontname=font, fontsize=11)
        for place, piece, font in later:
            page.insert_text(place, piece, fontname=font, fontsize=11)
        return " ".join(texts_of(document))


def test_bold_words_that_are_drawn_after_all_others_stand_in_their_sentences():
    assert drawn(LINES) == " ".join("".join(pieces) for pieces in LINES)


def test_digits_in_chinese_sentences_that_are_drawn_later_and_lower_stand_in_them():
    lines = [
        ["本章与", "2021", "年教材相比没有变化"],
        ["每年共有", "4", "题合计", "12", "分"],
        ["学员应当重视第", "3", "节的内容"],
    ]
    assert drawn(lines, ("china-s", "helv"), shift=0.8) == "".join("".join(pieces) for pieces in lines)


def test_columns_that_are_drawn_one_after_the_other_stay_columns():
    with pymupdf.open() as document:
        page = document.new_page()
        for column, words in enumerate((["oil", "wicks", "rope"], ["the lamp", "the light", "the bell"])):
            for row, text in enumerate(words):
                page.insert_text((60 + 60 * column, 100 + 16 * row), text, fontsize=11)
        texts = texts_of(document)
    assert "oil the lamp" not in " ".join(texts)
