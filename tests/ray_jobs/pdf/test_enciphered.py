"""Text whose font maps its letters to others is named where OCR is off; OCR reads it otherwise (test_text_layer)."""

import pymupdf
import pytest

from ingest.pdf.document import parse_pdf

PROSE = [
    "The council met in the customs house on Monday to hear the petition of the",
    "harbour masters, who want the tide gates repaired before the winter storms.",
    "It was resolved that the works begin without delay and be paid from the fund.",
]
LOSS = "the text of 1 of its pages is unlike any language, and OCR is off, which would read them"


def shifted(line, by):
    return "".join(chr((ord(c.lower()) - 97 + by) % 26 + 97) if c.isalpha() else c for c in line)


def loss_of(*lines):
    with pymupdf.open() as document:
        page = document.new_page()
        page.insert_text((50, 60), lines, fontsize=11)
        return parse_pdf(document.tobytes(), ocr=False)[2].get("partly_read")


@pytest.mark.parametrize("by", [1, 3, 13])
def test_enciphered_text_is_named(by):
    assert loss_of(*[shifted(line, by) for line in PROSE]) == LOSS


@pytest.mark.parametrize(
    "lines",
    [
        PROSE,
        ["Zum Wohl der Stadt beschloss der Rat, die Schleusen zu erneuern und", "den Fährleuten ihre Löhne zu zahlen."]
        * 2,
        ["x = f(k), y = g(k, x), z = h(x, y, k)", "QSYSGRP *JOBCTL QIBM_DB_SECADM QIBM_DB_SQLADM"] * 4,
        ["https://www.wkfx.example/xkcd/qwrty.html", "fgbezf@gvqr.example"] * 4,
    ],
)
def test_prose_and_formulas_and_addresses_are_not(lines):
    assert loss_of(*lines) is None
