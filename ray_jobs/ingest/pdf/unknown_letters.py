"""Finds the letters of glyphs that have no Unicode value in a PDF, by the fonts that are embedded in it.

Some producers leave glyphs out of a font's table of characters, mostly ligatures, or map them to U+FFFD, U+0000 or an
area for private use. The program of the font often knows them by its own table or by their names.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from difflib import SequenceMatcher
from typing import TYPE_CHECKING, Any

from ingest.common.sandbox_child import report_progress
from ingest.common.text import MEANINGLESS
from ingest.pdf.character_tables import characters_of, forget_fonts, set_characters
from ingest.pdf.geometry import Box
from ingest.pdf.glyph_names import characters_of_name
from ingest.pdf.memory import check_memory
from ingest.pdf.ocr import read_line
from ingest.pdf.scripts import is_read_by_ocr

if TYPE_CHECKING:
    from pymupdf import Document, Page

UNKNOWN, UNKNOWN_CODE = "\ufffd", 0xFFFD

MIN_WORD = 3
"""Number of unknown glyphs beside each other that are a word: one or two alone are a symbol."""

MAX_GLYPHS, MAX_SAMPLES = 12, 3
"""Maximum number of unknown glyphs of a page that are read by OCR, and of lines in which each is read."""

MAX_LETTERS = 4
"""Maximum number of letters of a ligature."""

NAME_LENGTH = 31
"""Number of characters of a font's name that MuPDF keeps."""

_SUBSET = re.compile(r"[A-Z]{6}\+")
_RUN = re.compile(f"(?:{MEANINGLESS.pattern})+")
# Names that only count the glyphs of a font.
_NUMBERED = re.compile(r"(?:glyph|cid|index|[A-Za-z])?[-_.]?\d*")


def add_letters_of_fonts(page: Page, content: dict[str, Any], cleaned: set[int]) -> bool:
    """Give the fonts of a page tables with the letters that their programs know.

    Args:
        page: the page.
        content: the result of `page.get_text("dict")`.
        cleaned: the fonts whose tables are known to have only characters with a meaning.

    Returns:
        Whether the text of the page has changed.
    """
    names = {
        span["font"]
        for line in lines_of(content)
        for span in line["spans"]
        if not span["text"].isascii() and MEANINGLESS.search(span["text"])
        if _in_words("".join([other["text"] for other in line["spans"]]))
    }
    if not names:
        return False
    changed = False
    try:
        fonts = {
            font: {name_in_spans(name) for name in _names(page.parent, font)}
            for font, *_ in page.get_fonts()
            if font > 0
        }
        for font, of_font in fonts.items():
            if font not in cleaned and of_font & {name[:NAME_LENGTH] for name in names}:
                cleaned.add(font)
                changed = _drop_meaningless(page.parent, font) or changed
        unknown: defaultdict[int, dict[int, int]] = defaultdict(dict)
        for font, code, glyph in unknown_glyphs(page).values():
            unknown[font][code] = glyph
        for font, glyphs in unknown.items():
            program = _program(page.parent, font, set(glyphs.values()))
            if letters := {code: program[glyph] for code, glyph in glyphs.items() if glyph in program}:
                set_characters(page.parent, font, characters_of(page.parent, font) | letters)
                changed = True
    except Exception as error:  # a font that is broken
        check_memory(error)
    return changed


