"""A font without an encoding in the PDF has that of its own program, whose names may be those of ligatures."""

import pymupdf
import pytest

from ingest.pdf.document import parse_pdf

NAMES = {32: "space", 97: "a", 101: "e", 196: "t_h", 199: "f_f_i", 202: "f_t.liga", 203: "uni0073_uni0074", 204: "T_h"}
STANDARD_STRINGS = 391
"""Number of the names that every CFF program knows (Adobe Technical Note 5176, appendix A)."""
SHOWN, TEXT = b"e\\304e e\\307e a\\312e a\\313a \\314e", "ethe effie afte asta The"


def index(*objects):
    """An index of a CFF program."""
    starts = [1]
    for content in objects:
        starts.append(starts[-1] + len(content))
    head = len(objects).to_bytes(2) + (b"\x02" + b"".join(start.to_bytes(2) for start in starts) if objects else b"")
    return head + b"".join(objects)


def number(value):
    return b"\x1d" + value.to_bytes(4)


def by_codes(codes):
    return bytes([0, len(codes), *codes])


def by_ranges(codes):
    return bytes([1, len(codes)]) + b"".join(bytes([code, 0]) for code in codes)


def with_supplement(codes):
    """The last glyph has its code only in the supplement."""
    last = STANDARD_STRINGS + len(codes) - 1
    return bytes([128, len(codes) - 1, *codes[:-1], 1, codes[-1]]) + last.to_bytes(2)


def strings_in_turn(count):
    return b"\x00" + b"".join((STANDARD_STRINGS + place).to_bytes(2) for place in range(count))


def strings_in_a_range(count):
    return b"\x02" + STANDARD_STRINGS.to_bytes(2) + (count - 1).to_bytes(2)


def cff(encode=by_codes, charset=strings_in_turn):
    """A program whose glyphs are all the same box."""
    box = bytes([28, 1, 244, 239, 239, 21, 239, 6, 239, 7, 39, 6, 14])  # width 500, move, three sides
    head = b"\x01\x00\x04\x02" + index(b"Lamp")
    encoding, glyphs = encode(list(NAMES)), charset(len(NAMES))
    outlines = index(*[box] * (len(NAMES) + 1))
    rest = index(*(name.encode() for name in NAMES.values())) + index()
    start = len(head) + len(index(bytes(26))) + len(rest)
    places = [start, start + len(glyphs), start + len(glyphs) + len(encoding)]
    end = places[2] + len(outlines)
    parts = [number(place) + operator for place, operator in zip(places, (b"\x0f", b"\x10", b"\x11"), strict=True)]
    dictionary = b"".join(parts) + b"\x8b" + number(end) + b"\x12"
    return head + index(dictionary + b"\x8b" * (26 - len(dictionary))) + rest + glyphs + encoding + outlines


def opentype():
    program = cff()
    return b"OTTO\x00\x01" + bytes(6) + b"CFF " + bytes(4) + (28).to_bytes(4) + len(program).to_bytes(4) + program


def encrypted(text, key):
    """Bytes as a Type 1 program has them, behind four others (Adobe Type 1 Font Format, chapter 7)."""
    found = bytearray()
    for byte in bytes(4) + text:
        found.append(byte ^ key >> 8)
        key = (found[-1] + key) * 52845 + 22719 & 0xFFFF
    return bytes(found)


