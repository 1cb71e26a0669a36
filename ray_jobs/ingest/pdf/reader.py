"""Opens PDFs with PyMuPDF, reads their metadata, and explains failures to the file's owner."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import TYPE_CHECKING, Any

from ingest.common.errors import ObjectError
from ingest.common.failures import Failure
from ingest.common.text import as_typed, one_line

if TYPE_CHECKING:
    from pymupdf import Document

MAX_TITLE = 300
"""Maximum length of the title and the author in the metadata, in characters."""

# ISO 32000-1, 7.9.4: D:YYYYMMDDHHmmSSOHH'mm'. Everything after the year is optional.
_DATE = re.compile(r"(?:D:)?(\d{4})(\d\d)?(\d\d)?(\d\d)?(\d\d)?(\d\d)?(?:(Z)|([+-]\d\d)'?(\d\d)?)?")


@contextmanager
def open_pdf(data: bytes, max_pages: int | None = None) -> Iterator[Document]:
    """Open a PDF that has pages.

    Raises:
        ObjectError: the file is empty, not a PDF, encrypted or damaged beyond repair, or it has no pages or more than
            `max_pages`.
        MemoryError: there is not enough memory for it.
    """
    import pymupdf

    # By default, MuPDF prints an error for every damaged object to stdout, bypassing any logger.
    pymupdf.TOOLS.mupdf_display_errors(False)
    pymupdf.TOOLS.mupdf_display_warnings(False)
    if not data:
        raise ObjectError(Failure.EMPTY, "the file is empty (0 bytes)")
    try:
        document = pymupdf.open(stream=data, filetype="pdf")
    except Exception as error:  # MuPDF's errors have no narrower common base class
        check_memory(error)
        if b"%PDF-" in data[:1024]:  # the range in which readers accept the header (ISO 32000-1, Annex H)
            raise ObjectError(Failure.DAMAGED, "the PDF is truncated, or damaged beyond repair") from None
        raise ObjectError(Failure.NOT_A_PDF, f"this is not a PDF ({one_line(error, 80)})") from None
    with document:
        if not document.is_pdf:  # MuPDF goes by content and opens other formats too, such as an HTML error page
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
    """Raise MemoryError if MuPDF or ONNX Runtime ran out of memory: they report "malloc (52 bytes) failed"."""
    if isinstance(error, MemoryError) or re.search(
        r"alloc\b.*failed|out of memory|insufficient memory|bad_alloc|fail\w* to alloc", str(error), re.I
    ):
        raise MemoryError(str(error)) from None


def damaged(error: Exception, page: int | None = None) -> ObjectError:
    """Return the failure for an error of MuPDF on a page or, without `page`, on the page tree.

    Raises:
        MemoryError: the error is one.
    """
    check_memory(error)
    where = f"page {page}" if page else "the page tree"
    return ObjectError(Failure.DAMAGED, f"{where} of the PDF cannot be read ({one_line(error, 80)})")


def pdf_metadata(document: Document) -> dict[str, Any]:
    """Return the fields that the file declares: title, author, and created and modified as ISO 8601."""
    try:
        declared = document.metadata or {}
    except Exception as error:  # the information dictionary is damaged
        check_memory(error)
        return {}
    found = {
        "title": _clean(declared.get("title")),
        "author": _clean(declared.get("author")),
        "created": iso_date(declared.get("creationDate") or ""),
        "modified": iso_date(declared.get("modDate") or ""),
    }
    return {name: value for name, value in found.items() if value}


def _clean(text: str | None) -> str:
    return as_typed(text or "")[:MAX_TITLE]


def iso_date(text: str) -> str:
    """Convert a PDF date to ISO 8601, to the second; "" if it is not a date."""
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
