"""The text and the figures of a page are those that it shows, wherever its boxes are and however it is turned."""

import pymupdf
import pytest

from ingest.pdf.document import parse_pdf

BOXES = {  # a crop box on an A4 page, and the lines that it shows, of which line k is k * 40 points from the top
    "all of the page": (None, range(1, 21)),
    "a frame": ("[80 100 515 740]", range(3, 19)),
    "the upper half": ("[0 421 595 842]", range(1, 11)),
    "the lower half": ("[0 0 595 430]", range(11, 21)),
    "larger than the page": ("[-50 -40 700 900]", range(1, 21)),
    "partly beside the page": ("[-50 430 400 900]", range(1, 11)),
    "wholly beside the page": ("[1000 1000 1200 1200]", range(1, 21)),
    "empty": ("[0 0 0 0]", range(1, 21)),
}


def sheet(crop, rotation, *, origin=(0, 0), unit=None, inherited=False):
    """A PDF of one page with lines of text and a red square beside line 8."""
    with pymupdf.open() as document:
        page = document.new_page(width=595, height=842)
        for number in range(1, 21):
            page.insert_text((100, number * 40 + 3), f"Number{number} of the lines", fontsize=11)
        page.draw_rect((300, 285, 380, 365), color=(1, 0, 0), fill=(1, 0, 0))
        page.draw_circle((340, 325), 35, color=(0, 0, 0))
        page.draw_circle((340, 325), 20, color=(0, 0, 0))
        if any(origin):
            x, y = origin
            document.xref_set_key(page.xref, "MediaBox", f"[{x} {y} {x + 595} {y + 842}]")
            first, last = page.get_contents()[0], page.get_contents()[-1]
            document.update_stream(first, b"q 1 0 0 1 %d %d cm\n" % origin + document.xref_stream(first))
            document.update_stream(last, document.xref_stream(last) + b"\nQ")
            if crop:
                x0, y0, x1, y1 = map(int, crop.strip("[]").split())
                crop = f"[{x0 + x} {y0 + y} {x1 + x} {y1 + y}]"
        if unit:
            document.xref_set_key(page.xref, "UserUnit", str(unit))
        place = int(document.xref_get_key(page.xref, "Parent")[1].split()[0]) if inherited else page.xref
        if crop:
            document.xref_set_key(place, "CropBox", crop)
        if rotation:
            document.xref_set_key(place, "Rotate", str(rotation))
        return document.tobytes()


def numbers(data):
    [page], _, _ = parse_pdf(data, ocr=False)
    return [int(word.removeprefix("Number")) for word in page.text.split() if word.startswith("Number")]


@pytest.mark.parametrize("rotation", [0, 90, 180, 270, -90])
@pytest.mark.parametrize(("crop", "shown"), BOXES.values(), ids=BOXES)
def test_a_turned_page_has_the_text_that_its_crop_box_shows(crop, shown, rotation):
    assert numbers(sheet(crop, rotation)) == list(shown)


@pytest.mark.parametrize(
    "odd",
    [{"origin": (-100, 50)}, {"origin": (200, 300)}, {"unit": 2}, {"inherited": True}],
    ids=["origin below zero", "origin above zero", "user unit", "inherited"],
)
@pytest.mark.parametrize("rotation", [90, 180, 270])
def test_neither_the_origin_nor_the_unit_nor_an_inherited_box_changes_that(rotation, odd):
    crop, shown = BOXES["a frame"]
    assert numbers(sheet(crop, rotation, **odd)) == list(shown)


@pytest.mark.parametrize("unit", [None, 2])
@pytest.mark.parametrize("rotation", [0, 90, 180, 270])
def test_a_figure_of_a_turned_and_cropped_page_is_the_part_that_shows_it(rotation, unit):
    _, [figure], _ = parse_pdf(sheet("[80 100 515 740]", rotation, unit=unit), ocr=False, figures=True)
    colours = pymupdf.Pixmap(figure.image)
    width, height = figure.width, figure.height
    corners = [(width // 8, height // 8), (7 * width // 8, height // 8), (width // 8, 7 * height // 8)]
    assert all(red > 200 and green < 60 for red, green, _ in (colours.pixel(*corner) for corner in corners))