def lines_of(content: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield the lines of `page.get_text("dict")`."""
    for block in content["blocks"]:
        yield from block.get("lines", ())


def spans_of(content: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield the spans of `page.get_text("dict")`."""
    for line in lines_of(content):
        yield from line["spans"]


def name_in_spans(name: str) -> str:
    """Return the name that spans have of a font: without the tag of a subset, and cut off."""
    return _SUBSET.sub("", name)[:NAME_LENGTH]


def lost_letters(content: dict[str, Any]) -> int:
    """Return how many letters within words of `page.get_text("dict")` have no Unicode value."""
    return sum(
        len(_in_words(span["text"])) for span in spans_of(content) if UNKNOWN in span["text"] and span["alpha"] > 0
    )


def _in_words(text: str) -> list[int]:
    """Return the places of unknown characters beside a letter, or of so many that they are a word."""
    found: list[int] = []
    for run in _RUN.finditer(text):
        start, end = run.span()
        if end - start >= MIN_WORD or text[start - 1 : start].isalpha() or text[end : end + 1].isalpha():
            found += range(start, end)
    return found


@contextmanager
def letters_as_shown(page: Page) -> Iterator[None]:
    """Give the fonts of a page, for a while, the letters of its words that have no Unicode value, as OCR reads them.

    They are not kept for other pages: there, other lines may be read otherwise.

    Raises:
        MemoryError: there is not enough memory for the image or the model.
    """
    document = page.parent
    tables: dict[int, str] = {}
    try:
        for font, letters in _read_letters(page).items():
            tables[font] = document.xref_get_key(font, "ToUnicode")[1]
            set_characters(document, font, characters_of(document, font) | letters)
        yield
    finally:
        for font, table in tables.items():
            document.xref_set_key(font, "ToUnicode", table)
        forget_fonts()


def _read_letters(page: Page) -> dict[int, dict[int, str]]:
    """Return letters without a Unicode value as OCR reads them within words: by font's object and code.

    The text around a glyph says which part of a line it is. Of several lines, most have to agree.

    Raises:
        MemoryError: there is not enough memory for the image or the model.
    """
    known = unknown_glyphs(page)
    shown: defaultdict[tuple[int, int], list[tuple[Box, str, list[tuple[int, int] | None]]]] = defaultdict(list)
    is_read = is_read_by_ocr(page.get_text()) if known else False
    for line in lines_of(page.get_text("rawdict", flags=_flags())) if known else ():
        glyphs = [c for span in line["spans"] for c in span["chars"] if not c["c"].isspace()]
        text = "".join([c["c"] for c in glyphs])
        is_likely_read = is_read_by_ocr(text) if text.strip(UNKNOWN) else is_read
        if UNKNOWN not in text or line["dir"] != (1.0, 0.0) or not is_likely_read:
            continue
        keys = [known[_place(c["origin"])][:2] if _place(c["origin"]) in known else None for c in glyphs]
        for key in {keys[index] for index in _in_words(text)}:
            if key is not None:
                shown[key].append((line["bbox"], text, keys))
    votes: defaultdict[tuple[int, int], Counter[str]] = defaultdict(Counter)
    read: set[Box] = set()
    for samples in list(shown.values())[:MAX_GLYPHS]:
        for box, text, keys in sorted(samples, key=lambda sample: -len(sample[1]))[:MAX_SAMPLES]:
            if box not in read:
                read.add(box)
                for key, letters in _aligned(text, keys, read_line(page, box).split()):
                    votes[key][letters] += 1
                report_progress()
    found: defaultdict[int, dict[int, str]] = defaultdict(dict)
    for (font, code), counted in votes.items():
        letters, count = counted.most_common(1)[0]
        if 2 * count > counted.total():
            found[font][code] = letters
    return found


def _aligned(
    text: str, keys: Sequence[tuple[int, int] | None], words: Sequence[str]
) -> Iterator[tuple[tuple[int, int], str]]:
    """Yield the unknown glyphs of a line, and the letters that stand in its OCR in their places."""
    if set(text) == {UNKNOWN}:  # the glyph of the space may be one of them
        seen = next((seen for seen in ("".join(words), " ".join(words)) if len(seen) == len(text)), "")
        yield from ((key, letter) for key, letter in zip(keys, seen, strict=False) if key is not None)
        return
    seen = "".join(words)
    for kind, start, end, first, last in SequenceMatcher(None, text, seen, autojunk=False).get_opcodes():
        key = keys[start] if kind == "replace" and end == start + 1 else None
        if key is not None and last - first <= MAX_LETTERS:
            yield key, seen[first:last]


def unknown_glyphs(page: Page) -> dict[tuple[float, float], tuple[int, int, int]]:
    """Return the glyphs of a page without a Unicode value, by their origin in points, to one decimal.

    Returns:
        The number of the font's object, the code in the PDF, and the number of the glyph in the font. Fonts of the same
        name, which cannot be told apart, are left out.
    """
    import pymupdf

    fonts: defaultdict[str, set[int]] = defaultdict(set)
    for font, *_ in page.get_fonts():
        for name in _names(page.parent, font) if font > 0 else ():
            fonts[name[:NAME_LENGTH]].add(font)
    glyphs: dict[tuple[float, float], tuple[int, int]] = {}
    pymupdf.TOOLS.set_subset_fontnames(True)
    try:
        for span in page.get_texttrace():
            of_name = fonts[span["font"]]
            for unicode, glyph, origin, _ in span["chars"] if len(of_name) == 1 else ():
                if unicode == UNKNOWN_CODE:
                    glyphs[_place(origin)] = min(of_name), glyph
    finally:
        pymupdf.TOOLS.set_subset_fontnames(False)
    found: dict[tuple[float, float], tuple[int, int, int]] = {}
    flags = _flags() | pymupdf.TEXT_CID_FOR_UNKNOWN_UNICODE
    for span in spans_of(page.get_text("rawdict", flags=flags)) if glyphs else ():
        for c in span["chars"]:
            place = _place(c["origin"])
            if place in glyphs and not c["synthetic"]:
                font, glyph = glyphs[place]
                found[place] = font, ord(c["c"]), glyph
    return found


def _flags() -> int:
    import pymupdf

    return int(pymupdf.TEXT_PRESERVE_WHITESPACE | pymupdf.TEXT_PRESERVE_LIGATURES)


def _place(origin: tuple[float, float]) -> tuple[float, float]:
    return round(origin[0], 1), round(origin[1], 1)


def _names(document: Document, font: int) -> set[str]:
    """Return the names that MuPDF may give a font; none if its codes are not the numbers that MuPDF gives."""
    paths = ["BaseFont", "FontDescriptor/FontName", "Name"]
    if document.xref_get_key(font, "Subtype")[1] == "/Type0":
        if document.xref_get_key(font, "Encoding")[1] not in ("/Identity-H", "/Identity-V"):
            return set()
        paths = ["BaseFont", "DescendantFonts/0/BaseFont", "DescendantFonts/0/FontDescriptor/FontName"]
    return {_name(document, font, path) for path in paths} - {""}


def _name(document: Document, font: int, path: str) -> str:
    import pymupdf

    mupdf = pymupdf.mupdf
    found = mupdf.pdf_new_indirect(pymupdf._as_pdf_document(document), font, 0)
    for part in path.split("/"):
        found = mupdf.pdf_array_get(found, int(part)) if part.isdigit() else mupdf.pdf_dict_gets(found, part)
    return str(mupdf.pdf_to_name(found))


def _program(document: Document, font: int, glyphs: Collection[int]) -> dict[int, str]:
    """Return the letters of glyphs of an embedded font, by its own table of characters or by their names."""
    import pymupdf

    mupdf = pymupdf.mupdf
    content = document.extract_font(font)[3]
    if not content:
        return {}
    program = pymupdf.Font(fontbuffer=content)
    letters: dict[int, str] = {}
    for glyph in glyphs:
        name = mupdf.fz_get_glyph_name2(program.this, glyph)
        if glyph and not _NUMBERED.fullmatch(name) and (text := characters_of_name(name)):
            letters[glyph] = text
    for code in sorted(program.valid_codepoints(), reverse=True):
        text = chr(code)
        if text.isprintable() and not (text.isspace() or MEANINGLESS.search(text)):
            glyph = mupdf.fz_encode_character(program.this, code)
            if glyph in glyphs:
                letters[glyph] = text
    return letters


def _drop_meaningless(document: Document, font: int) -> bool:
    """Take the characters without a meaning out of a font's table: by its encoding, MuPDF may know better ones."""
    table = characters_of(document, font)
    kept = {code: text for code, text in table.items() if not (MEANINGLESS.search(text) or "\0" in text)}
    if len(kept) < len(table):
        set_characters(document, font, kept)
    return len(kept) < len(table)
