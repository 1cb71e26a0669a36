"""Vector figures: charts and diagrams are figures; tables, rules, boxes around text and decoration are not."""

import pymupdf
import pytest

from ingest.pdf.document import parse_pdf
from ingest.pdf.drawings import MAX_PAGE_SEGMENTS
from ingest.pdf.figures import MAX_DOCUMENT_SEGMENTS

PROSE = "The keeper climbs the tower at dusk and trims the wick before the lamp is lit, and writes it into the log. "
HEIGHTS = (30, 55, 80, 70, 95, 40)


def figures_of(document):
    return parse_pdf(document.tobytes(), ocr=False, figures=True)[1]


def bbox_of(figure):
    return pymupdf.Rect(figure.metadata["bbox"])


def draw_text(page, top=60):
    assert page.insert_textbox((60, top, 535, top + 120), PROSE * 4, fontsize=11) >= 0


def draw_bars(page, left=100, top=300, heights=HEIGHTS):
    """A bar chart: the axis from `left` to `left + 240`, 120 points below `top`, and labels below it."""
    page.draw_line((left, top + 120), (left + 240, top + 120))
    for number, height in enumerate(heights):
        x = left + 10 + 38 * number
        page.draw_rect((x, top + 120 - height, x + 24, top + 120), fill=(0.2, 0.4, 0.7))
        page.insert_text((x + 2, top + 131), f"198{number}", fontsize=8)


def draw_picture(page):
    pixels = bytes((5 * x + 3 * y) % 256 for y in range(100) for x in range(250) for _ in range(3))
    page.insert_image((95, 322, 345, 422), pixmap=pymupdf.Pixmap(pymupdf.csRGB, 250, 100, pixels, False))


def draw_table(page):
    for row in range(6):
        for column in range(4):
            x, y = 80 + 110 * column, 200 + 24 * row
            page.draw_rect((x, y, x + 110, y + 24), fill=(0.8, 0.8, 0.8) if row == 0 else None)
            page.insert_text((x + 6, y + 16), f"value {row} {column}", fontsize=10)


def draw_sparse_table(page):
    """A table with half of its cells empty and rows of different heights."""
    top = 200
    for row in range(8):
        bottom = top + 20 + 3 * row
        for column in range(4):
            page.draw_rect((80 + 110 * column, top, 190 + 110 * column, bottom))
            if (row + column) % 2:
                page.insert_text((86 + 110 * column, top + 14), f"value {row} {column}", fontsize=10)
        for column in range(2):
            page.insert_text((86 + 110 * column, top + 14), f"{row}", fontsize=10)
        top = bottom


def draw_form(page):
    """A form with empty cells, which is no table."""
    for row in range(12):
        for column in range(3):
            page.draw_rect((80 + 140 * column, 200 + 24 * row, 220 + 140 * column, 224 + 24 * row))


def draw_underlines(page):
    for row in range(8):
        page.insert_text((80, 220 + 12 * row), PROSE[:70], fontsize=9)
        page.draw_line((80, 222 + 12 * row), (240 + 20 * row, 222 + 12 * row))


def draw_text_box(page):
    page.draw_rect((70, 200, 520, 330), radius=0.1, fill=(1, 0.95, 0.8))
    assert page.insert_textbox((80, 210, 510, 320), PROSE * 4, fontsize=12) >= 0
    for number in range(5):
        page.draw_circle((90 + 20 * number, 322), 5)


def draw_note(page):
    """A box with a line of text and an icon."""
    page.draw_rect((70, 200, 520, 320), radius=0.2, fill=(1, 0.95, 0.8))
    page.insert_text((130, 264), PROSE[:70], fontsize=12)
    page.draw_circle((100, 260), 20, fill=(0.9, 0.7, 0.1))


def draw_tip(page):
    """A box with a sentence and two icons."""
    draw_note(page)
    page.insert_text((130, 284), PROSE[:70], fontsize=12)
    page.draw_circle((100, 300), 10, fill=(0.1, 0.7, 0.9))


def draw_page_frame(page):
    page.draw_rect((10, 10, 585, 832))
    for x in (10, 585):
        for y in (10, 832):
            page.draw_circle((x, y), 6)


def draw_column_rule(page):
    """Icons along a rule between columns."""
    page.draw_line((297, 60), (297, 590))
    for number in range(7):
        page.draw_circle((275, 100 + 70 * number), 14)
        page.draw_circle((320, 100 + 70 * number), 14)


def draw_header(page):
    page.draw_rect((0, 0, 595, 110), fill=(0.1, 0.2, 0.5))
    for number in range(12):
        page.draw_circle((40 + 45 * number, 50), 18, fill=(0.9, 0.7, 0.1))


def draw_logo(page):
    for number in range(3):
        page.draw_circle((440 + 25 * number, 200), 40, fill=(0.2 * number, 0.5, 0.5))


def draw_on_white(page):
    page.draw_circle((300, 400), 90, color=None, fill=(1, 1, 1))
    page.draw_bezier((200, 300), (250, 500), (350, 500), (400, 300), color=(1, 1, 1))


def write(page, content):
    """Replace the content of a page by raw operators."""
    document = page.parent
    xref = document.get_new_xref()
    document.update_object(xref, "<<>>")
    document.update_stream(xref, content)
    document.xref_set_key(page.xref, "Contents", f"{xref} 0 R")


