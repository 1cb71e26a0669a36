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
from ingest.pdf.layers import settle_memberships
from ingest.pdf.line_endings import as_sent
from ingest.pdf.memory import check_memory
from ingest.pdf.page_tree import mend_page_tree
from ingest.pdf.refusals import not_opened
from ingest.pdf.revisions import is_cut_off, up_to_cut

if TYPE_CHECKING:
    from pymupdf import Document

MAX_TITLE = 300
"""Maximum length of the title and the author in the metadata, in characters."""

MAX_REST = 50_000_000
"""Number of bytes up to which the rest of a file that is cut off may be an object without its end."""

# ISO 32000-1, 7.9.4: D:YYYYMMDDHHmmSSOHH'mm'. Everything after the year is optional.
_DATE = re.compile(r"(?:D:)?(\d{4})(\d\d)?(\d\d)?(\d\d)?(\d\d)?(\d\d)?(?:(Z)|([+-]\d\d)'?(\d\d)?)?")

# Warnings of MuPDF for contents that it leaves out.
_LOSS = re.compile(
    r"zlib error(?!: incorrect data check)|premature end|read error|corrupt \w+ stream|cannot load object"
    r"|syntax error after inline image",
    re.I,
)
_OBJECT_END, _FILE_END = b"endobj", b"%%EOF"
# The end of a PDF followed by the header of another one.
_JOINED = re.compile(rb"%%EOF\s{0,8}%PDF-\d")


@contextmanager
def open_pdf(data: bytes | memoryview, max_pages: int | None, losses: list[str]) -> Iterator[Document]:
    """Open a PDF that has pages, and add a clause to `losses` if some of its pages cannot be found.

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
    data = as_sent(data)
    if is_cut_off(data):
        data = up_to_cut(data)
        losses.append("it is cut off, and only the whole objects before the cut are read")
    try:
        document = pymupdf.open(stream=data, filetype="pdf")
    except Exception as error:  # MuPDF's errors have no narrower common base class
        check_memory(error)
        restored = _opened_to_last_object(bytes(data), losses)
        if restored is None:
            raise not_opened(bytes(data), error) from None
        document = restored
    with document:
        if not document.is_pdf:  # MuPDF goes by content and opens other formats too, such as an HTML error page
            raise not_opened(bytes(data), None)
        if document.needs_pass and not _is_open_without_attachments(document):
            raise ObjectError(Failure.ENCRYPTED, "the PDF needs a password")
        try:
            if lost := mend_page_tree(document, data):
                losses.append(lost)
            settle_memberships(document)
            if _JOINED.search(data):
                losses.append("it holds several PDFs one after the other, of which only the last is read")
            count = document.page_count
        except Exception as error:
            check_memory(error)
            raise ObjectError(
                Failure.DAMAGED, f"the page tree of the PDF cannot be read ({one_line(error, 80)})"
            ) from None
        if count < 1:
            raise ObjectError(Failure.NO_PAGES, "the PDF has no readable page")
        if max_pages is not None and count > max_pages:
            raise too_many_pages(count, max_pages)
        yield document


def _opened_to_last_object(data: bytes, losses: list[str]) -> Document | None:
    """Open a PDF that ends in the middle of an object, up to its last whole one: MuPDF stumbles over the rest."""
    import pymupdf

    end = data.rfind(_OBJECT_END) + len(_OBJECT_END)
    if end < len(_OBJECT_END) or end + MAX_REST < len(data) or _FILE_END in data[end:] or b"/Encrypt" in data:
        return None
    try:
        document = pymupdf.open(stream=data[:end] + b"\n", filetype="pdf")
    except Exception as error:
        check_memory(error)
        return None
    losses.append("it is cut off in the middle of an object, which is lost with all that came after it")
    return document


def _is_open_without_attachments(document: Document) -> bool:
    """Unlock a PDF of which a password protects the attachments alone; MuPDF asks for it before it shows the pages.

    Its streams and strings have the crypt filter Identity, which encrypts nothing (ISO 32000-1, 7.6.5).
    """
    kinds = [document.xref_get_key(-1, f"Encrypt/{key}")[1] for key in ("StmF", "StrF")]
    if kinds != ["/Identity", "/Identity"]:
        return False
    document.is_encrypted = False
    document.init_doc()
    return True


def too_many_pages(count: int, limit: int) -> ObjectError:
    """Return the failure of a PDF with more pages than allowed."""
    return ObjectError(Failure.TOO_MANY_PAGES, f"the PDF has {count} pages, over the limit of {limit}", limit=limit)


def take_warnings() -> str:
    """Return what MuPDF has said since the last call."""
    import pymupdf

    warnings: str = pymupdf.TOOLS.mupdf_warnings(reset=True)
    return warnings


def lost_contents(warnings: str) -> str:
    """Return the warning that a part of a page's contents is lost; "" if there is none.

    MuPDF goes on with the rest of the page. It warns of much else that loses nothing, such as odd fonts.
    """
    return next((one_line(warning, 80) for warning in warnings.splitlines() if _LOSS.search(warning)), "")


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
