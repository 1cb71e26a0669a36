"""Hindi and Tamil as Pango draws them: early vowels, a late R, and texts of syllables in the table of characters."""

import struct

import pymupdf
import pytest

from ingest.pdf.document import parse_pdf


def program(glyphs):
    """A TrueType font with empty glyphs, of which its table of characters knows those of one character."""
    known = sorted((ord(character), number) for number, character in enumerate(glyphs, 1) if len(character) == 1)
    groups = b"".join(struct.pack(">LLL", code, code, glyph) for code, glyph in known)
    count = len(glyphs) + 1
    tables = {
        b"cmap": struct.pack(">HHHHL", 0, 1, 3, 10, 12)
        + struct.pack(">HHLLL", 12, 0, 16 + len(groups), 0, len(known))
        + groups,
        b"glyf": b"\0\0",
        b"head": struct.pack(
            ">LLLLHH16x4hHHhhh", 0x10000, 0x10000, 0, 0x5F0F3CF5, 0, 1000, 0, 0, 1000, 1000, 0, 8, 2, 1, 0
        ),
        b"hhea": struct.pack(">L3hH11hH", 0x10000, 800, -200, 0, 500, *[0] * 11, count),
        b"hmtx": struct.pack(">Hh", 500, 0) * count,
        b"loca": struct.pack(">L", 0) * (count + 1),
        b"maxp": struct.pack(">LH26x", 0x10000, count),
    }
    place = 12 + 16 * len(tables)
    head, body = struct.pack(">LHHHH", 0x10000, len(tables), 0, 0, 0), b""
    for name, content in tables.items():
        head += name + struct.pack(">LLL", 0, place + len(body), len(content))
        body += content + bytes(-len(content) % 4)
    return head + body


def read(glyphs, *drawn):
    """The text of a page whose glyphs are given as their own character and their text in the PDF, and what is lost."""
    codes = {glyph: f"{number:04x}" for number, glyph in enumerate(glyphs, 1)}
    entries = "\n".join(f"<{codes[glyph]}> <{text.encode('utf-16-be').hex()}>" for glyph, text in glyphs.items())
    zero = " ".join(f"{int(code, 16)} [0]" for glyph, code in codes.items() if glyph.endswith("0"))
    with pymupdf.open() as document:
        page = document.new_page()

        def added(definition, stream=None):
            number = document.get_new_xref()
            document.update_object(number, definition)
            if stream is not None:
                document.update_stream(number, stream)
            return number

        table = added(
            "<<>>",
            b"/CIDInit /ProcSet findresource begin 12 dict begin begincmap /CMapType 2 def\n1 begincodespacerange "
            b"<0000> <ffff> endcodespacerange\n%d beginbfchar\n%s\nendbfchar\nendcmap end end"
            % (len(codes), entries.encode()),
        )
        file = added("<<>>", program([glyph if len(glyph) == 1 else glyph + "?" for glyph in glyphs]))
        descriptor = added(
            f"<</Type/FontDescriptor/FontName/Made/Flags 4/FontBBox[0 -200 1000 800]/Ascent 800/FontFile2 {file} 0 R>>"
        )
        descendant = added(
            "<</Type/Font/Subtype/CIDFontType2/BaseFont/Made/CIDToGIDMap/Identity/CIDSystemInfo<</Registry(Adobe)/Ordering"
            f"(Identity)/Supplement 0>>/FontDescriptor {descriptor} 0 R/DW 500/W[{zero}]>>"
        )
        font = added(
            f"<</Type/Font/Subtype/Type0/BaseFont/Made/Encoding/Identity-H/DescendantFonts[{descendant} 0 R]"
            f"/ToUnicode {table} 0 R>>"
        )
        document.xref_set_key(page.xref, "Resources", f"<</Font<</F {font} 0 R>>>>")
        shown = "".join(codes[glyph] for glyph in drawn)
        document.xref_set_key(
            page.xref, "Contents", f"{added('<<>>', f'BT /F 20 Tf 60 700 Td <{shown}> Tj ET'.encode())} 0 R"
        )
        [page], _, metadata = parse_pdf(document.tobytes(), ocr=False)
        return page.text, metadata.get("partly_read")


def text_of(glyphs, *drawn):
    return read(glyphs, *drawn)[0]


HINDI = {
    "i": "", "ह": "हि", "न्": "न्", "द": "द", "ी": "ी", "त": "त", "म": "मि", "ल": "ल", "े": "े", " ": " ", "श": "श",
    "ा": "ा", "rо0": "र्तों", "य": "य", "प": "प", "r0": "र्या", "व": "व", "ध": "ध",
}  # fmt: skip


@pytest.mark.parametrize(
    ("text", "drawn"),
    [
        ("हिन्दी हल मिल", "i ह न् द ी _ ह ल _ i म ल"),
        ("शर्तों", "श त ा rо0"),
        ("पर्याप्त".replace("प्त", "व"), "प य ा r0 व"),
        ("धर्म हम", "ध म r0 _ ह म"),
    ],
)
def test_hindi_is_written_as_it_is_read(text, drawn):
    assert text_of(HINDI, *[glyph.replace("_", " ") for glyph in drawn.split()]) == text


def test_tamil_vowels_around_a_letter_are_one():
    glyphs = {"\u0bc6": "\u0bc6", "ம": "ம", "\u0bbe": "\u0bae\u0bca", "ழ": "ழ", "ி": "ி"}
    assert text_of(glyphs, "\u0bc6", "ம", "\u0bbe", "ழ", "ி") == "மொழி"


def test_a_font_whose_glyphs_have_their_own_letters_is_left_as_it_is():
    glyphs = {"क": "क", "ि": "ि", "त": "त", "ा": "ा", "ब": "ब", "क्ष0": "क्ष"}
    assert text_of(glyphs, "क", "ि", "त", "ा", "ब") == "किताब"


def test_a_consonant_without_a_text_is_lost_and_no_vowel():
    text, lost = read(HINDI | {"k": ""}, "श", "i", "k", "त")
    assert text == "श ति" and lost.startswith("1 of its letters has no Unicode value")
