"""Check marks, boxes and bullets in fonts of symbols are no letters."""

import pymupdf
import pytest

from ingest.pdf.document import parse_pdf


def texts_of(document):
    (page,), _, _ = parse_pdf(document.tobytes(), ocr=False)
    return page.text


@pytest.mark.parametrize(
    ("font", "code", "mark"),
    [
        ("Wingdings-Regular", "\\374", "✓"),
        ("ABCDEF+Wingdings", "\\373", "✗"),
        ("Wingdings", "\\250", "☐"),
        ("Wingdings", "\\247", "•"),
        ("Wingdings2", "P", "✓"),
        ("Webdings", "c", "☐"),
        ("ZapfDingbats", "4", "✓"),
        ("WingsOfLiberty", "n", "n"),
    ],
)
def test_a_symbol_is_no_letter(font, code, mark):
    with pymupdf.open() as document:
        page = document.new_page()
        page.insert_text((50, 100), "x", fontname="helv")
        page.insert_text((50, 120), "x", fontname="cour")
        of_symbols = next(number for number, _, _, name, *_ in page.get_fonts() if name == "Courier")
        document.update_object(of_symbols, f"<</Type/Font/Subtype/TrueType/BaseFont/{font}/Encoding/WinAnsiEncoding>>")
        drawn = f"BT /cour 12 Tf 50 700 Td ({code}) Tj /helv 12 Tf 20 0 Td (nets are mended) Tj ET"
        for contents in page.get_contents()[1:]:
            document.update_stream(contents, b" ")
        document.update_stream(page.get_contents()[0], drawn.encode())
        assert texts_of(document) == f"{mark} nets are mended"
