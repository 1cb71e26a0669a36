"""A document that is read in ranges of pages gives the same rows as one that is read at once, wherever the cuts are."""

import pickle

import pymupdf
import pytest

from ingest.pdf import figures, page_ranges, text_layer
from ingest.pdf.chunking import ChunkSettings
from ingest.pdf.document import Document, DocumentSettings, prepare_documents, read_document
from ingest.pdf.layout import Line, paragraph_of
from ingest.pdf.page_ranges import PageRange, is_worth_sharing
from ingest.pdf.shared_document import Begun, begin_document, finish_document, read_pages
from long_pdf import BROKEN, PROSE, SCANNED, TURNED, Every, long_pdf, tokenizer_json

READ = "The scan says that the fog signal was sounded twice"
SETTINGS = DocumentSettings(ChunkSettings(60, 0), 100, ocr=True, figures=True)


@pytest.fixture(scope="module", autouse=True)
def tokenizer():
    prepare_documents(tokenizer_json())


@pytest.fixture(autouse=True)
def ocr(monkeypatch):
    """Stands in for OCR: it reads one line, and counts the pages."""
    pages = []

    def read(page, known=(), least=0.0):
        pages.append(page.number + 1)
        return [paragraph_of([Line(72, 300, 400, 312, READ, 12.0, False)])], False

    monkeypatch.setattr(page_ranges, "ocr_page", read)
    return pages


def shared(data, path, cut, settings=SETTINGS):
    """Read a document range by range, each with the document opened anew."""
    path.write_bytes(data)
    begun = begin_document(data, settings, cut)
    assert isinstance(begun, Begun)
    ranges, first = [begun.found], begun.read + 1
    while first <= begun.count:
        count, pages = read_pages(str(path), begun.range(first, begun.count), settings, cut)
        ranges.append(pages)
        first += count
    return finish_document(str(path), ranges, settings)


@pytest.mark.parametrize("pages", [1, 2, 3, 4, 6])
def test_ranges_give_the_rows_of_the_whole_document(tmp_path, pages):
    data = long_pdf()
    assert shared(data, tmp_path / "long.pdf", Every(pages)) == read_document(data, SETTINGS)


def test_the_document_of_these_tests_has_all_that_cuts_could_change():
    document = read_document(long_pdf(), SETTINGS)
    texts = [chunk.text for chunk in document.chunks]
    joined = "\n".join(texts)
    assert joined.count("The log of the northern light") == 1
    assert "The wick was trimmed and the reflector" in joined
    assert [chunk.page for chunk in document.chunks if chunk.metadata.get("table")] == [3, 4]
    assert document.chunks[-1].metadata["headings"] == ["Chapter three"]
    assert TURNED in texts
    assert [chunk.page for chunk in document.chunks if chunk.kind == "ocr"] == [SCANNED]
    numbered = [chunk.text for chunk in document.chunks if 8 <= chunk.page <= 11]
    assert numbered
    assert not any(character.isdigit() for text in numbered for character in text)
    assert [figure.page for figure in document.figures] == [1]
    assert document.metadata["ocr_pages"] == 1
    assert f"1 of its 15 pages is damaged ({BROKEN}: " in document.metadata["partly_read"]


def test_a_short_document_is_read_at_once(ocr):
    assert isinstance(begin_document(long_pdf(), SETTINGS), Document)
    assert ocr == [SCANNED]


@pytest.mark.parametrize(
    ("seconds", "rest", "worth"),
    [
        ([4.0] * 3, 2, True),
        ([4.0] * 3, 1, False),
        ([4.0] * 2, 100, False),
        ([0.01] * 64, 500, False),
        ([0.01] * 64, 5000, True),
        ([4.0, 0.01, 0.01], 100, False),  # only the cover is a scan
        ([*[0.01] * 64, 4.0, 4.0, 4.0], 10, True),  # scans behind text
    ],
)
def test_the_rest_of_a_document_is_worth_sharing_if_it_takes_long(seconds, rest, worth):
    assert is_worth_sharing(seconds, rest) == worth


# --- what goes from page to page


@pytest.fixture
def odd_layers(monkeypatch):
    """A document of six pages whose letters look odd; the page shows them on the first five, and not on the last."""
    odd = "".join(chr(ord(letter) - 29) if letter > "=" else letter for letter in PROSE)[:80]
    monkeypatch.setattr(text_layer, "read_line", lambda page, _: odd if page.number < 5 else PROSE)
    with pymupdf.open() as document:
        for _ in range(6):
            document.new_page().insert_text((60, 60), odd, fontsize=8)
        return document.tobytes(no_new_id=True)


@pytest.mark.parametrize("pages", [1, 2, 5])
def test_a_text_layer_is_trusted_after_as_many_checks_as_without_cuts(tmp_path, odd_layers, ocr, pages):
    whole = read_document(odd_layers, SETTINGS)
    assert ocr == []
    assert shared(odd_layers, tmp_path / "odd.pdf", Every(pages)) == whole


@pytest.mark.parametrize("pages", [1, 2, 3])
def test_the_limit_on_drawings_counts_from_the_first_page_of_the_document(tmp_path, monkeypatch, pages):
    with pymupdf.open() as document:
        for size in (30, 40, 20, 35, 10):
            page = document.new_page()
            points = [(100 + 3 * step, 300 + (step * size) % 97) for step in range(size)]
            page.draw_polyline(points)
            page.draw_circle((300, 500), 60 + size)
        data = document.tobytes(no_new_id=True)
        counts = [figures.count_segments(page) for page in document]
    monkeypatch.setattr(figures, "MAX_DOCUMENT_SEGMENTS", counts[0] + counts[2] + counts[4])
    whole = read_document(data, SETTINGS)
    assert {figure.page for figure in whole.figures} == {1, 3, 5}
    assert shared(data, tmp_path / "drawn.pdf", Every(pages)) == whole


def test_a_document_that_mupdf_repairs_midway_is_read_again_as_a_whole(monkeypatch):
    with pymupdf.open("pdf", long_pdf()) as document:
        ranges = [
            page_ranges.read_range(document, PageRange(*bounds), ocr=False, figures=False)
            for bounds in ((1, 4), (5, 15))
        ]
        ranges[0][-1].repaired = (False, True)
        calls = []
        read = page_ranges.read_range

        def counted(opened, pages, *args):
            calls.append((pages.first, pages.last))
            return read(opened, pages, *args)

        monkeypatch.setattr(page_ranges, "read_range", counted)
        pages = pickle.loads(pickle.dumps([*ranges[0], *ranges[1]]))
        page_ranges.join_pages(document, pages, False, False, [])
    assert calls == [(1, 15)]


# --- real books


@pytest.mark.nightly
def test_ranges_of_real_books_give_the_rows_of_the_whole_books(tmp_path, corpus):
    settings = DocumentSettings(ChunkSettings(200, 0), 5000, ocr=False, figures=True)
    for file in sorted((corpus / "pdf" / "big").glob("*.pdf")):
        data = file.read_bytes()
        whole = read_document(data, settings)
        assert shared(data, tmp_path / file.name, Every(50), settings) == whole, file.name
