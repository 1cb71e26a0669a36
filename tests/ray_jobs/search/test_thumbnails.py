"""The page of answers shows pictures, and shows texts as they are."""

from dataclasses import replace

import pymupdf
import pytest
from PIL import Image

from ingest.search.hits import ImageHit, PageHit
from ingest.search.thumbnails import MARKER, THUMBNAIL_SIDE, UNPLACED, data_uri, html_page, thumbnail
from ingest.store.local_files import file_version

MARKUP = "<script>1 & 2</script>"
ESCAPED = "&lt;script&gt;1 &amp; 2&lt;/script&gt;"


def test_an_image_that_was_found_is_embedded_in_the_page(tmp_path):
    path = tmp_path / "photo.png"
    Image.new("RGB", (640, 480), "red").save(path)
    page = html_page([("a photo", [ImageHit(f"file://{path}", file_version(path.stat()), 640, 480, 1.0)])], data_uri)
    assert page.count('<img src="data:image/jpeg;base64,') == 1
    assert "<b>photo.png</b>" in page
    assert "<p>" not in page


@pytest.fixture
def page(tmp_path):
    """A page on its side, whose visible part is white, and a hit in the upper left quarter of it as people see it."""
    path = tmp_path / "page.pdf"
    with pymupdf.open() as document:
        sheet = document.new_page(width=400, height=600)
        sheet.set_cropbox(pymupdf.Rect(50, 100, 350, 500))
        sheet.set_rotation(90)
        document.save(path)
    boxes, size = [[40.0, 30.0, 180.0, 140.0]], [400.0, 300.0]
    return PageHit(f"file://{path}", file_version(path.stat()), 1, "The lamp is lit.", 1.0, boxes, size)


def test_a_hit_is_marked_on_the_picture_of_its_page(page):
    picture = thumbnail(page)
    assert picture.size == (THUMBNAIL_SIDE, THUMBNAIL_SIDE * 3 / 4)
    places = [(x, y) for x in range(5, 400, 10) for y in range(5, 300, 10)]
    coloured = {(x, y) for x, y in places if picture.getpixel((x * 0.8, y * 0.8)) == MARKER}
    assert coloured == {(x, y) for x, y in places if 40 < x < 180 and 30 < y < 140}
    assert {picture.getpixel((x * 0.8, y * 0.8)) for x, y in places} == {MARKER, (255, 255, 255)}


def test_a_hit_without_boxes_says_that_it_was_ingested_before_there_were_any(page):
    def shown(boxes):
        return html_page([("lamp", [replace(page, boxes=boxes)])], data_uri)

    assert UNPLACED in shown(None)
    assert UNPLACED not in shown([])
    assert UNPLACED not in shown(page.boxes)
    assert UNPLACED not in html_page([("lamp", [ImageHit("file:///no/file", "v", 1, 1, 1.0)])], data_uri)
    assert thumbnail(replace(page, boxes=None)).getcolors() == thumbnail(replace(page, boxes=[])).getcolors()


def test_markup_in_questions_texts_and_names_is_shown_and_not_run():
    page = html_page(
        [(MARKUP, [PageHit(f"file:///no/such/folder/{MARKUP.replace('/', '')}", "v", 1, MARKUP, 1.0)])], data_uri
    )
    assert "<script" not in page
    assert f"<h1>{ESCAPED}</h1>" in page
    assert f"<p>{ESCAPED}</p>" in page
    assert "<img" not in page
