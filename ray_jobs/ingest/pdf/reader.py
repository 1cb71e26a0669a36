"""Open a PDF with PyMuPDF, with errors for the file's owner."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import TYPE_CHECKING, Any

from ingest.common.errors import ObjectError
from ingest.common.failures import Failure
from ingest.common.text import one_line

if TYPE_CHECKING:
    from pymupdf import Document

MAX_TITLE = 300
"""Characters of a title or an author's name in the metadata."""

# ISO 32000-1, 7.9.4: D:YYYYMMDDHHmmSSOHH'mm'. All after the year may be missing.
_DATE = re.compile(r"(?:D:)?(\d{4})(\d\d)?(\d\d)?(\d\d)?(\d\d)?(\d\d)?(?:(Z)|([+-]\d\d)'?(\d\d)?)?")
# What no text field can hold (NUL) or show: C0 and C1 controls other than white space, and lone surrogates.
UNPRINTABLE = re.compile("[\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f\ud800-\udfff]")


@contextmanager
def open_pdf(data: bytes, max_pages: int | None = None) -> Iterator[Document]:
    """A PDF that has pages.

    Raises:
        ObjectError: it is empty, not a PDF, encrypted, damaged beyond repair, or has no pages or more than `max_pages`.
        MemoryError: there is not enough for it.
    """
    import pymupdf

    # MuPDF prints its complaints about every damaged object to stdout, past any logger.
    pymupdf.TOOLS.mupdf_display_errors(False)
    pymupdf.TOOLS.mupdf_display_warnings(False)
    if not data:
        raise ObjectError(Failure.EMPTY, "the file is empty (0 bytes)")
    try:
        document = pymupdf.open(stream=data, filetype="pdf")
    except Exception as error:  # MuPDF's errors share no narrower base class
        check_memory(error)
        if b"%PDF-" in data[:1024]:  # where readers look for it, says ISO 32000-1's Annex H
            raise ObjectError(Failure.DAMAGED, "the PDF is truncated, or damaged beyond repair") from None
        raise ObjectError(Failure.NOT_A_PDF, f"this is not a PDF ({one_line(error, 80)})") from None
    with document:
        if not document.is_pdf:  # MuPDF looks at the content and opens other formats too, an HTML error page above all
            raise ObjectError(Failure.NOT_A_PDF, "this is not a PDF but another kind of document")
        if document.needs_pass:
            raise ObjectError(Failure.ENCRYPTED, "the PDF needs a password")
        try:
            count = document.page_count
        except Exception as error:
            raise damaged(error) from None
        if count < 1:
            raise ObjectError(Failure.NO_PAGES, "the PDF has no readable page")
        if max_pages is not None and count > max_pages:
            raise ObjectError(
                Failure.TOO_MANY_PAGES, f"the PDF has {count} pages, over the limit of {max_pages}", limit=max_pages
            )
        yield document


def check_memory(error: Exception) -> None:
    """Raises MemoryError for what MuPDF and ONNX Runtime say instead of it: "malloc (52 bytes) failed"."""
    if isinstance(error, MemoryError) or re.search(
        r"alloc\b.*failed|out of memory|insufficient memory|bad_alloc|fail\w* to alloc", str(error), re.I
    ):
        raise MemoryError(str(error)) from None


def damaged(error: Exception, page: int | None = None) -> ObjectError:
    """The failure for an error of MuPDF on a page, or on the page tree. Raises MemoryError if it is one."""
    check_memory(error)
    where = f"page {page}" if page else "the page tree"
    return ObjectError(Failure.DAMAGED, f"{where} of the PDF cannot be read ({one_line(error, 80)})")


def pdf_metadata(document: Document) -> dict[str, Any]:
    """What the file says of itself, where it does: title, author, and as ISO 8601 created and modified."""
    try:
        said = document.metadata or {}
    except Exception as error:  # a damaged information dictionary says nothing
        check_memory(error)
        return {}
    found = {
        "title": _clean(said.get("title")),
        "author": _clean(said.get("author")),
        "created": iso_date(said.get("creationDate") or ""),
        "modified": iso_date(said.get("modDate") or ""),
    }
    return {name: value for name, value in found.items() if value}


def _clean(text: str | None) -> str:
    return " ".join(UNPRINTABLE.sub(" ", text or "").replace("\ufeff", "").split())[:MAX_TITLE]


def iso_date(text: str) -> str:
    """A PDF's date as ISO 8601 with the precision of a second, or "" for what is no date."""
    match = _DATE.match(text.strip())
    if not match:
        return ""
    year, month, day, hour, minute, second, utc, hours, minutes = match.groups()
    zone = "+00:00" if utc else f"{hours}:{minutes or '00'}" if hours else ""
    try:
        return datetime.fromisoformat(
            f"{year}-{month or '01'}-{day or '01'}T{hour or '00'}:{minute or '00'}:{second or '00'}{zone}"
        ).isoformat()
    except ValueError:
        return ""
