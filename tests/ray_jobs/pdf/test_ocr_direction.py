"""OCR reads a page in the direction of most of its lines, and the other lines in their own."""

from io import BytesIO

import numpy as np
import pymupdf
import pytest
from PIL import Image

from ingest.pdf.chunking import ChunkSettings, chunk_pages
from ingest.pdf.document import parse_pdf
from long_pdf import tokenizer_json

pytestmark = pytest.mark.tier("parts")  # by the OCR model, which is real

LINES = [
    "barrels master in lower should lodging repairs harbour than with lower",
    "new its outer than that repairs vessel master than than outer eastern master herring",
    "to and council wrote and lower a lodging when autumn storm council mole",
]
"""Lines of which RapidOCR's classifier says that they are upside down."""


def scan(draw, rotation, width=620, height=110):
    """A PDF with an image of the page that `draw` draws."""
    with pymupdf.open() as paper, pymupdf.open() as document:
        sheet = paper.new_page(width=width, height=height)
        draw(sheet)
        turned = rotation % 180 == 90
        page = document.new_page(width=height if turned else width, height=width if turned else height)
        page.insert_image(page.rect, pixmap=sheet.get_pixmap(dpi=150), rotate=rotation)
        return document.tobytes()


def inked(data):
    """The part of the page that is not white, in points."""
    with pymupdf.open(stream=data) as document:
        picture = document[0].get_pixmap(colorspace=pymupdf.csGRAY)
    dark = np.argwhere(np.frombuffer(picture.samples, np.uint8).reshape(picture.h, picture.w) < 128)
    return [*dark.min(0)[::-1], *dark.max(0)[::-1]]


@pytest.mark.parametrize(
    "rotation", [90, *(pytest.param(rotation, marks=pytest.mark.nightly) for rotation in (0, 180, 270))]
)
def test_the_boxes_of_a_scan_are_where_its_lines_are_shown(rotation):
    """The lines of the two paragraphs differ in place and length, so that no turn of one is the other."""
    texts = {(30, 50): "The catch of the northern fleet", (120, 170): "in the years after the great storm of May"}

    def drawn(page, places=tuple(texts)):
        for place in places:
            page.insert_text(place, texts[place], fontsize=14)

    pages, _, _ = parse_pdf(scan(drawn, rotation, 520, 220))
    chunks = list(chunk_pages(pages, tokenizer_json(), ChunkSettings(9, 0)))
    assert [chunk.text for chunk in chunks] == list(texts.values())
    for place, chunk in zip(texts, chunks, strict=True):
        [box] = chunk.metadata["place"]["boxes"]
        assert box == pytest.approx(inked(scan(lambda page, of=place: drawn(page, [of]), rotation, 520, 220)), abs=8)


def text_of(data):
    [page], _, _ = parse_pdf(data)
    return page.text


@pytest.mark.nightly
@pytest.mark.parametrize("rotation", [0, 180])
def test_long_lines_are_read_upright_and_upside_down(rotation):
    def long_lines(page):
        for number, line in enumerate(LINES):
            page.insert_text((20, 35 + 22 * number), line, fontsize=14)

    assert text_of(scan(long_lines, rotation)) == " ".join(LINES)


@pytest.mark.parametrize("degrees", [3, -3])
def test_the_lines_of_a_skewed_scan_are_read_in_their_order(degrees):
    """The last line of a paragraph is shorter, so that its middle lies higher or lower than its neighbour's."""
    lines = [*LINES[:2], "autumn storm", *LINES[2:], "herring mole"]

    def paragraphs(page):
        for number, line in enumerate(lines):
            page.insert_text((60, 60 + 16 * number), line, fontsize=11)

    with pymupdf.open(stream=scan(paragraphs, 0, 560, 180)) as document, pymupdf.open() as skewed:
        page = skewed.new_page(width=560, height=180)
        page.insert_image(page.rect, stream=turned(document[0], degrees))
        assert text_of(skewed.tobytes()) == " ".join(lines)


def turned(page, degrees):
    """A PNG of a page, turned about its middle."""
    picture = page.get_pixmap(dpi=150)
    image = Image.frombytes("RGB", (picture.width, picture.height), picture.samples)
    kept = BytesIO()
    image.rotate(degrees, Image.Resampling.BICUBIC, fillcolor="white").save(kept, "PNG")
    return kept.getvalue()


def test_labels_in_other_directions_are_read_on_an_upright_page():
    def labelled(page):
        page.insert_text((60, 40), "The catch of the northern fleet", fontsize=14)
        page.insert_text((60, 60), "in the years after the great storm", fontsize=14)
        page.insert_text((30, 175), "Thousands of fish", fontsize=13, rotate=90)
        page.insert_text((380, 25), "Barrels", fontsize=13, rotate=270)
        page.insert_text((250, 150), "upside down label", fontsize=13, rotate=180)

    text = text_of(scan(labelled, 0, 420, 200))
    for label in (
        "The catch of the northern fleet",
        "Thousands of fish",
        "Barrels",
        "upside down label",
    ):
        assert label in text
