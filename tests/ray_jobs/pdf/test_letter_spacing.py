"""Words whose letters are set apart are whole, however short they are, with the spaces between them."""

import pymupdf
import pytest

from ingest.pdf.document import parse_pdf


def read(*lines):
    """The texts of a page with lines (text, gap in font sizes, whether spaces are drawn), each letter by itself."""
    with pymupdf.open() as document:
        page = document.new_page()
        for number, (text, gap, drawn) in enumerate(lines):
            x = 72.0
            for index, letter in enumerate(text):
                if letter != " " or drawn:
                    page.insert_text((x, 100 + 40 * number), letter, fontsize=14)
                uneven = 0.02 * (index % 3 - 1)
                x += pymupdf.get_text_length(letter, fontsize=14) + 14 * (gap + uneven)
        page.insert_text((72, 600), "Notices of the northern light are here for all the boats.", fontsize=11)
        [found], _, _ = parse_pdf(document.tobytes(), ocr=False)
        return [block.text for block in found.blocks[:-1]]


@pytest.mark.parametrize("drawn", [False, True], ids=["gaps", "spaces"])
@pytest.mark.parametrize("gap", [0.15, 0.2, 0.25, 0.3, 0.4, 0.6])
@pytest.mark.parametrize("line", ["IT IS AN OAK BY THE SEA", "THE END", "It is to be or not, now", "Oil, rope; a map."])
def test_short_words_of_spaced_letters_are_whole(line, gap, drawn):
    assert read((line, gap, drawn)) == [line]


def test_a_few_letters_are_closed_if_they_are_set_like_others():
    assert read(("IT IS AN OAK", 0.3, False), ("BY", 0.3, False)) == ["IT IS AN OAK", "BY"]
    assert read(("BY", 0.3, False)) == ["B Y"]


@pytest.mark.parametrize("line", ["YNYYNYN", "BADC"])
def test_letters_in_columns_stay_apart(line):
    assert "".join(" ".join(read((line, 1.0, False))).split()) == line
    assert max(map(len, " ".join(read((line, 1.0, False))).split())) == 1


def test_numbers_among_spaced_letters_keep_their_spaces():
    assert read(("PO BOX 3636 ROOM 12", 0.3, False)) == ["PO BOX 3636 ROOM 12"]
