"""Text of a PDF, page by page, with PyMuPDF."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from ingest.errors import ObjectError, one_line


@dataclass(frozen=True, slots=True)
class Page:
    """`number` counts from 1. Paragraphs of `text` are parted by a blank line, and hold no line breaks themselves."""

    number: int
    text: str


# Scripts written without spaces between words: a line break inside them is no word boundary.
CJK = "\u3000-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\uff00-\uffef"
_CJK_BREAK = re.compile(f"(?<=[{CJK}])\\s*\\n\\s*(?=[{CJK}])")
# A word cut at the end of a line. MuPDF's own flag for it (TEXT_DEHYPHENATE) does nothing for blocks.
_HYPHEN_BREAK = re.compile(r"(?<=[^\W\d_])[-\u00ad\u2010][^\S\n]*\n\s*(?=([^\W\d_]))")
_SPACE = re.compile(r"\s+")
# What no text field can hold (NUL) or show: C0 and C1 controls other than white space, and lone surrogates.
_UNPRINTABLE = re.compile("[\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f\ud800-\udfff]")


def paragraph(lines: str) -> str:
    """One paragraph of wrapped lines as a single line."""
    lines = _HYPHEN_BREAK.sub(lambda match: "" if match[1].islower() else "-", _UNPRINTABLE.sub("", lines))
    return _SPACE.sub(" ", _CJK_BREAK.sub("", lines)).strip()


def parse_pdf(data: bytes, max_pages: int | None = None) -> Iterator[Page]:
    """Yield the pages of a PDF in order, those without text included.

    Raises:
        ObjectError: it is empty, not a PDF, encrypted, damaged beyond repair, or has no pages or more than `max_pages`.
        MemoryError: there is not enough for it.
    """
    import pymupdf

    # MuPDF prints its complaints about every damaged object to stdout, past any logger.
    pymupdf.TOOLS.mupdf_display_errors(False)
    pymupdf.TOOLS.mupdf_display_warnings(False)
    if not data:
        raise ObjectError("parse", "Empty", "the file is empty (0 bytes); upload it again")
    try:
        document = pymupdf.open(stream=data, filetype="pdf")
    except Exception as error:  # MuPDF's errors share no narrower base class
        _check_memory(error)
        raise ObjectError(
            "parse",
            "NotAPdf",
            f"this is not a PDF, or is damaged beyond repair; upload it again ({one_line(error, 80)})",
        ) from None
    with document:
        if not document.is_pdf:  # MuPDF looks at the content and opens other formats too, an HTML error page above all
            raise ObjectError("parse", "NotAPdf", "this is not a PDF but another kind of document; export it as PDF")
        if document.needs_pass:
            raise ObjectError("parse", "Encrypted", "the PDF needs a password; upload it without one")
        try:
            count = document.page_count
        except Exception as error:
            raise _damaged(error) from None
        if count < 1:
            raise ObjectError(
                "parse", "NoPages", "the PDF has no readable page; it may be truncated, so upload it again"
            )
        if max_pages is not None and count > max_pages:
            raise ObjectError(
                "parse",
                "TooManyPages",
                f"the PDF has {count} pages, over the limit of {max_pages}; raise --max-pages to take it",
                limit=max_pages,
            )
        flags = pymupdf.TEXTFLAGS_BLOCKS & ~pymupdf.TEXT_PRESERVE_IMAGES
        for number in range(1, count + 1):
            try:
                blocks = document[number - 1].get_text("blocks", flags=flags)
            except Exception as error:
                raise _damaged(error, number) from None
            paragraphs = (paragraph(block[4]) for block in blocks if block[6] == 0)
            yield Page(number, "\n\n".join(text for text in paragraphs if text))


def _check_memory(error: Exception) -> None:
    """Raises MemoryError for what MuPDF says instead of it: "malloc (52 bytes) failed"."""
    if isinstance(error, MemoryError) or re.search(r"alloc\b.*failed|out of memory", str(error), re.I):
        raise MemoryError(str(error)) from None


def _damaged(error: Exception, page: int | None = None) -> ObjectError:
    _check_memory(error)
    where = f"page {page}" if page else "the page tree"
    return ObjectError(
        "parse", "Damaged", f"{where} of the PDF cannot be read; repair it or upload it again ({one_line(error, 80)})"
    )
