"""The page of answers shows pictures, and shows texts as they are."""

from PIL import Image

from ingest.search.query import ImageHit, PageHit
from ingest.search.thumbnails import data_uri, html_page
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


def test_markup_in_questions_texts_and_names_is_shown_and_not_run():
    page = html_page(
        [(MARKUP, [PageHit(f"file:///no/such/folder/{MARKUP.replace('/', '')}", "v", 1, MARKUP, 1.0)])], data_uri
    )
    assert "<script" not in page
    assert f"<h1>{ESCAPED}</h1>" in page
    assert f"<p>{ESCAPED}</p>" in page
    assert "<img" not in page
