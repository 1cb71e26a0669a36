"""Indices and exponents that are drawn after their line stand behind their letters."""

import pymupdf
import pytest

from ingest.pdf.document import parse_pdf


def drawn(pieces, shift, size=7):
    """The text of a line in 11 points whose every second piece is an index, drawn after the line."""
    with pymupdf.open() as document:
        page = document.new_page()
        x, indices = 50.0, []
        for number, piece in enumerate(pieces):
            fontsize = size if number % 2 else 11
            if number % 2:
                indices.append((x, piece))
            else:
                page.insert_text((x, 100), piece, fontsize=11)
            x += pymupdf.get_text_length(piece, fontsize=fontsize)
        for place, piece in indices:
            page.insert_text((place, 100 - shift), piece, fontsize=size)
        [page], _, _ = parse_pdf(document.tobytes(), ocr=False)
        return page.text


@pytest.mark.parametrize(
    ("pieces", "shift", "text"),
    [
        (("Water is H", "2", "O and sulphuric acid is H", "2", "SO", "4", "."), -2.5, None),
        (("An area of 25 m", "2", " and E = mc", "2"), 4, "An area of 25 m² and E = mc²"),
        (("The ion Ca", "2+", " in x", "i+1"), -2.5, None),
    ],
)
def test_late_indices_stand_behind_their_letters(pieces, shift, text):
    assert drawn(pieces, shift) == (text or "".join(pieces))


def test_a_small_word_below_a_line_is_no_index():
    assert drawn(("The lamp of the harbour", "lamp"), -9).split() == ["The", "lamp", "of", "the", "harbour", "lamp"]


def test_signs_that_are_drawn_after_all_text_stand_in_their_lines():
    lines = [("The Lantern", " brand is sold in all ports"), ("and the Marigold", " lamps are made of copper")] * 6
    with pymupdf.open() as document:
        page = document.new_page()
        ends = []
        for row, (name, rest) in enumerate(lines):
            x = 60 + pymupdf.get_text_length(name, fontsize=10)
            page.insert_text((60, 100 + 14 * row), name, fontsize=10)
            page.insert_text((x + 6, 100 + 14 * row), rest.strip(), fontsize=10)
            ends.append((x, 97 + 14 * row))
        for place in ends:
            page.insert_text(place, "\u00ae", fontsize=6)
        [page], _, _ = parse_pdf(document.tobytes(), ocr=False)
    assert page.text == " ".join(f"{name}\u00ae{rest}" for name, rest in lines)
