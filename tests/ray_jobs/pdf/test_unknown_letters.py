"""Letters without a Unicode value come from the embedded font, from OCR of their words, or are named as lost."""

import pymupdf
import pytest

from ingest.pdf import unknown_letters
from ingest.pdf.character_tables import characters_of, set_characters
from ingest.pdf.document import parse_pdf

TEXT = "The shadows \ufb02ee, and the \ufb01re is out."
PLAIN = "The shadows flee, and the fire is out."


def with_table(change, text=TEXT):
    """A PDF with an embedded font whose table of characters is changed."""
    with pymupdf.open() as document:
        page = document.new_page()
        page.insert_font(fontname="F0", fontbuffer=pymupdf.Font("tiro").buffer)
        page.insert_text((50, 100), text, fontname="F0")
        [(font, *_)] = page.get_fonts()
        set_characters(document, font, change(characters_of(document, font)))
        return document.tobytes()


def replaced(value):
    return lambda table: {code: value if text in ("\ufb01", "\ufb02") else text for code, text in table.items()}


def removed(table):
    return {code: text for code, text in table.items() if text not in ("\ufb01", "\ufb02")}


@pytest.fixture
def font_without_names(monkeypatch):
    """The program of the font says nothing about its glyphs, as in many subsets."""
    monkeypatch.setattr(unknown_letters, "_program", lambda document, font, glyphs: {})


@pytest.mark.parametrize("change", [removed, *map(replaced, ("\ufffd", "\ue003", "\0", "\uf001", " ", "f"))])
def test_a_letter_without_a_value_is_that_of_the_embedded_font(change):
    [page], _, metadata = parse_pdf(with_table(change), ocr=False)
    assert (page.text, metadata.get("partly_read")) == (PLAIN, None)


def test_a_font_without_a_table_has_the_letters_of_its_program():
    [page], _, _ = parse_pdf(with_table(lambda table: {}), ocr=False)
    assert page.text == PLAIN


@pytest.mark.usefixtures("font_without_names")
def test_other_letters_are_read_in_their_lines(monkeypatch):
    monkeypatch.setattr(unknown_letters, "read_line", lambda page, box: "The shadovvs flee,and the fire isout")
    [page], _, metadata = parse_pdf(with_table(removed))
    assert (page.text, page.kind, metadata.get("partly_read")) == (PLAIN, "text", None)


@pytest.mark.usefixtures("font_without_names")
def test_a_line_of_unknown_letters_alone_is_read(monkeypatch):
    monkeypatch.setattr(unknown_letters, "read_line", lambda page, box: "Annual report")
    with pymupdf.open() as document:
        page = document.new_page()
        page.insert_font(fontname="F0", fontbuffer=pymupdf.Font("tiro").buffer)
        page.insert_text((50, 100), "Annual report", fontname="F0")
        page.insert_text((50, 130), PLAIN * 4, fontsize=8)
        font = next(number for number, *_, reference, _ in page.get_fonts() if reference == "F0")
        set_characters(document, font, dict.fromkeys(characters_of(document, font), "\ufffd"))
        [page], _, metadata = parse_pdf(document.tobytes())
    assert page.text.startswith("Annual report")
    assert "partly_read" not in metadata


@pytest.mark.usefixtures("font_without_names")
def test_what_was_read_on_a_page_is_not_kept_for_the_next(monkeypatch):
    seen = iter(["The shadows flee, and the fire is out.", "...", "..."])
    monkeypatch.setattr(unknown_letters, "read_line", lambda page, box: next(seen))
    with pymupdf.open("pdf", with_table(removed)) as document:
        document.fullcopy_page(0)
        pages, _, metadata = parse_pdf(document.tobytes())
    assert [page.text for page in pages] == [PLAIN, "The shadows ee, and the re is out."]
    assert metadata["partly_read"] == "2 of its letters have no Unicode value"


@pytest.mark.usefixtures("font_without_names")
@pytest.mark.parametrize(
    ("text", "loss"),
    [
        (TEXT, "2 of its letters have no Unicode value, and OCR is off"),
        ("\ufb01re", "1 of its letters has no Unicode value, and OCR is off"),
        ("\ufb01 item", None),
    ],
)
def test_letters_within_words_are_named_as_lost_and_a_bullet_is_not(text, loss):
    _, _, metadata = parse_pdf(with_table(removed, text), ocr=False)
    assert metadata.get("partly_read") == loss


def test_the_names_of_glyphs_that_only_count_them_say_nothing():
    names = ("g161", "glyph12", "cid_7", "H11001", "a162", "12", ".notdef")
    assert all(unknown_letters._NUMBERED.fullmatch(name) for name in names[:-1])
    assert not any(unknown_letters._NUMBERED.fullmatch(name) for name in ("f_i", "uni0066", "a.smcp", "one"))


def test_ranges_of_a_table_count_up_or_name_each_text():
    with pymupdf.open() as document:
        table = document.get_new_xref()
        document.update_object(table, "<<>>")
        document.update_stream(
            table,
            b"2 beginbfrange <0003> <0005> <0041> <000a> <000b> [<00660069> <0078>] endbfrange "
            b"1 beginbfchar <01> <d835dc00> endbfchar",
        )
        font = document.get_new_xref()
        document.update_object(font, f"<</ToUnicode {table} 0 R>>")
        assert characters_of(document, font) == {3: "A", 4: "B", 5: "C", 10: "fi", 11: "x", 1: "\U0001d400"}
