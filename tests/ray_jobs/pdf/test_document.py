"""Parsing of PDF pages: OCR, reading order, headings, figures and metadata."""

from pathlib import Path

import pymupdf
import pytest

from ingest.pdf import unknown_letters
from ingest.pdf.chunking import ChunkSettings
from ingest.pdf.document import DocumentSettings, parse_pdf, prepare_documents, read_document
from ingest.pdf.figures import MAX_FIGURE_SIDE
from read_pdfs import PROSE, blocks_of, texts_of

reads = pytest.mark.tier("parts")  # by the OCR model, which is real


def scanned(draw, rotation=0, dpi=120, width=420, height=300):
    """A PDF with a scanned page: an image of the page that `draw` draws."""
    with pymupdf.open() as paper:
        sheet = paper.new_page(width=width, height=height)
        draw(sheet)
        picture = sheet.get_pixmap(dpi=dpi)
    scan = pymupdf.open()
    turned = rotation % 180 == 90
    page = scan.new_page(width=height if turned else width, height=width if turned else height)
    page.insert_image(page.rect, pixmap=picture, rotate=rotation)
    return scan


def letter(page):
    page.insert_text((30, 60), "The ferry to the island", fontsize=16)
    page.insert_text((30, 90), "leaves the harbour at nine", fontsize=16)
    page.insert_text((30, 180), "Tickets are sold on board", fontsize=16)


PRIVATE_USE = b"""/CIDInit /ProcSet findresource begin 12 dict begin begincmap
1 begincodespacerange <0000> <ffff> endcodespacerange
1 beginbfrange <0000> <0fff> <e000> endbfrange
endcmap end end"""
"""Maps the glyphs of a font to meaningless characters."""


# --- OCR


NIGHTLY = pytest.mark.nightly


@pytest.mark.parametrize("rotation", [pytest.param(0, marks=NIGHTLY), 90, 180, pytest.param(270, marks=NIGHTLY)])
@reads
def test_a_scanned_page_is_read_in_any_rotation(rotation):
    pages, _, metadata = parse_pdf(scanned(letter, rotation).tobytes())
    assert [(page.kind, page.text) for page in pages] == [
        ("ocr", "The ferry to the island leaves the harbour at nine\n\nTickets are sold on board")
    ]
    assert metadata["ocr_pages"] == 1


def test_a_scan_that_is_painted_as_a_pattern_is_read():
    """As Chromium prints some screenshots: the only image is in the resources of a tiling pattern."""
    document = scanned(letter)
    page = document[0]
    (image,) = page.get_images()
    pattern = document.get_new_xref()
    document.update_object(
        pattern,
        "<</Type/Pattern/PatternType 1/PaintType 1/TilingType 1/BBox[0 0 420 300]/XStep 420/YStep 300"
        f"/Resources<</XObject<</I {image[0]} 0 R>>>>>>",
    )
    document.update_stream(pattern, b"q 420 0 0 300 0 0 cm /I Do Q")
    document.xref_set_key(page.xref, "Resources", f"<</Pattern<</P {pattern} 0 R>>>>")
    document.update_stream(page.get_contents()[0], b"/Pattern cs /P scn 0 0 420 300 re f")
    for xref in page.get_contents()[1:]:
        document.update_stream(xref, b" ")
    assert "The ferry to the island" in " ".join(texts_of(pymupdf.open("pdf", document.tobytes())))


def test_without_ocr_a_scanned_page_has_no_text():
    assert texts_of(scanned(letter), ocr=False) == []


@reads
def test_of_a_broken_text_layer_only_the_lines_in_the_broken_font_are_read_by_ocr(monkeypatch):
    monkeypatch.setattr(unknown_letters, "_program", lambda document, font, glyphs: {})
    with pymupdf.open() as document:
        page = document.new_page(width=420, height=200)
        page.insert_font(fontname="F", fontbuffer=pymupdf.Font("helv").buffer)
        page.insert_text((30, 60), "The ferry leaves at nine", fontname="F", fontsize=16)
        page.insert_text((30, 120), "I1l0O-O0l1I", fontsize=16)
        document.subset_fonts()
        for xref in range(1, document.xref_length()):
            if b"begincmap" in (document.xref_stream(xref) or b""):
                document.update_stream(xref, PRIVATE_USE)
        data = document.tobytes()
    (page,), _, _ = parse_pdf(data)
    assert (page.kind, page.text) == ("ocr", "The ferry leaves at nine\n\nI1l0O-O0l1I")


@reads
def test_a_stamp_over_a_scan_is_kept_beside_the_text_of_the_scan():
    document = scanned(letter)
    document[0].insert_text((30, 20), "Case 3:05-cv-00281-ABC Document 12-4 Filed 06/17/05 Page 1 of 3", fontsize=9)
    (page,), _, metadata = parse_pdf(document.tobytes())
    assert page.text.count("Case 3:05-cv-00281-ABC") == 1
    assert "leaves the harbour at nine" in page.text
    assert "Tickets are sold on board" in page.text
    assert metadata["ocr_pages"] == 1


