"""The contents of a page, which several steps search for the signs of what they look for."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pymupdf import Page

_KEY = "contents_read"


def contents_of(page: Page) -> bytes:
    """Return the result of `page.read_contents()`, which unpacks them each time, and keep it with the page."""
    kept = vars(page)
    if _KEY not in kept:
        kept[_KEY] = page.read_contents()
    contents: bytes = kept[_KEY]
    return contents
