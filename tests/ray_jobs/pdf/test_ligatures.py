"""Arabic words with lam-alef ligatures, which fonts draw as one glyph."""

import zlib

import pytest

from ingest.pdf.document import parse_pdf

LIGATURES = {"لا": "A", "لأ": "B", "لإ": "C", "لآ": "D"}
LETTERS = dict(zip("ابتجحخدرسشعغفقكلمنهوية", "abcdefghijklmnopqrstuvw", strict=False)) | {" ": " ", "أ": "x", "إ": "y"}


def stream(data, extra=b""):
    packed = zlib.compress(data)
    return b"<< %s /Length %d /Filter /FlateDecode >>\nstream\n%s\nendstream" % (extra, len(packed), packed)


def arabic_pdf(text, visual=False):
    """A page with one line of Arabic, whose glyphs are drawn from left to right.

    Args:
        text: the line in logical order.
        visual: the font lists the letters of its ligatures from left to right, not in logical order.
    """
    codes, rest = [], text
    while rest:
        ligature = LIGATURES.get(rest[:2])
        codes.append(ligature or LETTERS[rest[0]])
        rest = rest[2 if ligature else 1 :]
    names = {code: letter for letter, code in LETTERS.items()}
    names |= {code: letters[::-1] if visual else letters for letters, code in LIGATURES.items()}
    entries = [f"<{ord(code):02x}> <{letters.encode('utf-16-be').hex()}>" for code, letters in names.items()]
    head = "/CIDInit /ProcSet findresource begin 12 dict begin begincmap"
    space, begin = "1 begincodespacerange <00> <ff> endcodespacerange", f"{len(entries)} beginbfchar"
    cmap = "\n".join([head, space, begin, *entries, "endbfchar endcmap end end"])
    shown = "".join(reversed(codes))
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Count 1 /Kids [3 0 R] >>",
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 600 200] /Contents 4 0 R "
        b"/Resources << /Font << /F 5 0 R >> >> >>",
        stream(f"BT /F 20 Tf 50 100 Td ({shown}) Tj ET".encode()),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /ToUnicode 6 0 R >>",
        stream(cmap.encode()),
    ]
    body = b"".join(b"%d 0 obj\n%s\nendobj\n" % (number, text) for number, text in enumerate(objects, 1))
    return b"%PDF-1.7\n" + body + b"trailer\n<< /Root 1 0 R >>\n%%EOF\n"


@pytest.mark.parametrize("visual", [False, True])
@pytest.mark.parametrize("text", ["الإنتاج", "حلال", "الأسئلة".replace("ئ", "ي"), "الآن", "سلام علي", "البيت", "لالا"])
def test_words_with_lam_alef_are_in_logical_order(text, visual):
    pages, _, _ = parse_pdf(arabic_pdf(text, visual), ocr=False)
    assert [page.text for page in pages] == [text]
