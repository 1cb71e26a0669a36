"""Arabic ligatures whose two letters MuPDF gives in the wrong order.

Fonts draw lam and a following alef as one glyph, and PDFs name its letters in their order, lam first. MuPDF gives the
whole width to the first letter and none to the second, as if the line ran from left to right, and then turns the line
around, these two letters included: `الإنتاج` comes out as `اإلنتاج`, and is found by no one. The letter without a width
shows where this has happened.
"""

from __future__ import annotations

import re
from typing import Any

_LAM, _ALEFS = "ل", "اأإآٱ"
_SUSPECT = re.compile(f"[{_ALEFS}]{_LAM}")

_CLOSE = 0.02
"""In sizes of the type: what counts as no width, and as the same place."""


def may_be_swapped(text: str) -> bool:
    """Whether a page's text has letters in the order that these have when they are swapped, which most Arabic has."""
    return not text.isascii() and _SUSPECT.search(text) is not None


def in_order(content: dict[str, Any]) -> dict[str, Any]:
    """What `page.get_text("rawdict")` gives, its spans with a `text` like those of `"dict"` but for swapped letters."""
    for block in content["blocks"]:
        for line in block.get("lines", ()):
            for span in line["spans"]:
                span["text"] = _text(span)
    return content


def _text(span: dict[str, Any]) -> str:
    chars, close = span["chars"], _CLOSE * span["size"]
    letters = [char["c"] for char in chars]
    for index in range(len(letters) - 1):
        if letters[index + 1] == _LAM and letters[index] in _ALEFS:
            (left, _, right, _), (_, _, end_of_lam, _) = chars[index]["bbox"], chars[index + 1]["bbox"]
            if right - left < close and abs(end_of_lam - left) < close:
                letters[index : index + 2] = letters[index + 1], letters[index]
    return "".join(letters)