def test_a_scanned_page_with_a_text_layer_is_not_read_by_ocr():
    document = scanned(letter)
    document[0].insert_textbox((30, 30, 400, 290), PROSE, fontsize=12, render_mode=3)
    (page,), _, _ = parse_pdf(document.tobytes())
    assert (page.kind, page.text) == ("text", PROSE)


@reads
def test_two_scanned_columns_are_read_column_by_column():
    def columns(page):
        for x, words in ((30, ("Alpha", "Beta", "Gamma")), (330, ("Delta", "Epsilon", "Zeta"))):
            for row, word in enumerate(words):
                page.insert_text((x, 60 + 40 * row), f"{word} is the word of this line", fontsize=16)

    (text,) = ["\n\n".join(texts_of(scanned(columns, width=640)))]
    words = ["Alpha", "Beta", "Gamma", "Delta", "Epsilon", "Zeta"]
    assert sorted(words, key=text.index) == words


@pytest.mark.nightly
@reads
def test_a_huge_scanned_page_is_read_at_low_resolution():
    document = scanned(letter)
    document[0].set_mediabox((0, 0, 14400, 14400))
    document[0].insert_image((0, 0, 14400, 10285), stream=scanned(letter)[0].get_pixmap(dpi=120).tobytes("png"))
    assert "leaves the harbour at nine" in "\n".join(texts_of(document))


# --- reading order


def test_columns_are_read_one_by_one_if_the_file_is_written_across_them():
    with pymupdf.open() as document:
        page = document.new_page()
        page.insert_text((60, 60), "A title that is as wide as the page and stands above both of its columns")
        rows = PROSE.split()
        for row in range(12):
            page.insert_text((60, 100 + 14 * row), f"left {row} " + " ".join(rows[row : row + 6]), fontsize=9)
            page.insert_text((320, 100 + 14 * row), f"right {row} " + " ".join(rows[row : row + 6]), fontsize=9)
        text = "\n".join(texts_of(document))
    order = ["A title", *(f"left {row}" for row in range(12)), *(f"right {row}" for row in range(12))]
    assert sorted(order, key=text.index) == order


def test_a_table_without_rules_is_read_row_by_row():
    with pymupdf.open() as document:
        page = document.new_page()
        for row in range(6):
            page.insert_text((60, 100 + 30 * row), f"name {row}")
            page.insert_text((320, 100 + 30 * row), f"value {row}")
        text = " ".join(texts_of(document))
    assert text == " ".join(f"name {row} value {row}" for row in range(6))


def test_lines_set_far_apart_are_one_paragraph():
    with pymupdf.open() as document:
        page = document.new_page()
        for row, line in enumerate(("云岭绿茶的冲泡水温", "是八十度第一泡静置", "两分钟")):
            page.insert_text((60, 100 + 24 * row), line, fontname="china-s", fontsize=12)
        assert texts_of(document) == ["云岭绿茶的冲泡水温是八十度第一泡静置两分钟"]


# --- running heads


@pytest.fixture
def handbook():
    with pymupdf.open() as document:
        for number in range(1, 6):
            page = document.new_page()
            page.insert_text((60, 40), f"Lighthouse handbook, page {number} of 5", fontsize=8)
            page.insert_textbox((60, 100, 500, 300), f"Rule {number}. {PROSE}", fontsize=11)
            page.insert_text((290, 810), str(number), fontsize=8)
        yield document


def test_a_running_head_is_kept_once_and_page_numbers_are_removed(handbook):
    texts = texts_of(handbook)
    assert [text for text in texts if "handbook" in text] == ["Lighthouse handbook, page 1 of 5"]
    assert len([text for text in texts if text.startswith("Rule")]) == 5
    assert not [text for text in texts if text.isdigit()]


def test_amounts_at_the_top_of_pages_are_no_page_numbers(handbook):
    for number, page in enumerate(handbook):
        page.insert_text((400, 60), f"{100 + 17 * number}.50", fontsize=11)
    assert [text for text in texts_of(handbook) if text.endswith(".50")] == [f"{100 + 17 * n}.50" for n in range(5)]


def test_repeated_text_is_kept_on_a_page_without_other_text():
    with pymupdf.open() as document:
        for _ in range(4):
            document.new_page().insert_text((60, 40), "Left blank on purpose")
        assert texts_of(document) == ["Left blank on purpose"] * 4


# --- headings


def test_blocks_have_the_headings_above_them():
    with pymupdf.open() as document:
        for part in ("Lamp", "Fog signal"):
            page = document.new_page()
            page.insert_text((60, 60), part, fontsize=20)
            for row, section in enumerate(("Duties", "Tools")):
                page.insert_text((60, 120 + 300 * row), section, fontsize=11, fontname="hebo")
                page.insert_textbox((60, 130 + 300 * row, 500, 400 + 300 * row), PROSE, fontsize=11)
        blocks = blocks_of(document)
    assert [block.headings for block in blocks if block.text == PROSE] == [
        ("Lamp", "Duties"),
        ("Lamp", "Tools"),
        ("Fog signal", "Duties"),
        ("Fog signal", "Tools"),
    ]