def type1():
    encoded = "\n".join(f"dup {code} /{name} put" for code, name in NAMES.items())
    clear = (
        "%!PS-AdobeFont-1.0: Lamp\n9 dict begin\n/FontName /Lamp def\n/PaintType 0 def\n/FontType 1 def\n"
        "/FontMatrix [0.001 0 0 0.001 0 0] readonly def\n/Encoding 256 array\n0 1 255 {1 index exch /.notdef put} for\n"
        f"{encoded}\nreadonly def\n/FontBBox {{0 0 500 500}} readonly def\ncurrentdict end\ncurrentfile eexec\n"
    )
    box = bytes([139, 248, 136, 13, 239, 6, 239, 7, 39, 6, 9, 14])  # width 500, three sides
    outline = encrypted(box, 4330)
    glyphs = b"".join(
        f"/{name} {len(outline)} RD ".encode() + outline + b" ND\n" for name in (".notdef", *NAMES.values())
    )
    private = (
        b"dup /Private 8 dict dup begin\n/RD {string currentfile exch readstring pop} executeonly def\n"
        b"/ND {noaccess def} executeonly def\n/NP {noaccess put} executeonly def\n/BlueValues [] def\n"
        b"/MinFeature {16 16} def\n/password 5839 def\n/lenIV 4 def\n"
        + f"2 index /CharStrings {len(NAMES) + 1} dict dup begin\n".encode()
        + glyphs
        + b"end\nend\nreadonly put\nnoaccess put\ndup /FontName get exch definefont pop\nmark currentfile closefile\n"
    )
    return clear.encode() + encrypted(private, 55665) + b"\n" + (b"0" * 64 + b"\n") * 8 + b"cleartomark\n"


def text_of(program, key="FontFile3", encoding=""):
    with pymupdf.open() as document:
        page = document.new_page()
        page.insert_text((50, 100), "x", fontname="helv")
        [(font, *_)] = page.get_fonts()
        file, descriptor = document.get_new_xref(), document.get_new_xref()
        document.update_object(file, "<</Subtype/Type1C>>")
        document.update_stream(file, program)
        named = "/Type/FontDescriptor/FontName/Lamp/Flags 4/FontBBox[0 0 500 500]/StemV 80"
        document.update_object(descriptor, f"<<{named}/{key} {file} 0 R>>")
        base = "/Type/Font/Subtype/Type1/BaseFont/Lamp/FirstChar 0/LastChar 255"
        widths = "500 " * 256
        described = f"/Widths[{widths}]/FontDescriptor {descriptor} 0 R{encoding}"
        document.update_object(font, f"<<{base}{described}>>")
        document.update_stream(page.get_contents()[0], b"BT /helv 12 Tf 50 700 Td (" + SHOWN + b") Tj ET")
        [page], _, _ = parse_pdf(document.tobytes(), ocr=False)
        return page.text


@pytest.mark.parametrize("encode", [by_codes, by_ranges, with_supplement])
@pytest.mark.parametrize("charset", [strings_in_turn, strings_in_a_range])
def test_a_compact_font_in_any_form_has_all_letters_of_its_ligatures(encode, charset):
    assert text_of(cff(encode, charset)) == TEXT


def test_a_compact_font_within_an_opentype_font_has_all_letters_of_its_ligatures():
    assert text_of(opentype()) == TEXT


@pytest.mark.parametrize(("program", "key"), [(cff(), "FontFile3"), (type1(), "FontFile")])
@pytest.mark.parametrize("encoding", ["", "/Encoding<</Type/Encoding/Differences[98/b]>>"])
def test_a_ligature_that_only_the_program_of_a_font_names_has_all_of_its_letters(program, key, encoding):
    assert text_of(program, key, encoding) == TEXT


def test_an_encoding_of_the_pdf_goes_before_that_of_the_program():
    assert text_of(cff(), encoding="/Encoding/WinAnsiEncoding") == "eÄe eÇe aÊe aËa Ìe"
    differences = "/Encoding<</Type/Encoding/Differences[196/a/b/b/c_t]>>"
    assert text_of(cff(), encoding=differences) == "eae ecte afte asta The"


@pytest.mark.parametrize("length", range(3, len(cff()) - 30, 7))
def test_a_program_that_is_cut_off_costs_no_names_of_the_pdf(length):
    encoding = "/Encoding<</Type/Encoding/Differences[202/f_t]>>"
    assert "afte a" in text_of(cff()[:length], encoding=encoding)
