"""Text that is written on the blanks of a form stands in their place."""

import pymupdf

from ingest.pdf.document import parse_pdf


def written(*texts):
    """The text of a page with (x, y, text) pieces in 11 points of Helvetica, in which an underscore is 6.1 wide."""
    with pymupdf.open() as document:
        page = document.new_page()
        for x, y, text in texts:
            page.insert_text((x, y), text, fontsize=11)
        [page], _, _ = parse_pdf(document.tobytes(), ocr=False)
        return page.text


def test_values_written_on_blanks_replace_them():
    form = (50, 100, "I, ______________, keeper of ______________, confirm.")
    assert written(form, (65, 98, "Ada Lovelace"), (215, 99, "Port Ellen")) == (
        "I, Ada Lovelace , keeper of Port Ellen , confirm."
    )


def test_empty_blanks_and_text_beside_them_stay():
    assert written((50, 100, "Name: ______"), (200, 100, "Date: ______")) == "Name: ______ Date: ______"
    assert written((50, 100, "______________"), (50, 112, "Signature")) == "______________ Signature"
