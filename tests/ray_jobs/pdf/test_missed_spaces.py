"""Words of scripts behind whose letters MuPDF infers no space are parted where a producer draws no space characters."""

import pymupdf
import pytest

from ingest.pdf.document import parse_pdf

TEXTS = {
    "Amharic": "የሰው ልጅ ሁሉ ሲወለድ ነጻና",
    "Georgian": "ყველა ადამიანი იბადება თავისუფალი",
    "Hindi": "सभी मनष यो गौरव और अधकार",
    "Vietnamese": "cả mọi người ở về tự do và lẽ phải",
}


def read(text, gap=300, spaces=False):
    """The text of a line of words with gaps in thousandths of the font size, by a font whose letters have 500."""
    letters = {letter: code for code, letter in enumerate(sorted(set(text)), 1)}
    with pymupdf.open() as document:
        page = document.new_page()
        descriptor, descendant, table, font, stream = (document.get_new_xref() for _ in range(5))
        document.update_object(
            descriptor,
            "<</Type/FontDescriptor/FontName/Body/Flags 4/FontBBox[0 -200 1000 800]/Ascent 800/Descent -200>>",
        )
        document.update_object(
            descendant,
            "<</Type/Font/Subtype/CIDFontType2/BaseFont/Body/CIDSystemInfo<</Registry(Adobe)/Ordering(Identity)"
            f"/Supplement 0>>/DW 500/FontDescriptor {descriptor} 0 R>>",
        )
        document.update_object(
            font,
            "<</Type/Font/Subtype/Type0/BaseFont/Body/Encoding/Identity-H"
            f"/DescendantFonts[{descendant} 0 R]/ToUnicode {table} 0 R>>",
        )
        entries = "\n".join(f"<{code:04x}> <{ord(letter):04x}>" for letter, code in letters.items())
        cmap = f"1 begincodespacerange <0000> <ffff> endcodespacerange {len(letters)} beginbfchar\n{entries}\nendbfchar"
        words = [f"<{''.join(f'{letters[letter]:04x}' for letter in word)}>" for word in text.split()]
        between = f" -{gap} " if not spaces else f" <{letters[' ']:04x}> "
        contents = f"BT /F0 14 Tf 60 700 Td [{between.join(words)}] TJ ET"
        for number, content in ((table, cmap), (stream, contents)):
            document.update_object(number, "<<>>")
            document.update_stream(number, content.encode())
        document.xref_set_key(page.xref, "Resources", f"<</Font<</F0 {font} 0 R>>>>")
        document.xref_set_key(page.xref, "Contents", f"{stream} 0 R")
        [result], _, _ = parse_pdf(document.tobytes(), ocr=False)
        return result.text


@pytest.mark.parametrize("language", TEXTS)
def test_words_that_gaps_part_are_words(language):
    assert read(TEXTS[language]) == TEXTS[language]


@pytest.mark.parametrize("language", TEXTS)
def test_small_gaps_part_no_words(language):
    assert read(TEXTS[language], gap=60) == TEXTS[language].replace(" ", "")


@pytest.mark.parametrize("language", TEXTS)
def test_words_with_space_characters_stay(language):
    assert read(TEXTS[language], spaces=True) == TEXTS[language]


def test_thai_letters_with_gaps_are_not_parted():
    assert read("มนษย ทงหลาย") == "มนษยทงหลาย"
