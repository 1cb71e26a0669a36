"""Texts that a producer draws in another order than people read them."""

import pymupdf
import pytest

from ingest.pdf.document import parse_pdf


def page_texts(draws, size=12):
    """The texts of a page on which these are drawn: x, y and text of each."""
    document = pymupdf.open()
    page = document.new_page()
    for x, y, text in draws:
        page.insert_text((x, y), text, fontsize=size)
    (parsed,), _, _ = parse_pdf(document.tobytes(), ocr=False)
    return [block.text for block in parsed.blocks]


def in_place(words, gap=3.3):
    """Each word of a line, and where it is."""
    x = 60.0
    for word in words:
        yield x, 100, word
        x += pymupdf.get_text_length(word, fontsize=12) + gap


WORDS = ["one", "two", "three", "four", "five", "six", "seven"]


@pytest.mark.parametrize("order", [(1, 4, 5, 0, 2, 3, 6), (6, 5, 4, 3, 2, 1, 0), (0, 2, 4, 6, 1, 3, 5)])
def test_words_of_a_line_are_read_from_left_to_right(order):
    places = list(in_place(WORDS))
    assert page_texts([places[index] for index in order]) == [" ".join(WORDS)]


def test_letters_of_a_line_are_read_from_left_to_right():
    letters = list(in_place("lighthouse", gap=0.2))
    assert page_texts(letters[5:] + letters[:5]) == ["lighthouse"]


PARAGRAPHS = [(60, 100, "The first."), (60, 200, "The second."), (60, 300, "The third.")]


def test_paragraphs_below_each_other_are_read_downwards():
    first, second, third = PARAGRAPHS
    assert page_texts([third, first, second]) == [text for _, _, text in PARAGRAPHS]


def test_a_paragraph_that_stands_alone_is_read_before_those_below_it():
    first, _, third = PARAGRAPHS
    assert page_texts([third, first, (300, 300, "Beside.")]) == ["The first.", "The third.", "Beside."]
