"""Text is no part of a page if a box is painted over it that hides it."""

import pymupdf
import pytest

from ingest.pdf.document import parse_pdf

SENTENCE = "Witness Jonathan Abernathy saw the ship at nine."
LAST = "The ship left the harbour at ten."


@pytest.fixture
def page():
    with pymupdf.open() as document:
        yield document.new_page()


def read(page):
    [parsed], _, _ = parse_pdf(page.parent.tobytes(), ocr=False)
    return parsed.text


def place(page, text):
    return page.search_for(text)[0]


@pytest.mark.parametrize("colour", [(0, 0, 0), (1, 1, 1)], ids=["black", "white"])
@pytest.mark.parametrize("margin", [0, -2], ids=["box of the glyphs", "box of the letters"])
def test_text_under_a_box_is_left_out(page, colour, margin):
    page.insert_text((50, 100), SENTENCE)
    x0, y0, x1, y1 = place(page, "Jonathan Abernathy")
    page.draw_rect((x0, y0 - margin, x1, y1 + margin), color=None, fill=colour)
    page.insert_text((50, 150), LAST)
    assert " ".join(read(page).split()) == f"Witness saw the ship at nine. {LAST}"


def test_text_on_the_box_replaces_the_text_below(page):
    page.insert_text((50, 100), "The price is 100 guineas")
    box = place(page, "100 guineas")
    page.draw_rect(box, color=None, fill=(1, 1, 1))
    page.insert_text((box.x0, 100), "250 crowns")
    page.insert_text((50, 150), LAST)
    text = read(page)
    assert "250 crowns" in text and "guineas" not in text and "1" not in text


def test_text_under_the_box_of_a_form_is_left_out(page):
    page.insert_text((50, 100), SENTENCE)
    page.insert_text((50, 150), LAST)
    with pymupdf.open() as overlay:
        overlay.new_page().draw_rect(place(page, "Jonathan Abernathy"), color=None, fill=(0, 0, 0))
        page.show_pdf_page(page.rect, overlay, 0)
    assert "Jonathan" not in read(page)


def highlight(page, box):
    page.add_highlight_annot(box)


def shade(page, box):
    page.draw_rect(box, color=None, fill=(1, 1, 0), fill_opacity=0.4)


def outline(page, box):
    page.draw_rect(box, color=(1, 0, 0))


def clipped(page, box):
    page.clean_contents()
    [xref] = page.get_contents()
    drawn = b"q 0 0 20 20 re W n 0 g 0 0 600 840 re f Q"
    page.parent.update_stream(xref, page.parent.xref_stream(xref) + drawn)


def underline(page, box):
    page.draw_rect((box.x0, box.y1 - 3, box.x1, box.y1), color=None, fill=(0, 0, 0))


@pytest.mark.parametrize("mark", [highlight, shade, outline, clipped, underline])
def test_text_that_shows_under_a_mark_is_kept(page, mark):
    page.insert_text((50, 100), SENTENCE)
    page.insert_text((50, 150), LAST)
    mark(page, place(page, "Jonathan Abernathy"))
    assert read(page).split() == [*SENTENCE.split(), *LAST.split()]


def test_text_on_the_grounds_of_cells_is_kept(page):
    for row in range(4):
        page.draw_rect((50, 80 + 20 * row, 300, 100 + 20 * row), color=None, fill=(0.8, 0.9, 0.8))
        page.insert_text((54, 95 + 20 * row), f"berth {row}")
    assert "berth 0" in read(page) and "berth 3" in read(page)


def test_a_text_layer_below_a_page_that_is_painted_over_is_kept(page):
    page.insert_text((50, 100), SENTENCE)
    page.draw_rect(page.rect, color=None, fill=(1, 1, 1))
    assert "Jonathan" in read(page)


def test_text_that_is_drawn_again_on_the_box_at_the_same_place_is_kept(page):
    page.insert_text((50, 100), SENTENCE)
    page.draw_rect(place(page, "Jonathan Abernathy"), color=None, fill=(1, 1, 0))
    page.insert_text((50, 100), SENTENCE)
    page.insert_text((50, 150), LAST)
    assert " ".join(read(page).split()) == f"{SENTENCE} {LAST}"
