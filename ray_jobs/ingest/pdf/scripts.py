"""Tells which scripts the model for OCR reads; of a text in any other, it makes Latin letters without a meaning."""

from __future__ import annotations

import re

MIN_READ = 0.5
"""Minimum share of the letters of a text that are of scripts that OCR reads."""

# Latin, Chinese and Japanese; of Greek, the model knows only the letters of formulas.
_READ = re.compile(
    "[A-Za-z\u00aa-\u024f\u1e00-\u1eff\u3005-\u3007\u3041-\u30ff\u3400-\u9fff\uf900-\ufaff"
    "\ufb00-\ufb06\uff21-\uff9d\U00020000-\U0003ffff]"
)


def is_read_by_ocr(text: str) -> bool:
    """Whether OCR reads most letters of a text, or the text has no letters."""
    if text.isascii():
        return True
    letters = "".join(filter(str.isalpha, text))
    return len(_READ.findall(letters)) >= MIN_READ * len(letters)
