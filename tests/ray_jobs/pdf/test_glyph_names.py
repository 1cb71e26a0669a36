"""Ligatures that have only the name of a glyph are all of their letters."""

import pymupdf
import pytest

from ingest.pdf import glyph_names
from ingest.pdf.document import parse_pdf


def shown(differences, text, extra=""):
    """The text of a page in a font with an encoding of its own."""
    with pymupdf.open() as document:
        page = document.new_page()
        page.insert_text((50, 100), "x", fontname="helv")
        [(font, *_)] = page.get_fonts()
        base = "/Type/Font/Subtype/Type1/BaseFont/Helvetica"
        document.update_object(font, f"<<{base}/Encoding<</BaseEncoding/WinAnsiEncoding/Differences[{differences}]>>>>")
        if extra:
            table = document.get_new_xref()
            document.update_object(table, "<<>>")
            document.update_stream(table, extra.encode())
            document.xref_set_key(font, "ToUnicode", f"{table} 0 R")
        document.update_stream(page.get_contents()[0], b"BT /helv 12 Tf 50 700 Td (" + text + b") Tj ET")
        [page], _, _ = parse_pdf(document.tobytes(), ocr=False)
        return page.text


@pytest.mark.parametrize(
    ("name", "letters"),
    [
        ("T_h", "Th"),
        ("c_t", "ct"),
        ("f_f_t", "fft"),
        ("T#5fh", "Th"),
        ("f_f_i.alt", "ffi"),
        ("longs_t", "st"),
        ("uni00660069", "fi"),
        ("uni0066_uni0074", "ft"),
        ("a.smcp", "a"),
        ("Asmall", "a"),
        ("oneoldstyle", "1"),
        ("fi", "fi"),
    ],
)
def test_a_glyph_is_the_letters_of_its_name(name, letters):
    assert shown(f"65/A 131 /bullet/{name}/fi", b"o\\204o \\205 A") == f"o{letters}o fi A"


def test_a_name_with_an_unknown_part_and_a_font_with_a_table_are_left_alone():
    table = (
        "/CIDInit /ProcSet findresource begin 12 dict begin begincmap 1 begincodespacerange <00> <ff> "
        "endcodespacerange 1 beginbfchar <84> <0058> endbfchar endcmap end end"
    )
    assert shown("132/T_h", b"o\\204o", table) == "oXo"
    assert shown("132/g_12345", b"o\\204o") == "ogo"


@pytest.mark.parametrize("font", ["<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>", "999 0 R", "[1 2]", "null"])
def test_a_font_that_is_no_object_of_its_own_or_none_at_all_costs_nothing(font):
    with pymupdf.open() as document:
        page = document.new_page()
        page.insert_text((50, 100), "The lamp is lit.", fontname="helv")
        document.xref_set_key(page.xref, "Resources/Font", f"<</helv {font}>>")
        [page], _, metadata = parse_pdf(document.tobytes(), ocr=False)
    assert (page.text, metadata.get("partly_read")) == ("The lamp is lit.", None)


def program(names, *kinds):
    """A TrueType font that consists of its table of names, and of tables of characters for platforms and encodings."""
    characters = bytes([0, 0, 0, len(kinds)]) + b"".join(bytes([0, kind, 0, code, 0, 0, 0, 0]) for kind, code in kinds)
    tables = [(b"cmap", characters), (b"post", bytes([0, names, 0, 0]))]
    head = bytes([0, 1, 0, 0, 0, len(tables)]) + bytes(6)
    start = len(head) + 16 * len(tables)
    for tag, content in tables:
        head += tag + bytes(4) + start.to_bytes(4) + len(content).to_bytes(4)
        start += len(content)
    return head + b"".join(content for _, content in tables)


def test_a_font_of_the_macintosh_has_its_table_alone_and_no_names():
    assert glyph_names._is_macintosh(program(3, (1, 0)))
    others = [program(2, (1, 0)), program(3, (3, 0)), program(3, (1, 0), (3, 1)), program(3), b"", b"junk" * 9]
    assert not any(map(glyph_names._is_macintosh, others))


def test_the_letters_of_such_a_font_are_those_of_the_macintosh(monkeypatch):
    monkeypatch.setattr(glyph_names, "_is_macintosh", lambda program: True)
    with pymupdf.open() as document:
        page = document.new_page()
        page.insert_text((50, 100), "x", fontname="helv")
        [(font, *_)] = page.get_fonts()
        document.update_object(font, "<</Type/Font/Subtype/TrueType/BaseFont/Helvetica>>")
        document.update_stream(page.get_contents()[0], b"BT /helv 12 Tf 50 700 Td (\\322\\336nd, don\\325t\\323) Tj ET")
        [page], _, _ = parse_pdf(document.tobytes(), ocr=False)
    assert page.text == "\u201cfind, don\u2019t\u201d"


TABLE = (
    b"/CIDInit /ProcSet findresource begin 12 dict begin begincmap 1 begincodespacerange <00> <ff> endcodespacerange "
    b"%d beginbfchar %s endbfchar endcmap end end"
)


def pdf_with_table(texts, differences="/ffi /fi /f_f_i"):
    """A page in a font with ligatures at the codes from 1, for which its table has these texts."""
    characters = {code: chr(code) for code in range(32, 127)} | dict(enumerate(texts, 1))
    entries = [b"<%02x> <%s>" % (code, text.encode("utf-16-be").hex().encode()) for code, text in characters.items()]
    with pymupdf.open() as document:
        page = document.new_page()
        page.insert_text((60, 60), "x", fontname="tiro")
        font = page.get_fonts()[0][0]
        table = document.get_new_xref()
        document.update_object(table, "<<>>")
        document.update_stream(table, TABLE % (len(entries), b" ".join(entries)))
        encoding = f"<</Type/Encoding/BaseEncoding/WinAnsiEncoding/Differences[1 {differences}]>>"
        document.xref_set_key(font, "Encoding", encoding)
        document.xref_set_key(font, "ToUnicode", f"{table} 0 R")
        shown = b"BT /tiro 11 Tf 60 700 Td (The o\\001ce of \\002nance, an e\\003cient one) Tj ET"
        document.update_stream(page.get_contents()[0], shown)
        return document.tobytes()


@pytest.mark.parametrize("texts", [" " * 3, "fff", "iii", ["ffi", "fi", "ffi"]])
def test_a_ligature_that_is_mapped_to_a_space_or_to_one_of_its_letters_has_all_of_them(texts):
    [page], _, _ = parse_pdf(pdf_with_table(texts), ocr=False)
    assert page.text == "The office of finance, an efficient one"


def test_a_name_that_the_table_contradicts_with_another_letter_is_not_believed():
    [page], _, _ = parse_pdf(pdf_with_table("xyz"), ocr=False)
    assert page.text == "The oxce of ynance, an ezcient one"


def test_a_ligature_whose_name_mupdf_does_not_know_has_its_letters():
    [page], _, _ = parse_pdf(pdf_with_table(["h", "fi", "ffi"], "/T_h /fi /f_f_i"), ocr=False)
    assert page.text == "The oThce of finance, an efficient one"
