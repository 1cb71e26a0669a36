"""Parsed documents as tables for the parse cache, and back."""

from __future__ import annotations

import json
from typing import Any

import pyarrow as pa

from ingest.pdf.document import Document
from ingest.pdf.figures import Figure
from ingest.pdf.places import TextBox
from ingest.pdf.structure import Block, Page

KEPT_SCHEMA = pa.schema(
    [
        ("place", pa.int32()),
        ("page", pa.int32()),
        ("kind", pa.string()),
        ("text", pa.string()),
        ("headings", pa.list_(pa.string())),
        ("table", pa.bool_()),
        ("head", pa.int32()),
        ("covered", pa.list_(pa.list_(pa.int32()))),
        ("size", pa.list_(pa.float64())),
        ("boxes", pa.list_(pa.list_(pa.float64()))),
        ("lines", pa.list_(pa.string())),
        ("image", pa.binary()),
        ("width", pa.int32()),
        ("height", pa.int32()),
        ("metadata", pa.string()),
    ]
)
"""A block of a page in each row, then a figure in each. `place` is the place of the page among all pages; in a
portfolio, several have the same number `page`. The document's metadata are in the schema's. Tables that were kept
before there were places lack `size`, that of the page, and `boxes` and `lines`, those of the block."""


def table_of(document: Document) -> pa.Table:
    """A document that was read with the setting `keep`."""
    rows: list[dict[str, Any]] = [
        {
            "place": place,
            "page": page.number,
            "kind": page.kind,
            "text": block.text,
            "headings": list(block.headings),
            "table": block.table,
            "head": block.head,
            "covered": [[*cell, *text] for cell, text in block.covered],
            "size": page.size,
            "boxes": [box[:4] for box in block.boxes],
            "lines": [box.text for box in block.boxes],
        }
        for place, page in enumerate(document.structure)
        for block in page.blocks
    ]
    rows += [
        {
            "page": figure.page,
            "image": figure.image,
            "width": figure.width,
            "height": figure.height,
            "metadata": json.dumps(figure.metadata),
        }
        for figure in document.figures
    ]
    return pa.Table.from_pylist(
        rows, KEPT_SCHEMA.with_metadata({"document": json.dumps(document.metadata, ensure_ascii=False)})
    )


def document_of(table: pa.Table) -> tuple[list[Page], list[Figure], dict[str, Any]]:
    """The pages that have text, the figures and the metadata of a document."""
    pages: dict[int, tuple[dict[str, Any], list[Block]]] = {}
    figures: list[Figure] = []
    for row in table.to_pylist():
        if row["image"] is not None:
            figures.append(Figure(row["page"], row["image"], row["width"], row["height"], json.loads(row["metadata"])))
            continue
        blocks = pages.setdefault(row["place"], (row, []))[1]
        covered = tuple(((row_of, column), (first, text)) for row_of, column, first, text in row["covered"])
        lines = zip(row.get("boxes") or (), row.get("lines") or (), strict=True)
        boxes = tuple(TextBox(x0, y0, x1, y1, text) for (x0, y0, x1, y1), text in lines)
        blocks.append(Block(row["text"], tuple(row["headings"]), row["table"], row["head"], covered, boxes))
    metadata = json.loads(table.schema.metadata[b"document"])
    found = [
        Page(first["page"], blocks, first["kind"], (*first["size"],) if first.get("size") else None)
        for first, blocks in pages.values()
    ]
    return found, figures, metadata
