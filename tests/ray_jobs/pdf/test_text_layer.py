"""The choice of the pages that are read by OCR, with stand-ins for the OCR model, and the merging of both texts."""

import pymupdf
import pytest

from ingest.pdf import page_ranges as reader
from ingest.pdf import text_layer
from ingest.pdf.document import parse_pdf
from ingest.pdf.layout import Line, paragraph_of
from ingest.pdf.letter_statistics import is_suspect
from ingest.pdf.merge_layers import merge
from ingest.pdf.text_layer import is_torn

WIDTH, HEIGHT = 595, 842
PROSE = (
    "The keeper climbs the tower at dusk and trims the wick before the lamp is lit. He writes the hour into the log, "
    "and the state of the wind and of the sea. When fog comes in he starts the signal, which sounds twice a minute. "
)
STAMP = "Case 3:05-cv-00281-ABC Document 12-4 Filed 06/17/05 Page 1 of 3"
READ = "what the picture says"


def lines(*boxes, text=READ, size=12.0):
    return [Line(*box, text, size, False) for box in boxes]


SEEN = [(60, 100 + 20 * row, 500, 112 + 20 * row) for row in range(10)]
"""Where the stand-in of the detector sees lines of text."""


@pytest.fixture
def model(monkeypatch):
    """Stands in for OCR: it counts its calls, and sees lines at SEEN."""
    calls = {"detect": 0, "read": 0, "line": 0, "seen": SEEN, "says": PROSE}

    def detect(page):
        calls["detect"] += 1
        return calls["seen"]

    def read(page, known=(), least=0.0):
        calls["read"] += 1
        calls["known"] = known
        return [paragraph_of(lines(*SEEN))], False

    def line(page, bbox):
        calls["line"] += 1
        return calls["says"]

    monkeypatch.setattr(text_layer, "detect_lines", detect)
    monkeypatch.setattr(text_layer, "read_line", line)
    monkeypatch.setattr(reader, "ocr_page", read)
    return calls


def paper(page):
    for row in range(10):
        page.insert_text((60, 110 + 20 * row), "Words on the paper that was scanned, line by line.", fontsize=12)


def plain(page):
    page.draw_rect(page.rect, fill=(0.8, 0.9, 1.0), color=None)


def dots(page):
    for row in range(40):
        page.draw_circle((15 * row, 400), 12, fill=(0, 0, 0.5))


def picture(draw, strips=1):
    """A page that an image covers, or several that lie one below the other."""
    with pymupdf.open() as sheet:
        draw(sheet.new_page(width=WIDTH, height=HEIGHT))
        document = pymupdf.open()
        page = document.new_page(width=WIDTH, height=HEIGHT)
        for strip in range(strips):
            place = pymupdf.Rect(0, HEIGHT * strip / strips, WIDTH, HEIGHT * (strip + 1) / strips)
            page.insert_image(place, pixmap=sheet[0].get_pixmap(dpi=50, clip=place))
    return document


def outlined(draw=paper):
    """A page whose letters are drawn as paths."""
    with pymupdf.open() as sheet:
        draw(sheet.new_page(width=WIDTH, height=HEIGHT))
        drawing = sheet[0].get_svg_image(text_as_path=True)
    with pymupdf.open(stream=drawing.encode(), filetype="svg") as svg:
        return pymupdf.open("pdf", svg.convert_to_pdf())


def kind_and_text(document):
    ((page,), _, _) = parse_pdf(document.tobytes())
    return page.kind, page.text


def stamp(page):
    page.insert_text((40, 20), STAMP, fontsize=9)


def watermark(page):
    middle = pymupdf.Point(100, 700)
    page.insert_text(middle, "CONFIDENTIAL " * 5, fontsize=30, morph=(middle, pymupdf.Matrix(45)))


def footer(page):
    page.insert_text((30, 830), f"Downloaded from https://journals.example.org by University on 3 March. {'x' * 40}")


def number(page):
    page.insert_text((540, 830), "HARB0000123", fontsize=9)


def blanks(page):
    page.insert_text((60, 200), " " * 300, render_mode=3)


@pytest.mark.parametrize("draw", [stamp, footer, number, blanks, watermark])
@pytest.mark.parametrize("strips", [1, 20])
def test_little_text_over_a_scan_does_not_hide_it(draw, strips, model):
    document = picture(paper, strips)
    draw(document[0])
    kind, text = kind_and_text(document)
    assert kind == "ocr"
    assert READ in text


def test_the_text_of_a_form_field_over_a_scan_is_kept(model):
    document = picture(paper)
    field = pymupdf.Widget()
    field.field_name, field.field_value, field.rect = "name", "Lighthill", pymupdf.Rect(300, 700, 500, 720)
    field.field_type = pymupdf.PDF_WIDGET_TYPE_TEXT
    document[0].add_widget(field)
    kind, text = kind_and_text(document)
    assert (kind, "Lighthill" in text, READ in text) == ("ocr", True, True)