# --- figures


def picture(seed, width=200, height=160):
    pixels = bytes((x * seed + y * 3) % 256 for y in range(height) for x in range(width) for _ in range(3))
    return pymupdf.Pixmap(pymupdf.csRGB, width, height, pixels, False)


def figures_of(document, ocr=False):
    return parse_pdf(document.tobytes(), ocr=ocr, figures=True)[1]


def test_a_figure_is_returned_once_with_its_first_page():
    with pymupdf.open() as document:
        document.new_page().insert_text((60, 60), PROSE[:60])
        xref = document.new_page().insert_image((60, 100, 360, 340), pixmap=picture(5))
        document.new_page().insert_image((60, 100, 360, 340), xref=xref)
        (figure,) = figures_of(document)
    assert figure.page == 2
    assert MAX_FIGURE_SIDE - 2 < max(figure.width, figure.height) <= MAX_FIGURE_SIDE
    shown = pymupdf.Pixmap(figure.image)
    assert (shown.width, shown.height) == (figure.width, figure.height)


def test_logos_icons_and_banners_are_no_figures():
    with pymupdf.open() as document:
        xref = 0
        for number in range(3):
            page = document.new_page()
            xref = page.insert_image((400, 40, 500, 120), pixmap=None if xref else picture(2), xref=xref)
            page.insert_image((10, 700, 590, 766), pixmap=picture(7 + number), keep_proportion=False)
            page.insert_image((60, 600, 90, 630), pixmap=picture(20 + number))
        assert figures_of(document) == []


def test_the_number_of_figures_is_limited(monkeypatch):
    monkeypatch.setattr("ingest.pdf.figures.MAX_FIGURES", 5)
    with pymupdf.open() as document:
        for number in range(6):
            document.new_page().insert_image((60, 100, 160, 180), pixmap=picture(number + 2, 80, 64))
        assert len(figures_of(document)) == 5


@reads
def test_the_image_of_a_scanned_page_is_no_figure():
    assert figures_of(scanned(letter), ocr=True) == []


@reads
def test_a_picture_in_which_ocr_reads_letters_is_a_figure():
    with pymupdf.open() as document:
        document.new_page().insert_image((60, 100, 360, 340), pixmap=scanned(letter)[0].get_pixmap(dpi=120))
        pages, (figure,), _ = parse_pdf(document.tobytes(), figures=True)
    assert (pages[0].kind, figure.page) == ("ocr", 1)


# --- metadata and chunks


def test_metadata_describes_the_document():
    with pymupdf.open() as document:
        document.new_page().insert_textbox((60, 100, 500, 300), PROSE)
        document.set_metadata(
            {"title": " Keeping\nlights ", "author": "A. Keeper", "creationDate": "D:20260102030405Z"}
        )
        _, _, metadata = parse_pdf(document.tobytes())
    assert metadata == {
        "title": "Keeping lights",
        "author": "A. Keeper",
        "created": "2026-01-02T03:04:05+00:00",
        "pages": 1,
        "ocr_pages": 0,
        "language": "en",
    }


@pytest.mark.parametrize(
    ("text", "font", "language"),
    [
        ("Der Leuchtturmwärter steigt in der Dämmerung auf den Turm und zündet die Lampe an.", "helv", "de"),
        ("云岭绿茶的冲泡水温是八十度，第一泡静置两分钟，第二泡稍长一些。", "china-s", "zh"),
    ],
)
def test_the_language_is_detected_from_the_text(text, font, language):
    with pymupdf.open() as document:
        document.new_page().insert_textbox((60, 100, 500, 300), text, fontname=font)
        assert parse_pdf(document.tobytes())[2]["language"] == language


def test_chunks_name_the_source_of_their_text(minilm_path):
    prepare_documents((Path(minilm_path) / "tokenizer.json").read_text())
    document = scanned(letter)
    document.new_page().insert_textbox((60, 100, 500, 300), PROSE)
    found = read_document(document.tobytes(), DocumentSettings(ChunkSettings(200, 0), 10))
    assert [(chunk.page, chunk.kind) for chunk in found.chunks] == [(1, "ocr"), (2, "text")]
    assert found.pages == 2


def test_chinese_words_are_not_split_at_line_breaks(minilm_path):
    """The full-text index finds only whole words."""
    prepare_documents((Path(minilm_path) / "tokenizer.json").read_text())
    with pymupdf.open() as document:
        page = document.new_page()
        for row, line in enumerate(("云岭绿茶的冲泡水温是八十", "度茶叶沉底后再饮用，第二", "泡稍长一些。")):
            page.insert_text((60, 100 + 26 * row), line, fontname="china-s", fontsize=12)
        found = read_document(document.tobytes(), DocumentSettings(ChunkSettings(200, 0), 10))
    (chunk,) = found.chunks
    assert all(word in chunk.text for word in ("绿茶", "八十度", "第二泡"))
