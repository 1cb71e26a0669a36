"""Letters behind a ligature that ends with the same letter and is declared, as by Cairo and Chromium."""

import re

import pymupdf
import pytest

from ingest.pdf.layout import join_lines
from read_pdfs import texts_of

FORMS = {
    "words": lambda letters: f"({letters})",
    "digits": lambda letters: f"<feff{letters.encode('utf-16-be').hex()}>",
    "octal": lambda letters: "(\\376\\377" + "".join(f"\\000{letter}" for letter in letters) + ")",
}


def drawn(text, form="words", shift=0):
    """The texts of a page on which one broad glyph stands for each ligature in brackets.

    shift: of what follows a ligature, in thousandths of the font size.
    """
    parts = []
    for ligature, letters in re.findall(r"\[(\w+)\]|([^\[]+)", text):
        if ligature:
            parts.append(f"/Span <</ActualText {FORMS[form](ligature)}>> BDC (w) Tj EMC [{-shift}] TJ")
        else:
            parts.append(f"({letters}) Tj")
    with pymupdf.open() as document:
        page = document.new_page()
        page.insert_text((50, 100), "x", fontname="helv")
        shown = f"BT /helv 12 Tf 50 700 Td {' '.join(parts)} ET"
        document.update_stream(page.get_contents()[0], shown.encode("latin-1"))
        return texts_of(document, ocr=False)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(
    "text",
    [
        "Die Schi[ff]fahrt ruht",
        "ein Sto[ff]fetzen",
        "gra[fi]ikka",
        "Sto[ff][fl]icken",
        "Sto[ff][fi]rma",
        "a[ffi][ffi]a",
        "Mi[tt]tag",
    ],
)
def test_a_letter_behind_a_ligature_that_ends_with_it_is_not_dropped(text, form):
    assert drawn(text, form) == [re.sub(r"[\[\]]", "", text)]


@pytest.mark.parametrize("shift", [-60, 60])
def test_the_letter_may_be_set_closer_or_farther(shift):
    assert drawn("Schi[ff]fahrt", shift=shift) == ["Schifffahrt"]


def test_words_that_only_a_gap_parts_stay_apart():
    assert drawn("Sto[ff]fetzen", shift=400) == ["Stoff fetzen"]
    assert drawn("Sto[ff]geben", shift=400) == ["Stoff geben"]
    assert drawn("Sto[ff] fein") == ["Stoff fein"]


def test_latex_ligatures_beside_each_other_and_beside_an_umlaut_have_their_letters():
    assert join_lines("die Schli\x1b\x1däche und \x1c") == "die Schlifffläche und"
