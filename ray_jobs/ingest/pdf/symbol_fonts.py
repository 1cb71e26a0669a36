"""Gives the marks of fonts of symbols their meaning: a check mark in ZapfDingbats or Wingdings is stored as a letter.

Forms and Office use these fonts for boxes and bullets, mostly without a table of characters, so that a checked box
reads as "3" or "4" and a bullet as "n" or "§".
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any

OTHER = "•"
"""Stands for all other symbols, most of which are bullets."""

# By the font's name: the codes of check marks, crosses and empty boxes, from the code charts of Adobe and Microsoft.
_MARKS = {
    "zapfdingbats": ("34", "5678", "opqr"),
    "wingdings": ("\u00fc\u00fe", "\u00fb\u00fd", "oq\u00a8"),
    "wingdings2": ("PR", "OQST", "\u00a3*"),
    "webdings": ("a", "r", "c"),
}
_FONT = re.compile(r"(?:[A-Z]{6}\+)?(ZapfDingbats|Wingdings2|Wingdings|Webdings)(?:-?Regular)?$", re.I)


def name_symbols(content: dict[str, Any]) -> None:
    """Replace the letters of symbols in `page.get_text("dict")` by the symbols, in place."""
    for block in content["blocks"]:
        for line in block.get("lines", ()):
            for span in line["spans"]:
                if table := _table(span["font"]):
                    span["text"] = span["text"].translate(table)


@lru_cache(maxsize=1024)
def _table(font: str) -> dict[int, str]:
    """Return the symbol of each code of a font; {} if it is a font of letters."""
    match = _FONT.match(font.replace(" ", ""))
    if match is None:
        return {}
    table = dict.fromkeys((*range(33, 127), *range(161, 256)), OTHER)
    for codes, mark in zip(_MARKS[match[1].lower()], "✓✗☐", strict=True):
        table.update({ord(code): mark for code in codes})
    # Windows' fonts of symbols have their codes in the area for private use, too.
    return table | {0xF000 + code: mark for code, mark in table.items()}
