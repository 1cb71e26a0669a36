"""Reads and writes the tables by which a font in a PDF gives its codes their characters (ISO 32000-1, 9.10.3)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pymupdf import Document

MAX_ENTRIES = 70_000
"""Maximum number of entries of a table that is read: there are 65,536 codes of two bytes."""

PER_BLOCK = 100
"""Maximum number of entries of a block (Adobe Technical Note 5014)."""

_BLOCK = re.compile(rb"begin(bfchar|bfrange)(.*?)end\1", re.S)
_TOKEN = re.compile(rb"<([0-9A-Fa-f\s]*)>|([\[\]])")
_TABLE = (
    "/CIDInit /ProcSet findresource begin 12 dict begin begincmap /CMapType 2 def\n"
    "1 begincodespacerange <{}> <{}> endcodespacerange\n{}\nendcmap end end"
)


def characters_of(document: Document, font: int) -> dict[int, str]:
    """Return the characters of the codes of a font; {} if it has no table of its own.

    Args:
        document: the document.
        font: the number of the font's object.
    """
    kind, table = document.xref_get_key(font, "ToUnicode")
    content = document.xref_stream(int(table.split()[0])) if kind == "xref" else None
    found: dict[int, str] = {}
    for block in _BLOCK.finditer(content or b""):
        tokens = [bracket or bytes.fromhex(digits.decode()) for digits, bracket in _TOKEN.findall(block[2])]
        found.update(_singles(tokens) if block[1] == b"bfchar" else _ranges(tokens))
        if len(found) > MAX_ENTRIES:
            raise ValueError("the table of characters is too long")
    return found


def _singles(tokens: list[bytes]) -> Iterator[tuple[int, str]]:
    for code, text in zip(tokens[::2], tokens[1::2], strict=False):
        yield int.from_bytes(code), _decoded(text)


def _ranges(tokens: list[bytes]) -> Iterator[tuple[int, str]]:
    """A range has the text of its first code, of which the last character counts up, or a text for each code."""
    place = 0
    while place + 2 < len(tokens):
        first, last = int.from_bytes(tokens[place]), int.from_bytes(tokens[place + 1])
        codes = range(first, min(last, first + 0xFFFF) + 1)
        place += 2
        if tokens[place] == b"[":
            end = tokens.index(b"]", place)
            yield from zip(codes, map(_decoded, tokens[place + 1 : end]), strict=False)
            place = end + 1
        else:
            text = _decoded(tokens[place])
            yield from ((code, text[:-1] + chr(ord(text[-1]) + code - first)) for code in codes if text)
            place += 1


def _decoded(text: bytes) -> str:
    return text.decode("utf-16-be", "replace") if len(text) > 1 else text.decode("latin-1")


def set_characters(document: Document, font: int, characters: Mapping[int, str]) -> None:
    """Give a font a table; a page that is read afterwards has its characters.

    Args:
        document: the document.
        font: the number of the font's object.
        characters: the text of each code.
    """
    digits = 4 if document.xref_get_key(font, "Subtype")[1] == "/Type0" else 2
    entries = [
        f"<{code:0{digits}x}> <{text.encode('utf-16-be', 'replace').hex()}>" for code, text in characters.items()
    ]
    blocks = [entries[start : start + PER_BLOCK] for start in range(0, len(entries), PER_BLOCK)]
    shown = "\n".join(f"{len(block)} beginbfchar\n" + "\n".join(block) + "\nendbfchar" for block in blocks)
    table = document.get_new_xref()
    document.update_object(table, "<<>>")
    document.update_stream(table, _TABLE.format("0" * digits, "f" * digits, shown).encode())
    document.xref_set_key(font, "ToUnicode", f"{table} 0 R")
    forget_fonts()


def forget_fonts() -> None:
    """Make MuPDF, which keeps the fonts that it has read, read them again."""
    import pymupdf

    pymupdf.TOOLS.store_shrink(100)
