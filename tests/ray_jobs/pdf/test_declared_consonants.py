"""Syllables with a vowel that is drawn before its consonants are read once, as cairo declares them."""

import pytest

from embedded.cid_fonts import pdf_with_cid_font
from ingest.pdf.document import parse_pdf

EARLY, HALANT, MARK = 1, "\u09cd", "\N{REPLACEMENT CHARACTER}"


def text_of(spans, early_width=400, unknown="", early=MARK, shift=0):
    """The text of a line of spans: what is declared for a span, and its glyphs; ▲ is the vowel.

    Args:
        spans: for each, the text and the texts of the glyphs.
        early_width: the width of the vowel.
        unknown: the letters without a text in the table of characters.
        early: the text of the vowel there.
        shift: how far each glyph is moved back.
    """
    letters = sorted({letter for _, shown in spans for letter in shown} - {"▲"})
    codes = {"▲": EARLY, **{letter: code for code, letter in enumerate(letters, 2)}}
    unicode = {
        code: early if letter == "▲" else MARK if letter in unknown else letter for letter, code in codes.items()
    }
    halants = "".join(f" {code} [0]" for letter, code in codes.items() if letter == HALANT)
    contents = "BT /F0 14 Tf 60 700 Td\n"
    for declared, shown in spans:
        glyphs = f"[{f' {shift} '.join(f'<{codes[letter]:04x}>' for letter in shown)}] TJ\n"
        actual = f"/Span <</ActualText <feff{declared.encode('utf-16-be').hex()}>>> BDC {glyphs} EMC\n"
        contents += actual if declared else glyphs
    data = pdf_with_cid_font(unicode, f"/DW 900/W[{EARLY} [{early_width}]{halants}]", f"{contents} ET")
    [read], _, _ = parse_pdf(data, ocr=False)
    return read.text


SYLLABLES = {
    "Bengali": ("ছ", "ো", "া", "ট"),
    "Gujarati": ("ક", "ો", "ા", "મ"),
    "Khmer": ("ក", "ោ", "ា", "ន"),
    "Malayalam": ("പ", "ോ", "ാ", "യ"),
    "Odia": ("କ", "ୋ", "ା", "ଠ"),
    "Sinhala": ("ක", "ො", "ා", "ට"),
    "Tamil": ("ப", "ோ", "ா", "ல"),
}


@pytest.mark.parametrize("width", [400, 1000])
@pytest.mark.parametrize("script", SYLLABLES)
def test_the_consonant_of_a_vowel_in_two_parts_is_read_once(script, width):
    consonant, vowel, late, last = SYLLABLES[script]
    spans = [("", last * 3), (consonant, f"▲{consonant}"), (vowel, late), ("", last * 4)]
    assert text_of(spans, width) == f"{last * 3}{consonant}{vowel}{last * 4}"


def test_a_syllable_that_begins_a_line_is_read_once():
    assert text_of([("ப", "▲ப"), ("ோ", "ா"), ("", "லலல")], 1000) == "போலலல"


def test_a_conjunct_is_read_once():
    assert text_of([("", "ট"), (f"ক{HALANT}ষ", f"▲ক{HALANT}ষ"), ("ো", "া"), ("", "ট")]) == f"টক{HALANT}ষোট"


def test_letters_that_are_written_twice_stay():
    assert text_of([("", "ছছ"), ("ছ", "▲ছ"), ("ো", "া"), ("", "ছছ")]) == "ছছছোছছ"


def test_a_conjunct_whose_glyph_has_no_letters_keeps_its_vowel():
    spans = [("", "টট"), (f"ক{HALANT}ষ", "▲◆"), ("ো", "া"), ("", "ভট")]
    assert text_of(spans, unknown="◆") == f"টটক{HALANT}ষোভট"


@pytest.mark.parametrize("glyphs", [["மை", "ம"], ["மை", "◆"], ["மை", "மை"]])
def test_a_glyph_for_which_the_declared_text_has_no_character_is_no_gap(glyphs):
    assert text_of([("", "உர"), ("மை", glyphs), ("", "கள")], unknown="◆") == "உரமைகள"


def test_a_syllable_whose_mark_is_moved_back_is_read_once():
    assert text_of([("", "ม"), ("ทั้", ["ทั้", "▲"]), ("", "งม")], 0, early="ทั้", shift=3) == "มทั้งม"


def test_a_letter_that_the_table_and_the_declared_text_have_is_read_once():
    assert text_of([("", "ભન"), ("વ", "▲"), ("", "ન")], 900, early="વ") == "ભનવન"
