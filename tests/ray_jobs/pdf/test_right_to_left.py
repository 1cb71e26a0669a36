"""Arabic and Hebrew come out in logical order: PDFs made glyph by glyph, drawn from left to right as most are."""

import pymupdf
import pytest

from embedded.cid_fonts import pdf_with_cid_font
from ingest.pdf.bidi import logical_order
from ingest.pdf.bidi_conventions import conventions_of
from ingest.pdf.document import parse_pdf
from ingest.pdf.draw_order import VISUAL, Character, DrawnPiece
from ingest.pdf.table_titles import text_of as text_of_words

WIDTH = 0.5
"""Width of a glyph in font sizes; combining marks have none."""


def pdf_of(*lines, size=10.0, pitch=40):
    """A PDF whose lines consist of these glyphs, drawn from left to right.

    A glyph is given by its text, or by a tuple of text and width. The text None leaves a gap of that width.
    """
    glyphs = [[glyph if isinstance(glyph, tuple) else (glyph, WIDTH) for glyph in line] for line in lines]
    fonts = sorted({glyph for line in glyphs for glyph in line if glyph[0] is not None})
    codes = {glyph: code for code, glyph in enumerate(fonts, 1)}
    widths = " ".join(f"{code} [{1000 * width:.0f}]" for (_, width), code in codes.items())
    content = []
    for number, line in enumerate(glyphs):
        x = 100.0
        for text, width in line:
            if text is not None:
                content.append(f"BT /F0 {size} Tf {x:.2f} {700 - pitch * number} Td <{codes[text, width]:04x}> Tj ET")
            x += width * size
    texts = {code: text for (text, _), code in codes.items()}
    return pdf_with_cid_font(texts, f"/DW 500/W[{widths}]", chr(10).join(content))


def text_of(*lines, pitch=40):
    (page,) = parse_pdf(pdf_of(*lines, pitch=pitch), ocr=False)[0]
    return page.text


def visual(text):
    return list(reversed(text))


def test_the_letters_of_a_ligature_keep_their_order():
    assert text_of([*visual("م"), "لا", *visual("س")]) == "سلام"


def test_all_four_lam_alef_ligatures_keep_their_order():
    assert text_of(["لآ", " ", "لأ", " ", "لإ", " ", "لا"]) == "لا لإ لأ لآ"


def test_presentation_forms_become_letters_in_logical_order():
    assert text_of(["ﻡ", "ﻼ", "ﺳ", "ﻟ", "ﺍ"]) == "السلام"


def test_arabic_digits_keep_their_order():
    assert text_of([*"٢٠٢٠", " ", *visual("سنة")]) == "سنة ٢٠٢٠"


def test_a_number_in_an_arabic_line_is_in_logical_order():
    line = [*visual(" عن"), *"12/05/2021", *visual("بلغ في ")]
    assert text_of(line) == "بلغ في 12/05/2021 عن"


def test_latin_words_in_an_arabic_line_are_in_logical_order():
    line = [*visual(" مع العلم"), *"Python 3", *visual("لغة ")]
    assert text_of(line) == "لغة Python 3 مع العلم"


def test_a_number_before_a_bracket_with_latin_words_stays_outside():
    line = [")", *"PDF 1.7", "(", " ", *"12/05/2021", *visual("كتب الملف في ")]
    assert text_of(line) == "كتب الملف في 12/05/2021 (PDF 1.7)"


def test_an_alef_before_a_lam_alef_is_kept():
    assert text_of(["م", "س", "لا", "ا"], [*"ةيد", *"اصتق", "لا", "ا"]) == "الاسم\n\nالاقتصادية"


def test_spaces_that_are_drawn_before_the_words_stand_between_them():
    words = ["السلام", "عليكم", "ورحمة", "الله"]
    visual_words = [list(reversed(word)) for word in reversed(words)]
    with pymupdf.open(stream=pdf_of([glyph for word in visual_words for glyph in [*word, " "]][:-1])) as document:
        page = document[0]
        (xref,) = page.get_contents()
        lines = document.xref_stream(xref).split(b"\n")
        space = lines[len(visual_words[0])].split()[-3]
        lines.sort(key=lambda line: line.split()[-3] != space)
        document.update_stream(xref, b"\n".join(lines))
        (read,) = parse_pdf(document.tobytes(), ocr=False)[0]
    assert read.text == " ".join(words)


def test_a_hebrew_line_with_numbers_is_in_logical_order():
    line = [*"11", *visual("עובד: "), " ", *"01001", *visual("מחלקה: ")]
    assert text_of(line) == "מחלקה: 01001 עובד: 11"


def test_hebrew_words_in_an_english_line_are_in_logical_order():
    assert text_of([*"The word ", *visual("שלום עולם"), *" means peace"]) == "The word שלום עולם means peace"


def test_marks_that_are_drawn_before_their_letter_stay_with_it():
    mark = ("\u05b8", 0.0)
    assert text_of(["א", "ר", mark, "ב", " ", "ם", mark, "ש"]) == "שָם בָרא"


