"""Indices and exponents that are drawn after their line or word stand at their letters."""

import pymupdf
import pytest

from ingest.pdf.document import parse_pdf
from read_pdfs import texts_of


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


def runs_of(text, x, baseline, unit):
    """The pieces of a text in runs, and those of its indices: `_2` is lowered, `^2` is raised, each up to a blank."""
    runs, indices = [[]], []
    for number, piece in enumerate(text.split("|")):
        raised = {"_": -2.2, "^": 4.0}.get(piece[:1], 0.0) if number % 2 else 0.0
        shown = piece[1:] if raised else piece
        size = 7 if raised else 11
        if raised:
            indices.append((x, baseline - raised, shown, size))
        else:
            for place, word in enumerate(shown.split(" ") if unit == "word" else [shown]):
                if place:
                    x += pymupdf.get_text_length(" ", fontsize=11)
                    runs.append([])
                runs[-1].append((x, baseline, word, size))
                x += pymupdf.get_text_length(word, fontsize=size)
            continue
        x += pymupdf.get_text_length(shown, fontsize=size)
        if unit == "word":
            runs[-1].append(indices[-1])
    return runs if unit == "word" else [*runs, indices]


def draw(page, lines, unit, x=60, leading=16):
    """Draw lines; the indices of a word are drawn after it, those of a line after it, or those of a page at its end."""
    late = []
    for row, line in enumerate(lines):
        for run in runs_of(line, x, 100 + leading * row, unit):
            pieces = [piece for piece in run if piece[2]]
            if unit == "page":
                late += [piece for piece in pieces if piece[3] == 7]
                pieces = [piece for piece in pieces if piece[3] != 7]
            pieces.sort(key=lambda piece: -piece[3])
            write(page, pieces)
    write(page, late)


def write(page, pieces):
    for left, baseline, text, size in pieces:
        page.insert_text((left, baseline), text, fontsize=size)


LATE = [
    ("Lime is Ca(OH)|_2| in the silo", "Lime is Ca(OH)2 in the silo"),
    ("Alum is Al|_2|(SO|_4|)|_3| in a tank and [Fe(CN)|_6|] too", "Alum is Al2(SO4)3 in a tank and [Fe(CN)6] too"),
    ("It turns NH|_3|, then NO|_2|; at last (NO|_3|) too", "It turns NH3, then NO2; at last (NO3) too"),
    ("The acid H|_2|SO|_4| and the soda Na|_2|CO|_3| too", "The acid H2SO4 and the soda Na2CO3 too"),
    ("The lamp was lit.|^1| He slept,|^2| and (once)|^3| woke.", "The lamp was lit.¹ He slept,² and (once)³ woke."),
    ("An area of 25 m|^2| or 10|^6| mm|^2|; (a+b)|^2| is it", "An area of 25 m² or 10⁶ mm²; (a+b)² is it"),
    ("On the 1|^st| and the 2|^nd| of May", "On the 1st and the 2nd of May"),
    ("Samples of |^14|C and |^13|C in a bone", "Samples of ¹⁴C and ¹³C in a bone"),
    ("The slope f|^'|(x) is at x|_0|", "The slope f'(x) is at x0"),
    ("The text ends with CO|_2|", "The text ends with CO2"),
]  # fmt: skip


@pytest.mark.parametrize("unit", ["word", "line", "page"])
@pytest.mark.parametrize(("drawn", "text"), LATE)
def test_late_indices_stand_at_any_character(drawn, text, unit):
    with pymupdf.open() as document:
        draw(document.new_page(), [drawn], unit)
        assert texts_of(document) == [text]


@pytest.mark.parametrize("unit", ["word", "line", "page"])
def test_late_indices_stand_in_their_lines_of_columns(unit):
    with pymupdf.open() as document:
        page = document.new_page()
        lines = [f"Row {row} of lime Ca(OH)|_2| in silo" for row in range(8)]
        draw(page, lines, unit, leading=14)
        draw(page, [line.replace("Row", "Place") for line in lines], unit, x=300, leading=14)
        text = " ".join(texts_of(document))
    assert text == " ".join(f"{name} {row} of lime Ca(OH)2 in silo" for name in ("Row", "Place") for row in range(8))


@pytest.mark.parametrize("unit", ["word", "line", "page"])
def test_late_indices_stand_in_their_cells(unit):
    with pymupdf.open() as document:
        page = document.new_page()
        for x in (56, 236, 416):
            page.draw_line((x, 86), (x, 158))
        for y in (86, 110, 134, 158):
            page.draw_line((56, y), (416, y))
        draw(page, ["Gas", "SO|_2| and CO|_2|", "Ca(OH)|_2|"], unit, leading=24)
        draw(page, ["Area in m|^2|", "10|^6|", "(9.5)|^2|"], unit, x=240, leading=24)
        texts = texts_of(document)
    assert texts == ["|Gas|Area in m²|\n|---|---|\n|SO2 and CO2|10⁶|\n|Ca(OH)2|(9.5)²|"]


@pytest.mark.parametrize("first", ["_4", "^2-"])
def test_an_index_and_an_exponent_of_one_letter_stand_behind_each_other(first):
    second = {"_4": "^2-", "^2-": "_4"}[first]
    with pymupdf.open() as document:
        page = document.new_page()
        write(page, [(60, 100, "The ion SO", 11)])
        x = 60 + pymupdf.get_text_length("The ion SO", fontsize=11)
        for index in (first, second):
            write(page, [(x, 102.2 if index[0] == "_" else 96, index[1:], 7)])
        write(page, [(x + 7, 100, " is stable", 11)])
        (text,) = texts_of(document)
    assert text in ("The ion SO4²⁻ is stable", "The ion SO²⁻4 is stable")


def test_a_line_with_a_late_index_keeps_its_other_exponents():
    with pymupdf.open() as document:
        page = document.new_page()
        draw(page, ["It has 10|^6| litres of H|_2|O"], "word")
        assert texts_of(document) == ["It has 10⁶ litres of H2O"]


@pytest.mark.parametrize("label", ["lamp", "oil", "12"])
@pytest.mark.parametrize("distance", [-9, -3, 9])
def test_a_small_label_beside_a_line_is_no_index(label, distance):
    with pymupdf.open() as document:
        page = document.new_page()
        write(page, [(60, 100, "The lamp of the harbour", 11), (190, 100 - distance, label, 7)])
        assert " ".join(texts_of(document)).split() == ["The", "lamp", "of", "the", "harbour", label]


def test_a_word_in_small_type_right_behind_a_line_is_no_index():
    with pymupdf.open() as document:
        page = document.new_page()
        x = 60 + pymupdf.get_text_length("Keeper Miller", fontsize=20)
        write(page, [(60, 100, "Keeper Miller", 20), (60, 130, "signed this", 9), (x, 96, "Miller", 9)])
        assert "MillerMiller" not in " ".join(texts_of(document))
