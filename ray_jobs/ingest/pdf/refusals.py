"""Says why a file cannot be opened as a PDF: its protection, or the kind of file that it really is."""

from __future__ import annotations

import json
import re

from ingest.common.errors import ObjectError
from ingest.common.failures import Failure
from ingest.common.text import one_line

HEADER_RANGE = 1024
"""Number of bytes in which readers accept the header of a PDF (ISO 32000-1, Annex H)."""

# The names under which security handlers are registered (ISO 32000-1, 7.6.1), and their products.
_HANDLERS = {
    "Adobe.PubSec": "the PDF is encrypted for the holders of certain certificates",
    "Adobe.APS": "the PDF is locked by Adobe's rights management (LiveCycle, Experience Manager)",
    "EBX_HANDLER": "the PDF is locked by Adobe's copy protection for e-books",
    "FOPN_foweb": "the PDF is locked by FileOpen's rights management",
    "FOPN_fLock": "the PDF is locked by FileOpen's rights management",
    "MicrosoftIRMServices": "the PDF is locked by Microsoft's rights management",
}
_KINDS = (
    (rb"\x89PNG\r\n", "a PNG image"),
    (rb"\xff\xd8\xff", "a JPEG image"),
    (rb"GIF8", "a GIF image"),
    (rb"BM.{12}[\x0c\x28\x6c\x7c]\x00\x00\x00", "a BMP image"),
    (rb"II\*\x00|MM\x00\*", "a TIFF image"),
    (rb"RIFF....WEBP", "a WebP image"),
    (rb"....ftyp(?:heic|heix|mif1|avif)", "a HEIF image"),
    (
        rb"(?:\xef\xbb\xbf)?\s*(?:<!--.*?-->\s*)*<(?:!doctype\s+html|html|head|body|script)\b",
        "a web page, such as a login or an error page,",
    ),
    (
        rb"(?:\xef\xbb\xbf)?\s*<\?xml\b|\s*<\w+(?:\s+xmlns|>)",
        "an XML document, such as the error message of a web service,",
    ),
    (rb"PK\x03\x04.{26,200}(?:word/|xl/|ppt/|\[Content_Types\])", "an Office document"),
    (rb"PK\x03\x04", "a ZIP archive"),
    (rb"\x1f\x8b|BZh|\xfd7zXZ|7z\xbc\xaf|Rar!|\x28\xb5\x2f\xfd", "a compressed file"),
    (rb"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an old Office document or an Outlook message"),
    (rb"\{\\rtf", "an RTF document"),
    (rb"%!PS|\x04%!PS|\x1b%-12345X", "a PostScript or printer file"),
    (rb"%FDF-", "the data of a form without the form (FDF)"),
    (rb"\s*JVBERi0", "Base64 text"),
    (rb"(?:\xff\xfe)?%\x00P\x00D\x00F\x00", "UTF-16 text"),
    (rb"version https://git-lfs", "a pointer of Git LFS"),
    (rb"From |(?:From|To|Received|Return-Path|Delivered-To|MIME-Version|Date|Subject|X-[\w-]+): ", "an e-mail"),
)


def not_opened(data: bytes, error: Exception | None) -> ObjectError:
    """Return the failure of a file that MuPDF opened as another kind of document, or not at all with `error`."""
    cause = str(error.__cause__ or error) if error is not None else ""
    if match := re.search(r"unknown encryption handler: '([^']*)'", cause):
        return ObjectError(Failure.ENCRYPTED, _HANDLERS.get(match[1], f"the PDF is locked by {one_line(match[1], 40)}"))
    if "ncrypt" in cause or "crypt filter" in cause:
        return ObjectError(Failure.ENCRYPTED, f"the PDF is encrypted in an unknown way ({one_line(cause, 80)})")
    start = data[:HEADER_RANGE]
    if not data.strip(b"\x00 \t\r\n"):
        return ObjectError(Failure.EMPTY, "the file holds nothing but white space or zeros")
    if b"%PDF-" in start and error is not None:
        return ObjectError(Failure.DAMAGED, "the PDF is truncated, or damaged beyond repair")
    return ObjectError(Failure.NOT_A_PDF, f"this is {_kind(data)} and not a PDF")


def _kind(data: bytes) -> str:
    for pattern, kind in _KINDS:
        if re.match(pattern, data[:HEADER_RANGE], re.I | re.S):
            return kind
    try:
        json.loads(data)
    except ValueError:
        return "another kind of document"
    return "a JSON document, such as the error message of a web service,"
