"""The blocks of PDFs as the parser reads them, for tests."""

from typing import Any

import pymupdf

from ingest.pdf.document import parse_pdf
from ingest.pdf.structure import Block

PROSE = (
    "The keeper climbs the tower at dusk and trims the wick before the lamp is lit. He writes the hour into the log, "
    "and the state of the wind and of the sea. When fog comes in he starts the signal, which sounds twice a minute."
)


def blocks_of(document: pymupdf.Document, **settings: Any) -> list[Block]:
    pages, _, _ = parse_pdf(document.tobytes(), **settings)
    return [block for page in pages for block in page.blocks]


def texts_of(document: pymupdf.Document, **settings: Any) -> list[str]:
    return [block.text for block in blocks_of(document, **settings)]
