"""Text whose letters are those of another code page than its font declares."""

import pymupdf
import pytest

from ingest.pdf.document import parse_pdf

RUSSIAN = [
    "Температура каплепадения и первая капля",
    "Испытание проводят с помощью прибора, приведённого ниже",
]
GREEK = ["Η επιτροπή συνεδρίασε την τρίτη Μαρτίου", "Όλα τα μέλη ήταν παρόντα εκτός από τον ταμία"]
HEBREW = ["הישיבה נפתחה בשעה תשע", "כל החברים היו נוכחים"]
FRENCH = ["L'été dernier, l'Académie a créé où même à côté", "Déjà prête, la règle a été gênée près d'Orléans"]


def text_of(lines, encoding, font="/Encoding/WinAnsiEncoding", table=None):
    """The text of lines whose bytes are written in a code page, in a font that declares another."""
    with pymupdf.open() as document:
        page = document.new_page()
        page.insert_text((50, 100), "x", fontname="helv")
        number = page.get_fonts()[0][0]
        document.update_object(number, f"<</Type/Font/Subtype/TrueType/BaseFont/ABCDEF+TimesET{font}>>")
        shown = b" ".join(b"<%s> Tj T*" % line.encode(encoding).hex().encode() for line in lines)
        document.update_stream(page.get_contents()[0], b"BT /helv 12 Tf 15 TL 50 700 Td " + shown + b" ET")
        (read,), _, _ = parse_pdf(document.tobytes(), ocr=False)
        return " ".join(read.text.split())


@pytest.mark.parametrize(
    ("lines", "encoding", "font"),
    [
        (RUSSIAN, "cp1251", "/Encoding/WinAnsiEncoding"),
        (RUSSIAN, "koi8_r", "/Encoding/WinAnsiEncoding"),
        (RUSSIAN, "mac_cyrillic", "/Encoding/MacRomanEncoding"),
        (GREEK, "cp1253", "/Encoding/WinAnsiEncoding"),
    ],
)
def test_letters_of_another_code_page_are_read_as_they_are_shown(lines, encoding, font):
    assert text_of(lines, encoding, font) == " ".join(lines)


def test_hebrew_letters_of_its_code_page_are_read():
    mirrored = [line[::-1] for line in HEBREW]  # drawn from left to right, as the page shows them
    assert sorted(text_of(mirrored, "cp1255").split()) == sorted(" ".join(HEBREW).split())


def test_letters_are_read_that_the_names_of_their_glyphs_declare():
    names = "/Encoding<</Differences[1/Icircumflex/ograve/adieresis/aring/edieresis]>>"
    words = bytes([1, 2, 3, 4, 5])  # "Îòäåë", which is "Отдел" (department)
    with pymupdf.open() as document:
        page = document.new_page()
        page.insert_text((50, 100), "x", fontname="helv")
        font = f"<</Type/Font/Subtype/TrueType/BaseFont/ABCDEF+TimesET{names}>>"
        document.update_object(page.get_fonts()[0][0], font)
        shown = b"BT /helv 12 Tf 50 700 Td <%s> Tj ET" % b"20".join([words.hex().encode()] * 4)
        document.update_stream(page.get_contents()[0], shown)
        (read,), _, _ = parse_pdf(document.tobytes(), ocr=False)
    assert read.text == "Отдел Отдел Отдел Отдел"


def test_french_keeps_its_accents():
    assert text_of(FRENCH, "cp1252") == " ".join(FRENCH)


def test_english_words_in_the_same_font_stay():
    lines = [*RUSSIAN, "by the method of John Smith, 2019"]
    assert text_of(lines, "cp1251") == " ".join(lines)


def test_letters_whose_bytes_are_swapped_are_read():
    entries = "\n".join(f"<{code:02x}> <{code:02x}00>" for code in range(32, 127))
    table = f"1 begincodespacerange <00> <ff> endcodespacerange 95 beginbfchar\n{entries}\nendbfchar"
    with pymupdf.open() as document:
        page = document.new_page()
        page.insert_text((50, 100), "Multicolor black, pure magenta", fontname="helv")
        number = document.get_new_xref()
        document.update_object(number, "<<>>")
        document.update_stream(number, table.encode())
        document.xref_set_key(page.get_fonts()[0][0], "ToUnicode", f"{number} 0 R")
        (read,), _, _ = parse_pdf(document.tobytes(), ocr=False)
    assert read.text == "Multicolor black, pure magenta"
