"""Arabic and Hebrew out of PDFs, made here glyph by glyph, as programs draw them: letters from left to right."""

import pymupdf
import pytest

from ingest.pdf.document import parse_pdf

WIDTH = 0.5
"""Of every glyph, in sizes of the type; marks have none."""


def drawn(*lines, size=10.0):
    """A PDF whose lines hold these glyphs one beside another from left to right.

    A glyph is its text. A tuple is text and width; None moves on without drawing, as far as its width.
    """
    glyphs = [[glyph if isinstance(glyph, tuple) else (glyph, WIDTH) for glyph in line] for line in lines]
    fonts = sorted({glyph for line in glyphs for glyph in line if glyph[0] is not None})
    codes = {glyph: code for code, glyph in enumerate(fonts, 1)}
    texts = "\n".join(f"<{code:04x}> <{text.encode('utf-16-be').hex()}>" for (text, _), code in codes.items())
    widths = " ".join(f"{code} [{1000 * width:.0f}]" for (_, width), code in codes.items())
    content = []
    for number, line in enumerate(glyphs):
        x = 100.0
        for text, width in line:
            if text is not None:
                content.append(f"BT /F {size} Tf {x:.2f} {700 - 40 * number} Td <{codes[text, width]:04x}> Tj ET")
            x += width * size
    with pymupdf.open() as document:
        page = document.new_page()

        def added(definition, stream=None):
            xref = document.get_new_xref()
            document.update_object(xref, definition)
            if stream is not None:
                document.update_stream(xref, stream.encode())
            return xref

        to_unicode = added(
            "<<>>",
            "/CIDInit /ProcSet findresource begin 12 dict begin begincmap /CMapType 2 def\n"
            f"1 begincodespacerange <0000> <ffff> endcodespacerange\n{len(codes)} beginbfchar\n{texts}\nendbfchar\n"
            "endcmap end end",
        )
        descriptor = added("<</Type/FontDescriptor/FontName/Made/Flags 4/FontBBox[0 -200 1000 800]/Ascent 800>>")
        descendant = added(
            "<</Type/Font/Subtype/CIDFontType2/BaseFont/Made/CIDSystemInfo<</Registry(Adobe)/Ordering(Identity)"
            f"/Supplement 0>>/FontDescriptor {descriptor} 0 R/DW 500/W[{widths}]>>"
        )
        font = added(
            f"<</Type/Font/Subtype/Type0/BaseFont/Made/Encoding/Identity-H/DescendantFonts[{descendant} 0 R]"
            f"/ToUnicode {to_unicode} 0 R>>"
        )
        document.xref_set_key(page.xref, "Resources", f"<</Font<</F {font} 0 R>>>>")
        document.xref_set_key(page.xref, "Contents", f"{added('<<>>', chr(10).join(content))} 0 R")
        return document.tobytes()


def text_of(*lines):
    (page,) = parse_pdf(drawn(*lines), ocr=False)[0]
    return page.text


def backwards(text):
    return list(reversed(text))


def test_the_letters_of_a_ligature_keep_their_order():
    assert text_of([*backwards("م"), "لا", *backwards("س")]) == "سلام"


def test_all_four_ligatures_of_lam_and_alef_keep_their_order():
    assert text_of(["لآ", " ", "لأ", " ", "لإ", " ", "لا"]) == "لا لإ لأ لآ"


def test_shapes_of_letters_become_letters_in_their_order():
    assert text_of(["ﻡ", "ﻼ", "ﺳ", "ﻟ", "ﺍ"]) == "السلام"


def test_digits_of_arabic_keep_their_order():
    assert text_of([*"٢٠٢٠", " ", *backwards("سنة")]) == "سنة ٢٠٢٠"


def test_numbers_stand_where_they_are_read():
    line = [*backwards(" عن"), *"12/05/2021", *backwards("بلغ في ")]
    assert text_of(line) == "بلغ في 12/05/2021 عن"


def test_words_of_latin_letters_stand_where_they_are_read():
    line = [*backwards(" مع العلم"), *"Python 3", *backwards("لغة ")]
    assert text_of(line) == "لغة Python 3 مع العلم"


def test_words_of_hebrew_stand_where_they_are_read():
    line = [*"11", *backwards("עובד: "), " ", *"01001", *backwards("מחלקה: ")]
    assert text_of(line) == "מחלקה: 01001 עובד: 11"


def test_a_word_of_hebrew_in_an_english_line_leaves_it_as_it_is():
    assert text_of([*"The word ", *backwards("שלום עולם"), *" means peace"]) == "The word שלום עולם means peace"


def test_marks_that_are_drawn_before_their_letter_stay_with_it():
    mark = ("\u05b8", 0.0)
    assert text_of(["א", "ר", mark, "ב", " ", "ם", mark, "ש"]) == "שָם בָרא"


def test_marks_that_come_from_the_glyph_of_a_letter_stay_with_it():
    assert text_of(["א", "רָ", " ", "בָ", "ש"]) == "שבָ רָא"


def test_dots_that_are_glyphs_of_their_own_part_no_word():
    # The dots have the letter's name; the letter's body beside them is drawn, and has none.
    line = ["م", " ", "ن", (None, 0.1), ("ت", 0.0), (None, 0.4), "ا", "م", "س", " ", "ل"]
    assert text_of(line) == "ل سماتن م"


@pytest.mark.parametrize("body", ["ت", "\ufffd"], ids=["same name", "no name"])
def test_the_dots_and_the_body_of_a_letter_are_one_letter(body):
    assert text_of(["ا", (None, 0.2), ("ت", 0.0), (None, -0.2), body, "ن", "ب", " ", "م"]) == "م بنتا"


def test_pieces_of_a_line_that_are_drawn_apart_are_joined_in_their_order():
    assert text_of([*backwards("الثاني"), (None, 1.2), *backwards("الأول")]) == "الأول الثاني"


def test_a_line_drawn_from_right_to_left_stays_as_it_is():
    data = drawn([*backwards("كتاب جديد")])
    with pymupdf.open(stream=data) as document:
        xref = document[0].get_contents()[0]
        document.update_stream(xref, b"\n".join(reversed(document.xref_stream(xref).split(b"\n"))))
        data = document.tobytes()
    (page,) = parse_pdf(data, ocr=False)[0]
    assert page.text == "كتاب جديد"


def test_other_lines_of_the_page_are_left_alone():
    line = "Plain text (of 2 words)."
    assert line in text_of([*backwards("هذا كتاب جديد للأطفال والكبار في المدينة")], line)


def test_a_line_that_is_not_level_is_left_as_mupdf_has_it():
    data = drawn([*backwards(" عن"), *"2023", *backwards("عام ")])
    with pymupdf.open(stream=data) as document:
        xref = document[0].get_contents()[0]
        document.update_stream(xref, b"0 1 -1 0 800 0 cm\n" + document.xref_stream(xref))
        expected = document[0].get_text().strip()
        data = document.tobytes()
    (page,) = parse_pdf(data, ocr=False)[0]
    assert page.text == expected


def test_cells_of_a_table_keep_their_letters():
    data = drawn([*backwards("عمر"), *[(None, 1.0)] * 6, "لا", *backwards("س")], [*"42", *[(None, 1.0)] * 6, *"17"])
    with pymupdf.open(stream=data) as document:
        page = document[0]
        for y in (110, 147, 190):
            page.draw_line((90, y), (250, y))
        for x in (90, 140, 250):
            page.draw_line((x, 110), (x, 190))
        data = document.tobytes()
    (page,) = parse_pdf(data, ocr=False)[0]
    assert "|عمر|سلا|" in page.text
