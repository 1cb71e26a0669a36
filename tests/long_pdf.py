"""A PDF whose pages depend on each other, and the cuts that divide it into ranges; child processes import them too."""

import os
import signal
from dataclasses import dataclass
from pathlib import Path

import pymupdf
from tokenizers import Tokenizer, models, pre_tokenizers

PROSE = (
    "the keeper of the northern light writes into the log that the brass lens was polished at dawn by hand, and that a "
    "pilot cutter anchored at noon. Two barrels of paraffin were landed by the tender Marigold on the spring tide. "
)
TURNED = "מגדלור"
BROKEN = 14
"""The page whose contents are damaged."""

SCANNED = 7


def tokenizer_json() -> str:
    """A tokenizer of one token for each word, which needs no model."""
    tokenizer = Tokenizer(models.WordLevel({"[UNK]": 0}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    return tokenizer.to_str()


@dataclass(frozen=True)
class Every:
    """Ends a range after so many pages."""

    pages: int

    def __call__(self, seconds, rest):
        return len(seconds) >= self.pages


@dataclass(frozen=True)
class KillOnce:
    """Kills the process after its first page, unless the file is there, which it makes; ranges have one page."""

    file: Path

    def __call__(self, seconds, rest):
        if not self.file.exists():
            self.file.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return True


def long_pdf() -> bytes:
    """Headings, running heads, words and tables across pages, line numbers, a figure twice, and a page of each kind."""
    with pymupdf.open() as document:
        for number in range(1, 16):
            page = document.new_page(width=612, height=792)
            page.insert_text((72, 40), "The log of the northern light", fontsize=9)
            page.insert_text((300, 770), f"{number}", fontsize=9)
        _prose(document[0], "Chapter one")
        document[0].insert_image((72, 500, 272, 700), pixmap=_picture())
        _prose(document[1], "Of the lamp")
        document[1].insert_text((72, 740), "The wick was trimmed and the reflec-", fontsize=11)
        document[2].insert_text((72, 100), "tor was polished before dusk, and then once more.", fontsize=11)
        _table(document[2], 600, ["Month", "Oil", "May", "12", "June", "9"])
        _table(document[3], 80, ["July", "7", "August", "8", "September", "14"])
        _prose(document[4], "Chapter two")
        _turned_line(document[5])
        document[SCANNED - 1].insert_image(document[SCANNED - 1].rect, pixmap=_picture())
        for number in range(8, 12):
            _numbered(document[number - 1], 28 * (number - 8))
        for number in (12, 13, BROKEN):
            _prose(document[number - 1], f"Of storm {'I' * (number - 11)}")
        document[14].insert_image((72, 500, 272, 700), pixmap=_picture())
        _prose(document[14], "Chapter three")
        (content,) = document[BROKEN - 1].get_contents()[-1:]
        document.update_stream(content, b"zlib no more", compress=False)
        document.xref_set_key(content, "Filter", "/FlateDecode")
        return document.tobytes(no_new_id=True)


def _prose(page, title):
    page.insert_text((72, 90), title, fontsize=18)
    page.insert_textbox((72, 110, 540, 480), PROSE.capitalize() * 3, fontsize=11)


def _table(page, top, cells):
    for row in range(4):
        page.draw_line((72, top + 20 * row), (372, top + 20 * row))
    for column in range(3):
        page.draw_line((72 + 150 * column, top), (72 + 150 * column, top + 60))
    for place, cell in enumerate(cells):
        page.insert_text((80 + 150 * (place % 2), top + 14 + 20 * (place // 2)), cell, fontsize=10)


def _numbered(page, before):
    """Lines of prose with numbers beside them, which count on from page to page."""
    words = PROSE.split() * 20
    for row in range(28):
        page.insert_text((80, 80 + 20 * row), str(before + row + 1), fontsize=11)
        page.insert_text((108, 80 + 20 * row), " ".join(words[12 * row : 12 * row + 12]), fontsize=11)


def _turned_line(page):
    """A line of Hebrew whose letters are drawn one by one from left to right, as many programs do."""
    document = page.parent

    def added(definition, stream=None):
        xref = document.get_new_xref()
        document.update_object(xref, definition)
        if stream is not None:
            document.update_stream(xref, stream.encode())
        return f"{xref} 0 R"

    table = "\n".join(f"<{code:04x}> <{letter.encode('utf-16-be').hex()}>" for code, letter in enumerate(TURNED, 1))
    to_unicode = added(
        "<<>>",
        "/CIDInit /ProcSet findresource begin 12 dict begin begincmap /CMapType 2 def\n"
        f"1 begincodespacerange <0000> <ffff> endcodespacerange\n{len(TURNED)} beginbfchar\n{table}\nendbfchar\n"
        "endcmap end end",
    )
    descriptor = added("<</Type/FontDescriptor/FontName/Made/Flags 4/FontBBox[0 -200 1000 800]/Ascent 800>>")
    descendant = added(
        "<</Type/Font/Subtype/CIDFontType2/BaseFont/Made/CIDSystemInfo<</Registry(Adobe)/Ordering(Identity)/Supplement "
        f"0>>/FontDescriptor {descriptor}/DW 500>>"
    )
    font = added(
        f"<</Type/Font/Subtype/Type0/BaseFont/Made/Encoding/Identity-H/DescendantFonts[{descendant}]"
        f"/ToUnicode {to_unicode}>>"
    )
    drawn = [f"BT /F 12 Tf {100 + 6 * place} 600 Td <{len(TURNED) - place:04x}> Tj ET" for place in range(len(TURNED))]
    document.xref_set_key(page.xref, "Resources", f"<</Font<</F {font}>>>>")
    document.xref_set_key(page.xref, "Contents", added("<<>>", "\n".join(drawn)))


def _picture():
    """A picture with a gradient, large enough for a figure."""
    pixels = bytes((x * y) % 256 for y in range(200) for x in range(200) for _ in range(3))
    return pymupdf.Pixmap(pymupdf.csRGB, 200, 200, pixels, False)
