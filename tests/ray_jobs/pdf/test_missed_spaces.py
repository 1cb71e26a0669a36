"""Words of scripts behind whose letters MuPDF infers no space are parted where a producer draws no space characters."""

import pytest

from embedded.cid_fonts import pdf_with_cid_font
from ingest.pdf.document import parse_pdf

TEXTS = {
    "Amharic": "የሰው ልጅ ሁሉ ሲወለድ ነጻና",
    "Georgian": "ყველა ადამიანი იბადება თავისუფალი",
    "Hindi": "सभी मनष यो गौरव और अधकार",
    "Vietnamese": "cả mọi người ở về tự do và lẽ phải",
}


def read(text, gap=300, spaces=False):
    """The text of a line of words with gaps in thousandths of the font size, by a font whose letters have 500."""
    letters = {letter: code for code, letter in enumerate(sorted(set(text)), 1)}
    words = [f"<{''.join(f'{letters[letter]:04x}' for letter in word)}>" for word in text.split()]
    between = f" -{gap} " if not spaces else f" <{letters[' ']:04x}> "
    texts = {code: letter for letter, code in letters.items()}
    data = pdf_with_cid_font(texts, "/DW 500", f"BT /F0 14 Tf 60 700 Td [{between.join(words)}] TJ ET")
    [result], _, _ = parse_pdf(data, ocr=False)
    return result.text


@pytest.mark.parametrize("language", TEXTS)
def test_words_that_gaps_part_are_words(language):
    assert read(TEXTS[language]) == TEXTS[language]


def test_a_gap_behind_a_ligature_parts_words():
    assert read("the staﬀ went oﬀ the diﬀerent path") == "the staff went off the different path"


@pytest.mark.parametrize("language", TEXTS)
def test_small_gaps_part_no_words(language):
    assert read(TEXTS[language], gap=60) == TEXTS[language].replace(" ", "")


@pytest.mark.parametrize("language", TEXTS)
def test_words_with_space_characters_stay(language):
    assert read(TEXTS[language], spaces=True) == TEXTS[language]


def test_thai_letters_with_gaps_are_not_parted():
    assert read("มนษย ทงหลาย") == "มนษยทงหลาย"
