"""Words that are divided at the end of a line keep a hyphen of their own, and are whole across columns and pages."""

import pymupdf
import pytest

from ingest.pdf.document import parse_pdf
from ingest.pdf.hyphens import rejoin_hyphenated
from ingest.pdf.layout import Line, Paragraph
from ingest.pdf.structure import RawPage


def texts(*pages):
    """The texts of pages, of each of which the blocks of text are (x, y, text, size)."""
    with pymupdf.open() as document:
        for blocks in pages:
            page = document.new_page()
            for x, y, text, size in blocks:
                page.insert_text((x, y), text, fontsize=size)
        found, _, _ = parse_pdf(document.tobytes(), ocr=False)
        return [page.text for page in found]


@pytest.mark.parametrize(
    ("lines", "joined"),
    [
        (
            "the price-\ndetermining part. The price-determining part",
            "the price-determining part. The price-determining part",
        ),
        ("the price-\ndetermining part. Non-price-determining", "the price-determining part. Non-price-determining"),
        ("the Price-\ndetermining. A price-determining", "the Price-determining. A price-determining"),
        ("the price-\ndetermining part. The other", "the pricedetermining part. The other"),
        ("lists that are up-to-\ndate, vis-à-\nvis the others", "lists that are up-to-date, vis-à-vis the others"),
        ("an anti-inflamma-\ntory effect", "an anti-inflammatory effect"),
        ("turned to-\nwards the sea", "turned towards the sea"),
        ("freight- and ship-\nping costs", "freight- and shipping costs"),
        ("freight-\nand shipping costs, Vor-\nund Nachteile", "freight- and shipping costs, Vor- und Nachteile"),
        ("see www.example.org/what-\nnext for more", "see www.example.org/what-next for more"),
        ("the well-\nknown-to-all well-known man", "the well-known-to-all well-known man"),
        (
            "the state-\nof-the-art, an all-or-\nnothing, a day-\nto-day",
            "the state-of-the-art, an all-or-nothing, a day-to-day",
        ),
        ("a four-and-a-half-\nsecond delay", "a four-and-a-half-second delay"),
        ("an 18-\nyear-old, H2-\nreceptor", "an 18-year-old, H2-receptor"),
        ("undecanal or n-\ntridecanal, a t-\ntest", "undecanal or n-tridecanal, a t-test"),
        (
            "The plan is of a long-\nterm kind, the means are cost-\neffective and the men are inter-\ndependent.",
            "The plan is of a long-term kind, the means are cost-effective and the men are interdependent.",
        ),
        ("the DNA-\nbinding part", "the DNA-binding part"),
        ("copy-right of copy-\nright and copyright, copyright", "copy-right of copyright and copyright, copyright"),
        (
            "the well-\nknown one is known well, well known to the men and to the women of the sea",
            "the well-known one is known well, well known to the men and to the women of the sea",
        ),
        (
            "It is the avail-\nability that is the ability of the avail-\nability.",
            "It is the availability that is the ability of the availability.",
        ),
        (
            "Die Fundamental-\ngruppen sind Gruppen, fundamental und Gruppen, fundamental",
            "Die Fundamentalgruppen sind Gruppen, fundamental und Gruppen, fundamental",
        ),
    ],
)
def test_a_hyphen_is_kept_if_it_is_of_the_word(lines, joined):
    assert texts([(72, 100, lines, 11)]) == [joined]


def test_a_word_is_whole_across_pages_and_columns():
    page = [(72, 700, "and the committee found that the environ-", 11), (290, 800, "12", 9)]
    assert texts(page, [(72, 100, "mental damage was small.", 11)]) == [
        "and the committee found that the environmental\n\n12",
        "damage was small.",
    ]
    columns = [(72, 100, "the left column\nends with a lum-", 11), (320, 100, "berjack and so\nthe right one", 11)]
    assert texts(columns) == ["the left column ends with a lumberjack\n\nand so the right one"]


def test_a_hyphen_before_a_soft_hyphen_is_kept():
    line = Line(0, 0, 100, 10, "information. Cross-\u00ad", 10, False)
    paragraph = Paragraph(0, 0, 100, 20, [line, line._replace(text="sectional studies")])
    rejoin_hyphenated([RawPage(1, 800, "text", [paragraph])])
    assert paragraph.text == "information. Cross-sectional studies"


def test_a_heading_or_a_capital_after_a_hyphen_is_no_part_of_a_word():
    page = [(72, 700, "and the committee found that the environ-", 11)]
    for other in ((72, 100, "mental damage", 18), (72, 100, "Mental damage", 11)):
        assert texts(page, [other])[1] == other[2]


@pytest.mark.parametrize(
    ("lines", "joined"),
    [
        (
            "a web server (http://bio.example.org/\npredictions/create, last seen",
            "http://bio.example.org/predictions/create,",
        ),
        ("at https://tracker.exam\nple.org/doc/draft/ for all", "https://tracker.example.org/doc/draft/ for"),
        (
            "http://www.example.com/docs/pdf/\npdf_reference.html for all",
            "http://www.example.com/docs/pdf/pdf_reference.html",
        ),
        ("Harbour: www.example.org/en-US/\nGuide: www.example.com", "www.example.org/en-US/ Guide:"),
        ("see http://www.example.com/\nand the other pages", "http://www.example.com/ and the"),
    ],
)
def test_an_address_that_goes_on_in_the_next_line_is_whole(lines, joined):
    (text,) = texts([(60, 100 + 14 * number, line, 11) for number, line in enumerate(lines.split("\n"))])
    assert joined in text
