"""Text that is drawn twice, accents beside their letters, and letters set apart."""

import pymupdf
import pytest

from ingest.pdf.document import parse_pdf

NOTICE = ["Vessels of more than forty metres must report", "to the harbour office two hours before they arrive."]


def text_of(document):
    (page,), _, _ = parse_pdf(document.tobytes(), ocr=False)
    return page.text


def page_of(width=595, height=842):
    document = pymupdf.open()
    return document, document.new_page(width=width, height=height)


def write(page, lines=NOTICE, x=72.0, y=100.0, size=11, **options):
    for number, line in enumerate(lines):
        page.insert_text((x, y + 14 * number), line, fontsize=size, **options)


def write_pieces(page, pieces, y=100.0, size=11, copies=(0, 0.3)):
    x = 72.0
    for piece in pieces:
        for offset in copies:
            page.insert_text((x + offset, y), piece, fontsize=size)
        x += pymupdf.get_text_length(piece, fontsize=size)


@pytest.mark.parametrize(
    "offsets",
    [[(0, 0)], [(0.3, 0)], [(0.2, 0), (0.4, 0), (0.6, 0)], [(1.5, 1.5)], [(-2, 2)]],
    ids=["same", "bold", "four", "shadow", "left"],
)
def test_text_that_is_drawn_again_is_read_once(offsets):
    document, page = page_of()
    write(page)
    for dx, dy in offsets:
        write(page, x=72 + dx, y=100 + dy)
    assert text_of(document) == " ".join(NOTICE)


def test_lines_that_are_each_drawn_twice_are_read_once():
    document, page = page_of()
    for number, line in enumerate(NOTICE):
        for offset in (0, 0.3):
            write(page, [line], 72 + offset, 100 + 14 * number)
    assert text_of(document) == " ".join(NOTICE)


@pytest.mark.parametrize("split", [str, lambda line: [f"{word} " for word in line.split()]], ids=["letter", "word"])
def test_pieces_that_are_each_drawn_twice_are_read_once(split):
    document, page = page_of()
    write_pieces(page, list(split(NOTICE[0])))
    assert text_of(document) == NOTICE[0]


def test_an_invisible_layer_below_the_same_text_is_read_once():
    document, page = page_of()
    write(page, [line.replace("rr", "m") for line in NOTICE], render_mode=3, fontname="tiro")
    write(page)
    assert text_of(document) == " ".join(NOTICE)


def test_two_layers_of_ocr_are_read_once():
    document, page = page_of()
    write(page, render_mode=3)
    x = 72.0
    for word in NOTICE[0].replace("forty", "f0rty").replace("must", "rnust").split():
        page.insert_text((x + 0.5, 100.4), word, fontsize=10.6, fontname="tiro", render_mode=3)
        x += pymupdf.get_text_length(f"{word.replace('rn', 'm')} ", fontsize=11)
    assert text_of(document) == " ".join(NOTICE)


def test_equal_words_at_other_places_stay():
    document, page = page_of()
    write(page, ["ill will", "ill will", "ill ill ill"], size=12)
    write(page, ["1", "1"], x=300, y=100, size=12)
    assert text_of(document).split().count("ill") == 5
    assert text_of(document).split().count("1") == 2


def draw_accents(page, text, y, size=12.0):
    """Write a line in which each accent is drawn over the letter that follows it, as by LaTeX."""
    x = 72.0
    for before, letter in zip(text, text[1:] + " ", strict=True):
        width = pymupdf.get_text_length(before, fontsize=size)
        if before in "´`¨^~":
            shift = (pymupdf.get_text_length(letter, fontsize=size) - width) / 2
            page.insert_text((x + shift, y), before, fontsize=size)
        else:
            page.insert_text((x, y), before, fontsize=size)
            x += width


@pytest.mark.parametrize(
    ("drawn", "read"),
    [
        ("Universit´e de Lyon", "Université de Lyon"),
        ("´Ecole normale sup´erieure", "École normale supérieure"),
        ("Schr¨odinger ^etre `a", "Schrödinger être à"),
        ("ma~nana", "mañana"),
    ],
)
def test_accents_over_the_next_letter_are_joined_with_it(drawn, read):
    document, page = page_of()
    draw_accents(page, drawn, 100)
    assert text_of(document) == read


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("Scho¨ne Ha¨user in Zu¨rich", "Schöne Häuser in Zürich"),
        ("Fran¸cois et le gar¸con", "François et le garçon"),
        ("Franc¸ois et le garc¸on", "François et le garçon"),
        ("don´t, d´accord, code `x`, ~10, 2^e, 5 °C", "don´t, d´accord, code `x`, ~10, 2^e, 5 °C"),
    ],
)
def test_accents_beside_letters_are_joined_unless_they_may_be_other_characters(written, read):
    document, page = page_of()
    write(page, [written])
    assert text_of(document) == read


def spaced(page, words, gap, y=100.0, size=14):
    x = 72.0
    for word in words:
        for letter in word:
            page.insert_text((x, y), letter, fontsize=size)
            x += pymupdf.get_text_length(letter, fontsize=size) + gap
        x += gap


@pytest.mark.parametrize("gap", [3.5, 6, 9])
def test_words_of_spaced_letters_are_closed(gap):
    document, page = page_of()
    spaced(page, ["HARBOUR", "DUES"], gap)
    write(page, ["Notices of the northern light"], y=140)
    assert text_of(document).split("\n\n")[0] == "HARBOUR DUES"


@pytest.mark.parametrize(
    ("line", "read"),
    [
        ("H A R B O U R   D U E S", "HARBOUR DUES"),
        ("the l o n g wave", "the long wave"),
        ("A B C D E F", "A B C D E F"),
        ("1 2 3 4 5 6", "1 2 3 4 5 6"),
        ("points a b c and x y", "points a b c and x y"),
    ],
)
def test_only_letters_that_make_a_word_are_closed(line, read):
    document, page = page_of()
    write(page, [line])
    assert text_of(document) == read