def test_a_bar_chart_is_a_figure_with_its_labels():
    with pymupdf.open() as document:
        draw_text(document.new_page())
        page = document.new_page()
        draw_text(page)
        draw_bars(page)
        (figure,) = figures_of(document)
    assert figure.page == 2
    assert (pymupdf.Rect(100, 325, 340, 432) in bbox_of(figure)) and bbox_of(figure) in pymupdf.Rect(85, 310, 355, 440)


def test_a_line_of_steps_is_a_plot():
    steps = b"".join(b"%d %d l %d %d l " % (x, x + 180, x, x + 200) for x in range(120, 340, 20))
    with pymupdf.open() as document:
        write(document.new_page(), b"100 300 m 400 300 l S 100 300 m " + steps + b"S")
        assert len(figures_of(document)) == 1


def test_a_diagram_includes_boxes_drawn_from_right_to_left():
    """Word processors write boxes like this; without them, the figure would consist of the arrows."""
    boxes = b"".join(b"%d 500 m %d 500 l %d 560 l %d 560 l h S " % (x, x - 90, x - 90, x) for x in (190, 340, 490))
    arrows = b"".join(b"%d 530 m %d 490 l S %d 490 m %d 530 l S " % (x, x + 30, x + 30, x + 60) for x in (190, 340))
    with pymupdf.open() as document:
        write(document.new_page(), boxes + arrows)
        (figure,) = figures_of(document)
    assert pymupdf.Rect(100, 282, 490, 342) in bbox_of(figure)


def test_a_plot_ends_at_its_clipping_path():
    with pymupdf.open() as document:
        page = document.new_page()
        write(page, b"q 100 400 200 150 re W n 0 0 m 200 900 300 100 500 800 c S 0 500 m 500 300 l S Q")
        (figure,) = figures_of(document)
    assert bbox_of(figure) in pymupdf.Rect(95, 285, 305, 450)


@pytest.mark.parametrize("rotation", [90, 180, 270])
@pytest.mark.parametrize("draw", [draw_bars, draw_picture])
def test_a_figure_on_a_rotated_page_is_at_its_visible_position(draw, rotation):
    with pymupdf.open() as document:
        page = document.new_page()
        draw(page)
        page.set_rotation(rotation)
        (figure,) = figures_of(document)
        seen = pymupdf.Rect(100, 325, 340, 420) * page.rotation_matrix
    assert seen in bbox_of(figure)
    assert (figure.height > figure.width) == (rotation != 180)


def test_distant_drawings_are_separate_figures():
    with pymupdf.open() as document:
        page = document.new_page()
        draw_bars(page)
        draw_text(page, 460)
        draw_bars(page, top=600, heights=HEIGHTS[::-1])
        assert [figure.metadata["bbox"][3] < 450 for figure in figures_of(document)] == [True, False]


@pytest.mark.parametrize(
    "draw",
    [
        draw_table,
        draw_sparse_table,
        draw_form,
        draw_underlines,
        draw_text_box,
        draw_note,
        draw_tip,
        draw_page_frame,
        draw_column_rule,
        draw_header,
        draw_on_white,
    ],
)
def test_is_no_figure(draw):
    with pymupdf.open() as document:
        page = document.new_page()
        draw_text(page, 600)
        draw(page)
        assert figures_of(document) == []


@pytest.mark.parametrize(("pages", "figures"), [(2, 1), (3, 0)])
def test_a_drawing_on_many_pages_is_a_logo(pages, figures):
    with pymupdf.open() as document:
        for number in range(pages):
            page = document.new_page()
            draw_text(page, 500 + number)
            draw_logo(page)
        assert len(figures_of(document)) == figures


def test_an_image_and_a_drawing_over_it_are_one_figure():
    with pymupdf.open() as document:
        page = document.new_page()
        draw_picture(page)
        draw_bars(page)
        (figure,) = figures_of(document)
    assert pymupdf.Rect(95, 322, 345, 432) in bbox_of(figure)


def test_a_page_of_50000_paths_is_one_figure():
    """Its paths are counted, not followed: otherwise the figure would end with them."""
    paths = [b"%d %d m %d %d l %d %d l S" % (x, y, x + 5, y + 5, x + 9, y) for x in range(100, 350) for y in range(200)]
    content = b"\n".join(paths)
    assert content.count(b" l ") >= MAX_PAGE_SEGMENTS
    with pymupdf.open() as document:
        write(document.new_page(), content + b" 1 1 m 2 2 l S")
        (figure,) = figures_of(document)
    assert figure.metadata["bbox"] == [0, 0, 595, 842]


@pytest.mark.nightly
def test_the_number_of_examined_segments_of_a_document_is_limited():
    pages = MAX_DOCUMENT_SEGMENTS // (MAX_PAGE_SEGMENTS + 1)
    with pymupdf.open() as document:
        for number in range(pages + 1):
            page = document.new_page(width=200, height=200)
            write(page, b"1 1 m 2 2 l n\n" * (MAX_PAGE_SEGMENTS + 1) + b"%d 10 m 90 90 l S" % number)
        found = figures_of(document)
    assert [figure.page for figure in found] == list(range(1, pages + 1))
