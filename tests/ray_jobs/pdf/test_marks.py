"""Marks over Arabic letters stand where they are drawn: over a lam-alef, and at the left end of a line."""

import pytest

from ingest.pdf.document import parse_pdf
from ray_jobs.pdf.test_ligatures import stream

LETTERS = {c: chr(number) for number, c in enumerate("ابتحدرزسشفقكلمنهوي أ", 65)} | {"لا": "a", "لأ": "b"}
MARKS = {"ً": "p", "َ": "q", "ّ": "r"}


def arabic_pdf(*lines):
    """A page with lines of Arabic, drawn from left to right, each mark before its letter and over its middle."""
    contents = []
    for number, line in enumerate(lines):
        x, y = 500, 700 - 40 * number
        glyphs = []
        rest = line
        while rest:
            letters = rest[:2] if rest[:2] in LETTERS else rest[0]
            rest = rest[len(letters) :]
            marks = rest[: len(rest) - len(rest.lstrip("".join(MARKS)))]
            rest = rest[len(marks) :]
            x -= 10
            glyphs.append((x, LETTERS[letters], [MARKS[mark] for mark in marks]))
        for x, letter, marks in reversed(glyphs):
            contents += [f"1 0 0 1 {x - 2} {y + 2} Tm ({mark}) Tj" for mark in marks]
            contents.append(f"1 0 0 1 {x} {y} Tm ({letter}) Tj")
    names = {code: text for text, code in (LETTERS | MARKS).items()}
    entries = [f"<{ord(code):02x}> <{text.encode('utf-16-be').hex()}>" for code, text in names.items()]
    head = "/CIDInit /ProcSet findresource begin 12 dict begin begincmap"
    space, begin = "1 begincodespacerange <00> <ff> endcodespacerange", f"{len(entries)} beginbfchar"
    widths = " ".join("0" if chr(code) in MARKS.values() else "500" for code in range(256))
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Count 1 /Kids [3 0 R] >>",
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 600 800] /Contents 4 0 R "
        b"/Resources << /Font << /F 5 0 R >> >> >>",
        stream(f"BT /F 20 Tf {' '.join(contents)} ET".encode()),
        b"<< /Type /Font /Subtype /TrueType /BaseFont /Made /FirstChar 0 /LastChar 255 /Widths [%s] /ToUnicode 6 0 R"
        b" /FontDescriptor 7 0 R >>" % widths.encode(),
        stream("\n".join([head, space, begin, *entries, "endbfchar endcmap end end"]).encode()),
        b"<< /Type /FontDescriptor /FontName /Made /Flags 4 /FontBBox [0 -200 1000 800] /Ascent 800 /Descent -200"
        b" /CapHeight 700 /ItalicAngle 0 /StemV 80 >>",
    ]
    body = b"".join(b"%d 0 obj\n%s\nendobj\n" % (number, text) for number, text in enumerate(objects, 1))
    return b"%PDF-1.7\n" + body + b"trailer\n<< /Root 1 0 R >>\n%%EOF\n"


def text_of(*lines):
    [page] = parse_pdf(arabic_pdf(*lines), ocr=False)[0]
    return page.text.replace("\n\n", " ")


@pytest.mark.parametrize("word", ["شمالاً", "أهلاً بكم", "فلأَن", "سلَام"])
def test_the_mark_of_a_lam_alef_stands_behind_the_letter_that_bears_it(word):
    assert text_of(f"كتب {word} قلم") == f"كتب {word} قلم"


def test_a_mark_at_the_left_end_of_a_line_stays_in_its_line():
    assert text_of("باب المزاد", "قلم شمالاً", "مدرسة بيت".replace("ة", "ه")) == "باب المزاد قلم شمالاً مدرسه بيت"


def test_a_mark_that_two_glyphs_have_is_there_once():
    assert text_of("إنَّّ كتب".replace("إ", "أ")) == "أنَّ كتب"
