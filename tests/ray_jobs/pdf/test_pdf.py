"""Text extraction from PDFs: files made here, and a corpus of good and bad real files where it is present."""

import contextlib

import pymupdf
import pytest

from ingest.common.errors import ObjectError
from ingest.pdf.document import parse_pdf
from ingest.pdf.layout import join_lines
from ingest.pdf.reader import iso_date


def pdf(*pages, font="helv", **save):
    """A PDF whose pages contain these texts, line by line."""
    with pymupdf.open() as document:
        for text in pages:
            page = document.new_page()
            if text:
                page.insert_text((72, 100), text, fontname=font, fontsize=11)
        return document.tobytes(**save)


def pages_of(data):
    return parse_pdf(data)[0]


def failure(data):
    with pytest.raises(ObjectError) as caught:
        parse_pdf(data)
    error = caught.value
    assert error.failure.stage == "parse"
    assert error.message.count("\n") == 0
    assert 10 < len(error.message) <= 500
    return error


def test_pages_count_from_one_and_include_those_without_text():
    pages = pages_of(pdf("one", "", "three"))
    assert [(page.number, page.text) for page in pages] == [(1, "one"), (2, ""), (3, "three")]


def test_the_lines_of_a_paragraph_become_one_line():
    (page,) = pages_of(pdf("The keeper climbs the\ntower at dusk and\ntrims the wick."))
    assert page.text == "The keeper climbs the tower at dusk and trims the wick."


def test_paragraphs_are_separated_by_a_blank_line():
    with pymupdf.open() as document:
        sheet = document.new_page()
        sheet.insert_text((72, 100), "First paragraph.\nIts second line.")
        sheet.insert_text((72, 300), "Second paragraph.")
        data = document.tobytes()
    (page,) = pages_of(data)
    assert page.text == "First paragraph. Its second line.\n\nSecond paragraph."


def test_a_hyphenated_word_is_joined():
    (page,) = pages_of(pdf("It was a great disap-\npointment for all."))
    assert page.text == "It was a great disappointment for all."


def test_a_hyphen_before_a_capital_is_kept():
    assert join_lines("the Anglo-\nSaxon ship") == "the Anglo-Saxon ship"


@pytest.mark.parametrize(
    ("lines", "joined"),
    [
        ("der Wert\u00ad\npapier\u00adindex", "der Wertpapierindex"),
        ("WERT\u00ad\nPAPIER", "WERTPAPIER"),
        ("Nord\u00ad\nSüd", "Nord-Süd"),
        ("հայե\u058a\nրեն", "հայերեն"),
    ],
)
def test_a_soft_hyphen_at_the_end_of_a_line_rejoins_the_word(lines, joined):
    assert join_lines(lines) == joined


def test_a_dash_at_the_end_of_a_line_is_kept():
    assert join_lines("pages 10-\n12 and so on -\nwith a dash") == "pages 10- 12 and so on - with a dash"


def test_chinese_lines_are_joined_without_a_space():
    (page,) = pages_of(pdf("云岭绿茶的冲泡\n水温是八十度。", font="china-s"))
    assert page.text == "云岭绿茶的冲泡水温是八十度。"


def test_a_line_break_between_chinese_and_english_becomes_a_space():
    assert join_lines("运行 Ray\n集群") == "运行 Ray 集群"


@pytest.mark.parametrize("character", ["\x00", "\x07", "\x10", "\x7f", "\x9f", "\ud800"])
def test_characters_that_no_text_field_can_store_are_dropped(character):
    assert join_lines(f"a{character}b") == "ab"


@pytest.mark.parametrize(
    ("shape", "letters"),
    [
        ("eﬃcient ﬁles", "efficient files"),
        ("o\x1ece of the \x1crst", "office of the first"),
        ("⽂⾔", "文言"),
        ("电⼦子科技⼤大学⽣生⽣生", "电子科技大学生生"),
        ("ﻻ", "لا"),
    ],
    ids=["ligatures", "LaTeX", "radicals", "radicals and characters", "arabic"],
)
def test_compatibility_characters_become_ordinary_letters(shape, letters):
    assert join_lines(shape) == letters


@pytest.mark.parametrize(
    ("said", "date"),
    [
        ("D:20200102030405+05'30'", "2020-01-02T03:04:05+05:30"),
        ("D:20200102030405Z", "2020-01-02T03:04:05+00:00"),
        ("D:2020", "2020-01-01T00:00:00"),
        ("20200102", "2020-01-02T00:00:00"),
        ("D:20201399", ""),
        ("yesterday", ""),
    ],
)
def test_dates_become_iso_8601(said, date):
    assert iso_date(said) == date


def test_an_encrypted_pdf_is_refused():
    data = pdf("secret", encryption=pymupdf.PDF_ENCRYPT_AES_256, user_pw="reader", owner_pw="owner")
    assert failure(data).failure == "Encrypted"


def test_a_pdf_with_an_owner_password_only_is_read():
    data = pdf("open to all", encryption=pymupdf.PDF_ENCRYPT_AES_256, user_pw="", owner_pw="owner")
    assert [page.text for page in pages_of(data)] == ["open to all"]


def test_an_empty_file_is_refused():
    assert failure(b"").failure == "Empty"


@pytest.mark.parametrize(
    "data",
    [b"<html><body>Not found</body></html>", b"%PDF-1.7\n", pdf("cut", "off")[:120]],
    ids=["html", "header", "truncated"],
)
def test_a_file_without_a_page_is_refused(data):
    assert failure(data).failure in ("NotAPdf", "NoPages", "Damaged")


def test_html_is_no_pdf():
    assert failure(b"<html><body>Not found</body></html>").failure == "NotAPdf"


def test_a_truncated_pdf_is_called_truncated():
    for data in (b"%PDF-1.7\n", pdf("cut", "off")[:120]):
        assert "truncated" in failure(data).message


def test_a_pdf_without_pages_is_refused():
    data = (
        b"%PDF-1.4\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj\n2 0 obj<</Type/Pages/Kids[]/Count 0>>endobj\n"
        b"trailer<</Root 1 0 R/Size 3>>\n%%EOF\n"
    )
    assert failure(data).failure == "NoPages"


def test_mupdf_prints_nothing(capfd):
    for data in (pdf("one", "two")[:-300], b"%PDF-1.7\n<<garbage>>"):
        with contextlib.suppress(ObjectError):
            parse_pdf(data)
    assert capfd.readouterr() == ("", "")


@pytest.mark.nightly
def test_all_good_files_of_the_corpus_are_parsed(corpus):
    files = sorted(corpus.glob("pdf/*/*.pdf"))
    assert len(files) == 130
    pages = [page for file in files for page in parse_pdf(file.read_bytes(), ocr=False)[0]]
    assert len(pages) == 1955
    assert sum(bool(page.text) for page in pages) > 1700


@pytest.mark.nightly
def test_every_bad_file_of_the_corpus_is_parsed_or_fails_with_an_object_error(corpus):
    files = sorted(corpus.glob("bad/pdf/*.pdf"))
    assert len(files) > 40
    types = {}
    for file in files:
        try:
            parse_pdf(file.read_bytes(), ocr=False)
        except ObjectError as error:
            types[file.name] = error.failure
            assert "\n" not in error.message
    assert set(types.values()) <= {"Empty", "NotAPdf", "Encrypted", "NoPages", "Damaged"}
    assert types["zero.pdf"] == "Empty"
    assert types["enc_pypdf__resources__encryption__r4-aes-user-password.pdf"] == "Encrypted"
    assert "bomb_2400dpi.pdf" not in types
