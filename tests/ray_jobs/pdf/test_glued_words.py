"""Words that are set close together have spaces between them; letters that are set apart do not."""

import pymupdf
import pytest

from ingest.pdf.document import parse_pdf

WORDS = ["the", "keeper", "climbs", "the", "tower", "every", "evening", "before", "the", "sun", "goes", "down"]


def drawn(operand):
    with pymupdf.open() as document:
        page = document.new_page()
        page.insert_text((50, 100), "x", fontname="helv")
        document.update_stream(page.get_contents()[0], f"BT /helv 10 Tf 50 700 Td [{operand}] TJ ET".encode())
        [page], _, _ = parse_pdf(document.tobytes(), ocr=False)
        return page.text


@pytest.mark.parametrize("gap", [90, 110, 130, 145])
def test_words_with_narrow_gaps_are_parted(gap):
    assert drawn(f" -{gap} ".join(f"({word})" for word in WORDS)) == " ".join(WORDS)


def test_letters_set_apart_as_far_as_words_are_not_parted():
    assert drawn(" -100 ".join(f"({letter})" for letter in "thekeeperclimbsthetowerevery")) == (
        "thekeeperclimbsthetowerevery"
    )


def test_the_variables_of_a_formula_and_a_long_word_stay_together():
    assert drawn("(Geschwindigkeitsbegrenzung)-300(f)-100(\\(x\\))-100(g)-100(\\(y\\))") == (
        "Geschwindigkeitsbegrenzung f(x)g(y)"
    )


def test_short_lines_are_parted_beside_long_ones():
    with pymupdf.open() as document:
        page = document.new_page()
        page.insert_text((50, 100), "x", fontname="helv")
        gap = " -90 "
        lines = [gap.join(f"({word})" for word in words) for words in (WORDS, ["the", "lamp", "is", "lit"])]
        drawn = f"BT /helv 10 Tf 50 700 Td [{lines[0]}] TJ 0 -100 Td [{lines[1]}] TJ ET"
        document.update_stream(page.get_contents()[0], drawn.encode())
        [read], _, _ = parse_pdf(document.tobytes(), ocr=False)
    assert [block.text for block in read.blocks] == [" ".join(WORDS), "the lamp is lit"]


def test_korean_words_have_the_spaces_that_are_gaps():
    words = ["등대지기는", "해질녘에", "탑에", "올라가", "등불을", "켠다"]
    with pymupdf.open() as document:
        page = document.new_page()
        font, x = pymupdf.Font("korea"), 50.0
        writer = pymupdf.TextWriter(page.rect)
        for word in words:
            for letter in word:
                writer.append((x, 100), letter, font, 10)
                x += 10
            x += 4
        writer.write_text(page)
        [read], _, _ = parse_pdf(document.tobytes(), ocr=False)
    assert read.text == " ".join(words)