def test_a_text_layer_over_all_lines_of_a_scan_is_believed_without_the_model(model):
    document = picture(paper)
    for row in range(10):
        text = "Words on the paper that was scanned, line by line."
        document[0].insert_text((60, 110 + 20 * row), text, fontsize=12, render_mode=3)
    assert kind_and_text(document)[0] == "text"
    assert (model["detect"], model["read"]) == (0, 0)


@pytest.mark.parametrize("background", [plain, dots])
def test_text_over_a_picture_without_text_is_not_read_by_ocr(background, model):
    document = picture(background)
    document[0].insert_textbox((60, 60, 530, 380), PROSE * 3, fontsize=12)
    model["seen"] = []
    assert kind_and_text(document)[0] == "text"
    assert model["read"] == 0


def test_a_page_of_text_alone_costs_nothing(model):
    with pymupdf.open() as document:
        document.new_page().insert_textbox((60, 60, 530, 780), PROSE * 5, fontsize=12)
        assert kind_and_text(document)[0] == "text"
    assert (model["detect"], model["read"], model["line"]) == (0, 0, 0)


def test_text_that_is_drawn_as_outlines_is_read_by_ocr(model):
    assert kind_and_text(outlined()) == ("ocr", " ".join([READ] * 10))


def test_outlined_paragraphs_beside_real_text_are_read_by_ocr(model):
    document = outlined()
    document[0].insert_textbox((60, 500, 530, 820), PROSE * 2, fontsize=12)
    kind, text = kind_and_text(document)
    assert (kind, READ in text, "The keeper climbs" in text) == ("ocr", True, True)


def test_letters_that_are_mapped_wrongly_are_read_by_ocr(model):
    with pymupdf.open() as document:
        document.new_page().insert_textbox((60, 60, 530, 380), shifted(PROSE), fontsize=12)
        assert kind_and_text(document) == ("ocr", " ".join([READ] * 10))


def test_a_heading_in_a_font_with_wrong_letters_is_read_by_ocr(model):
    with pymupdf.open() as document:
        document.new_page().insert_text((60, 60), "DÂB4gÉ9¶0ÅDÂBÊ", fontsize=18)
        assert kind_and_text(document) == ("ocr", " ".join([READ] * 10))


def test_beside_a_font_with_wrong_letters_the_text_of_others_is_kept_and_not_read_again(model):
    with pymupdf.open() as document:
        page = document.new_page()
        page.insert_textbox((60, 60, 530, 380), shifted(PROSE), fontsize=12)
        page.insert_text((60, 500), "Set in another font", fontsize=12, fontname="tiro")
        beside = (60, 490, 200, 503)
        model["seen"] = [*SEEN, beside]
        assert kind_and_text(document) == ("ocr", " ".join([READ] * 10) + "\n\nSet in another font")
    assert model["known"] == [beside]


def test_numbers_of_glyphs_are_no_text(model):
    document = picture(paper)
    document[0].insert_textbox((60, 60, 530, 380), "(cid:12)(cid:7) " * 40, fontsize=12, render_mode=3)
    assert kind_and_text(document) == ("ocr", " ".join([READ] * 10))


def test_odd_text_that_the_page_really_shows_is_kept(model):
    odd = shifted(PROSE)
    model["says"] = odd
    with pymupdf.open() as document:
        for _ in range(5):
            document.new_page().insert_text((60, 60), odd[:80], fontsize=8)
        pages, _, _ = parse_pdf(document.tobytes())
    assert {page.kind for page in pages} == {"text"}
    assert model["line"] <= text_layer.MAX_CHECKS * text_layer.MAX_SAMPLES


def shifted(text):
    return "".join(chr(ord(letter) - 29) if letter > "=" else letter for letter in text)


@pytest.mark.parametrize(
    "text",
    [
        PROSE,
        "Der Leuchtturmwärter steigt bei Dämmerung auf den Turm und schneidet den Docht, bevor die Lampe brennt.",
        "Latarnik wchodzi o zmierzchu na wieżę i przycina knot, zanim zapali lampę, a potem pisze w dzienniku.",
        "Strč prst skrz krk, řekl převozník a zapsal do deníku, jaký byl vítr a jaké bylo moře toho večera.",
        "冲泡云岭绿茶的水温是八十度，水要先烧开，再放凉，然后慢慢倒进杯子里，等两分钟再喝。" * 2,
        "Ngọn hải đăng được thắp sáng vào lúc hoàng hôn, người gác đèn ghi giờ vào sổ mỗi buổi tối.",
        "12.4 13.5 14.6 | 99.1 98.7 97.3 | 45.2 44.8 43.9 | 12.4 13.5 14.6 | 99.1 98.7 97.3",
        "Rohr DN50 PN16, Flansch M12x60, Ventil V2A, Lampe E27, Kabel NYM-J 3x1.5mm2, Dose IP44, Sicherung B16",
        "Mae'r goleudy yn sefyll ar y graig, ac mae'r ceidwad yn ysgrifennu yn ei lyfr bob nos wedi swper.",
        "Deniz fenerinin bekçisi her akşam kuleye çıkar, lambayı yakar ve deftere rüzgârın yönünü yazar.",
        "A világítótorony őre minden este felmegy a toronyba, meggyújtja a lámpát, és beírja a szél irányát.",
        "Introduction ............................................ 12",
        "Größe 10 µm ± 2 °C",
        "¿Qué? Éste, año 2024",
        "Übermäßige Öffnungsgebühr",
        "Číslo účtu 4711/08",
    ],
)
def test_written_language_is_not_suspect(text):
    assert not is_suspect(text)


