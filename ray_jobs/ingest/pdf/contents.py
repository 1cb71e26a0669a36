"""The contents of a page, which several steps search for the signs of what they look for."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pymupdf import Page

HEADER = 2
"""Number of bytes of the header of a compressed stream (RFC 1950)."""

_KEY = "contents_read"


def contents_of(page: Page) -> bytes:
    """Return the result of `page.read_contents()`, which unpacks them each time, and keep it with the page."""
    kept = vars(page)
    if _KEY not in kept:
        kept[_KEY] = page.read_contents()
    contents: bytes = kept[_KEY]
    return contents


def drop_empty_streams(page: Page) -> bool:
    """Empty the streams of a page's contents that end before their data begin; return whether there were any.

    Producers write the two bytes of a header without data, or none, where a page or a part of it shows nothing.
    """
    document = page.parent
    empty = [number for number in page.get_contents() if len(document.xref_stream_raw(number) or b"") <= HEADER]
    for number in empty:
        document.update_stream(number, b" " * (HEADER + 1))  # longer, so that it is emptied once
    return bool(empty)
