"""Recognises PDFs whose pages are only a cover: forms in XFA, portfolios of other files, and encrypted documents.

Such a file shows "Please wait..." or "open this PDF portfolio in Acrobat" in every reader but Adobe's. Their wording
depends on the language; the entries of the catalog do not.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING
from xml.etree import ElementTree

from ingest.common.errors import ObjectError
from ingest.common.failures import Failure
from ingest.pdf.layout import Line, Paragraph
from ingest.pdf.memory import check_memory
from ingest.pdf.places import NO_PAGE
from ingest.pdf.structure import Page, RawPage

if TYPE_CHECKING:
    from pymupdf import Document

MAX_COVER = 1500
"""Maximum number of characters of a cover page's text."""

MAX_FILES, MAX_FILE_BYTES = 1000, 500_000_000
"""Maximum number of files of a portfolio that are read, and of their bytes together."""

FORM_LINE = 12.0
"""Height in points of a line of a form, which has no positions before Adobe's software lays it out."""

# The address that Adobe's covers give in every language, their English words, and Microsoft's.
_COVER = re.compile(
    r"adobe\.com/go/|if this message is not eventually replaced|open this pdf (?:portfolio|package)"
    r"|(?:portfolio|portefeuille|package|cartera|portafoglio|collection).{0,200}(?:acrobat|adobe|reader)",
    re.I | re.S,
)


def is_cover(text: str, pages: int) -> bool:
    """Whether the text of a document is that of the cover which Adobe's programs write."""
    return pages <= 1 and len(text) <= MAX_COVER and _COVER.search(text) is not None


def check_payload(document: Document) -> None:
    """Refuse a cover around an encrypted document (ISO 32000-2, 7.6.7), such as those of Microsoft's protection.

    Raises:
        ObjectError: it is one.
    """
    import pymupdf

    mupdf = pymupdf.mupdf
    if not document.embfile_count():
        return
    files = mupdf.pdf_load_name_tree(pymupdf._as_pdf_document(document), mupdf.pdf_new_name("EmbeddedFiles"))
    for index in range(mupdf.pdf_dict_len(files)):
        relation = mupdf.pdf_dict_gets(mupdf.pdf_dict_get_val(files, index), "AFRelationship")
        if mupdf.pdf_to_name(relation) == "EncryptedPayload":
            raise ObjectError(Failure.ENCRYPTED, "the PDF is only the cover of an encrypted document")


def portfolio_files(document: Document) -> Iterator[tuple[str, bytes]]:
    """Yield the names and the contents of the files of a portfolio, within the limits; b"" for a damaged one."""
    size = 0
    for name in document.embfile_names()[:MAX_FILES]:
        try:
            content: bytes = document.embfile_get(name)
        except Exception as error:
            check_memory(error)
            content = b""
        size += len(content)
        if size > MAX_FILE_BYTES:
            return
        yield document.embfile_info(name).get("filename") or name, content


def is_portfolio(document: Document) -> bool:
    """Whether the document is a portfolio (ISO 32000-1, 12.3.5): a cover for the files that it contains."""
    return bool(document.xref_get_key(document.pdf_catalog(), "Collection")[0] != "null" and document.embfile_count())


def form_page(document: Document) -> RawPage | None:
    """Return the text of a form whose pages only Adobe's software makes (dynamic XFA), as a page.

    Returns:
        None if the document is no such form: a form may have XFA besides ordinary pages with ordinary fields.

    Raises:
        ObjectError: its XML is damaged.
    """
    packets = _xfa(document)
    catalog = document.pdf_catalog()
    if not packets or not (
        document.xref_get_key(catalog, "NeedsRendering")[1] == "true"
        or document.xref_get_key(catalog, "AcroForm/Fields")[1] in ("[]", "null")
        or is_cover(document[0].get_text(), document.page_count)
    ):
        return None
    try:
        form = ElementTree.fromstring(packets)
    except ElementTree.ParseError:
        raise ObjectError(Failure.PLACEHOLDER, "the PDF shows a notice instead of its form") from None
    lines = list(_form_lines(form))
    paragraphs = [
        Paragraph(0, top, 1, top + 1, [Line(0, top, 1, top + 1, text, FORM_LINE, False)])
        for text, top in ((text, FORM_LINE * number) for number, text in enumerate(lines))
    ]
    return RawPage(1, FORM_LINE * len(lines), "text", paragraphs)


def _xfa(document: Document) -> bytes:
    """Return the XML of a form: the entry is a stream, or an array of names and streams that belong together."""
    import pymupdf

    mupdf = pymupdf.mupdf
    entry = mupdf.pdf_dict_getp(mupdf.pdf_trailer(pymupdf._as_pdf_document(document)), "Root/AcroForm/XFA")
    parts = [mupdf.pdf_array_get(entry, index) for index in range(mupdf.pdf_array_len(entry))] or [entry]
    return b"".join(document.xref_stream(mupdf.pdf_to_num(part)) or b"" for part in parts if mupdf.pdf_is_stream(part))


def _form_lines(form: ElementTree.Element) -> Iterator[str]:
    """Yield the texts of a form in its order, each field as "caption: value"; values without a field come last."""
    values: defaultdict[str, list[str]] = defaultdict(list)
    for data in _all(form, "data"):
        for node in data.iter():
            if len(node) == 0 and (text := _text(node)):
                values[_name(node)].append(text)
    captions: dict[str, str] = {}
    for template in _all(form, "template"):
        for node in template.iter():
            if _name(node) == "draw":
                if text := " ".join(_text(value) for value in node if _name(value) == "value").strip():
                    yield text
            elif _name(node) == "field":
                name = node.get("name", "")
                caption = " ".join(_text(part) for part in node if _name(part) == "caption").strip()
                captions[name] = caption or name
                default = " ".join(_text(part) for part in node if _name(part) == "value").strip()
                value = values[name].pop(0) if values[name] else default
                if caption or value:
                    yield f"{caption or name}: {value}" if value else caption
    for name, others in values.items():
        for value in others:
            yield f"{captions.get(name) or name}: {value}"


def _all(form: ElementTree.Element, name: str) -> Iterator[ElementTree.Element]:
    return (node for node in form.iter() if _name(node) == name)


def _name(node: ElementTree.Element) -> str:
    return str(node.tag).rpartition("}")[2]


def _text(node: ElementTree.Element) -> str:
    return " ".join(" ".join(node.itertext()).split())


def of_file(pages: Sequence[Page], name: str) -> list[Page]:
    """Name the file of a portfolio as the outermost heading of its passages; page numbers are those in that file.

    Their places are left out: the portfolio itself has no page that shows them.
    """
    return [
        replace(page, blocks=[replace(block, headings=(name, *block.headings)) for block in page.blocks], size=NO_PAGE)
        for page in pages
    ]