@pytest.mark.parametrize(
    "text",
    [
        shifted(PROSE),
        "8VceZWZTReV dhVcV dfSdWZWZ VUSjeYVRSSV hYZTYZd TVceZWZVU",
        "!\"#$%&'()*+,-.+/#012345&65*1 !\"#$%&'()*+,-.+/#012345&65*1",
        "Uif npsojoh csfblt, uif tibepxt gmff; boe uif ebxojoh pg b csjhiufs ebz sjtft po uif xpsme.",
        "%41 ?AB@5@3 .B1-=C! D41 C4-0AFC O11# $A! &5A@ C CD-@0-B0 5C E@2EB>10 %41 0-F@5@3 A2 - .B534D1B",
        "ÖÐ¹úÈËÃñÒøÐÐ ÖÐ¹úÈËÃñÒøÐÐ ÖÐ¹úÈËÃñÒøÐÐ ÖÐ¹úÈËÃñÒøÐÐ",
        "ÖÐ¹úÈËÃñÒøÐÐ",
        "DÂB4gÉ9¶0ÅDÂBÊ(D>öBÑ9¯",
    ],
)
def test_text_with_wrongly_mapped_letters_is_suspect(text):
    assert is_suspect(text)


@pytest.mark.parametrize(
    ("text", "torn"),
    [
        ("Di esen Gut schei n k a n n e n Si e bei m Kauf ei n e r Fahr kar t e ei n l o e s e n", True),
        (PROSE, False),
        ("x y z a b c", False),  # too few to tell
    ],
)
def test_words_that_are_torn_into_letters_show(text, torn):
    assert is_torn([{"spans": [{"text": text}]}]) is torn


def test_a_line_that_both_have_is_kept_once_as_the_layer_has_it():
    layer = [paragraph_of(lines((60, 100, 500, 112), text="Case 281-ABC"))]
    read = [paragraph_of(lines((58, 99, 505, 114), text="Case 28l-A8C")), paragraph_of(lines((60, 300, 500, 312)))]
    assert [paragraph.text for paragraph in merge(layer, read, False)] == ["Case 281-ABC", READ]


def test_a_layer_at_wrong_positions_is_not_kept_beside_the_same_text():
    layer = [paragraph_of(lines((10, 10, 90, 14), text="what the picture says"))]
    read = [paragraph_of(lines((60, 300, 500, 312), text="What the picture says today"))]
    assert [paragraph.text for paragraph in merge(layer, read, False)] == ["What the picture says today"]


def test_a_layer_between_lines_of_a_scan_is_in_its_place():
    layer = [paragraph_of(lines((60, 200, 500, 212), text="typed in"))]
    read = [paragraph_of(lines((60, top, 500, top + 12), text=f"line at {top}")) for top in (100, 300)]
    assert [paragraph.text for paragraph in merge(layer, read, False)] == ["line at 100", "typed in", "line at 300"]


NAMES = [f"Brandt Sofia {number} Keller Jonas" for number in range(10)]


@pytest.mark.parametrize(
    ("layer", "kind"),
    [
        ([line[::-1].replace(" ", "") for line in [PROSE[60 * row :][:60] for row in range(3)]] * 3, "ocr"),
        (["qiox trvuf nnm jfl wvem uirn cvtn jjri tnli"] * 10, "ocr"),
        (NAMES, "text"),
    ],
    ids=["reversed", "junk", "names"],
)
def test_a_layer_without_frequent_words_is_compared_with_the_scan(layer, kind, model):
    document = picture(paper)
    model["says"], model["seen"] = NAMES[0], []
    for row, text in enumerate(layer):
        for part, word in enumerate(text.split() if kind == "ocr" else [text]):
            document[0].insert_text((60 + 40 * part, 110 + 20 * row), word, fontsize=12, render_mode=3)
    assert kind_and_text(document)[0] == kind


def test_a_layer_with_frequent_words_is_believed_without_the_model(model):
    document = picture(paper)
    document[0].insert_textbox((60, 90, 530, 380), PROSE * 3, fontsize=12, render_mode=3)
    model["seen"] = []
    assert kind_and_text(document)[0] == "text"
    assert model["line"] == 0