def test_marks_in_the_glyph_of_their_letter_stay_with_it():
    assert text_of(["א", "רָ", " ", "בָ", "ש"]) == "שבָ רָא"


def test_dots_with_a_glyph_of_their_own_do_not_split_a_word():
    # The dots map to the letter; the body of the letter beside them has no character.
    line = ["م", " ", "ن", (None, 0.1), ("ت", 0.0), (None, 0.4), "ا", "م", "س", " ", "ل"]
    assert text_of(line) == "ل سماتن م"


@pytest.mark.parametrize("body", ["ت", "\ufffd"], ids=["same name", "no name"])
def test_the_dots_and_body_of_a_letter_are_one_letter(body):
    assert text_of(["ا", (None, 0.2), ("ت", 0.0), (None, -0.2), body, "ن", "ب", " ", "م"]) == "م بنتا"


def test_distant_pieces_of_a_line_are_joined_in_logical_order():
    assert text_of([*visual("الثاني"), (None, 1.2), *visual("الأول")]) == "الأول الثاني"


def test_a_line_drawn_from_right_to_left_is_unchanged():
    data = pdf_of([*visual("كتاب جديد")])
    with pymupdf.open(stream=data) as document:
        xref = document[0].get_contents()[0]
        document.update_stream(xref, b"\n".join(reversed(document.xref_stream(xref).split(b"\n"))))
        data = document.tobytes()
    (page,) = parse_pdf(data, ocr=False)[0]
    assert page.text == "كتاب جديد"


def test_other_lines_of_the_page_are_unchanged():
    line = "Plain text (of 2 words)."
    assert line in text_of([*visual("هذا كتاب جديد للأطفال والكبار في المدينة")], line)


def test_a_line_that_is_not_horizontal_is_unchanged():
    data = pdf_of([*visual(" عن"), *"2023", *visual("عام ")])
    with pymupdf.open(stream=data) as document:
        xref = document[0].get_contents()[0]
        document.update_stream(xref, b"0 1 -1 0 800 0 cm\n" + document.xref_stream(xref))
        expected = document[0].get_text().strip()
        data = document.tobytes()
    (page,) = parse_pdf(data, ocr=False)[0]
    assert page.text == expected


def test_table_cells_are_in_logical_order_and_columns_from_the_right():
    data = pdf_of([*visual("عمر"), *[(None, 1.0)] * 6, "لا", *visual("س")], [*"42", *[(None, 1.0)] * 6, *"17"])
    with pymupdf.open(stream=data) as document:
        page = document[0]
        for y in (110, 147, 190):
            page.draw_line((90, y), (250, y))
        for x in (90, 140, 250):
            page.draw_line((x, 110), (x, 190))
        data = document.tobytes()
    (page,) = parse_pdf(data, ocr=False)[0]
    assert "|سلا|عمر|\n|---|---|\n|17|42|" in page.text


def test_the_words_of_a_cell_without_vertical_rules_are_in_the_order_of_their_line():
    words = [(0, 0, 30, 10, "الحساب", 2, 0, 1), (35, 0, 55, 10, "كتاب", 2, 0, 0)]
    assert text_of_words(words) == "كتاب الحساب"


def test_a_ligature_between_two_lams_keeps_its_alef():
    def drawn(text, x0, x1):
        return Character(text, x0, x0, x1, 50.0, VISUAL, False)

    # A producer that has the alef of a ligature before its lam: as in the last word, so in the first one.
    first = [drawn("ل", 0, 5), drawn("ا", 5, 5), drawn("ل", 5, 10), drawn("خ", 10, 15)]
    last = [drawn("م", 0, 5), drawn("ا", 5, 5), drawn("ل", 5, 10), drawn("س", 10, 15)]
    pieces = [DrawnPiece({"bbox": (0.0, 40.0, 15.0, 50.0)}, word, 10.0) for word in (first, last)]
    found = [logical_order([piece], conventions_of([first, last])) for piece in pieces]
    assert ["".join(cluster.text for cluster in word) for word in found] == ["خلال", "سلام"]


@pytest.mark.parametrize("opening, closing", ["()", "[]", ")(", "]["])
def test_brackets_stand_as_they_are_read(opening, closing):
    first, last = sorted("()" if "(" in (opening, closing) else "[]")
    line = [*visual("דבר"), " ", opening, *visual("סעיף"), closing, " ", *visual("זו")]
    assert text_of(line) == f"זו {first}סעיף{last} דבר"


def test_signs_that_are_drawn_in_a_later_pass_stand_in_their_gaps():
    letters = [*visual("דבר"), " ", (None, 0.3), *visual("סעיף"), " ", (None, 0.3), *visual("זו")]
    signs = [(None, 4 * WIDTH), (",", 0.3), (None, 5 * WIDTH), (".", 0.3)]
    assert text_of(letters, signs, pitch=0) == "זו. סעיף, דבר"


def test_cells_close_to_each_other_are_words_of_their_own():
    first, second = [(None, 2 * 2.65 + 1.0), *visual("اسم")], [(None, 2.65), *visual("عدد كل")]
    assert text_of(first, second, visual("مبلغ"), pitch=0) == "اسم عدد كل مبلغ"
