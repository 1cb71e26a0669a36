"""The first stage of the PDF pipeline, for Ray Data: it turns differences into parts of documents.

The last rows of a document are its figures: a later stage captions their pictures, and the captions are their texts.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, nullcontext
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any

import pyarrow as pa

from ingest.common.errors import ObjectError
from ingest.common.limits import Limits
from ingest.common.sandbox import Sandbox
from ingest.common.slots import take_slot
from ingest.pdf.document import Document, DocumentSettings, prepare_documents, read_again, read_document
from ingest.pdf.page_ranges import PageRange
from ingest.pdf.shared_document import Begun, begin_document, finish_document, prepare_reader, read_pages
from ingest.stages.blocks import failed_part, failure_of
from ingest.stages.captions import PICTURED_SCHEMA
from ingest.stages.kept_documents import document_of, table_of
from ingest.stages.ocr import OcrActors
from ingest.stages.prefetch import OWNERS, prefetch
from ingest.stages.progress import Observe
from ingest.stages.remote_readers import RemoteReaders
from ingest.stages.shared_ranges import SLOT, NodeReaders, Reader, read_remaining, reader_slots
from ingest.store.object_reading import ReadSettings
from ingest.store.parse_cache import ParseCache
from ingest.store.temporary_folder import temporary_folder

PART_CHUNKS = 256
PART_FIGURES = 16
"""The most chunks, or figures, per row: an object with more is split into parts, so that no row, batch or write grows
with the object."""

TABLE_CHUNKS = 256
"""Chunks and figures after which a parse task hands a table on."""


@dataclass(frozen=True, slots=True)
class ParseSettings:
    """How objects are read and parsed: `limits` are checked meanwhile. Parsed documents are kept in `cache`."""

    document: DocumentSettings
    reading: ReadSettings
    limits: Limits
    cache: ParseCache | None = None

    def kept(self, entry: Mapping[str, Any]) -> pa.Table | None:
        """The document of an entry, if it was parsed before."""
        return None if self.cache is None else self.cache.load(entry["source"], entry["version"])

    def keep(self, entry: Mapping[str, Any], document: Document) -> None:
        """Keep a document that was parsed."""
        if self.cache is not None:
            self.cache.save(entry["source"], entry["version"], table_of(document))


@lru_cache(maxsize=1)
def _sandbox(tokenizer_json: str, limits: Limits) -> Sandbox:
    """One child for each of Ray's processes, kept from task to task."""
    return Sandbox(prepare_documents, limits, tokenizer_json)


def _parsed(content: bytes, sandbox: Sandbox, settings: ParseSettings, observe: Observe) -> Document:
    """Parse a file in the sandbox, and its pages also in others if that is worth it."""
    started = time.perf_counter()
    document = sandbox.run(begin_document, content, settings.document)
    if isinstance(document, Begun):
        document = _shared(document, content, sandbox, settings)
    observe("parse", 1, time.perf_counter() - started)
    return document


def _shared(begun: Begun, content: bytes, sandbox: Sandbox, settings: ParseSettings) -> Document:
    """Read the other pages of a document in several processes."""
    with ExitStack() as stack:
        try:
            path = stack.enter_context(temporary_folder()) / "document.pdf"
            path.write_bytes(content)
        except OSError:  # the disk is full, and this sandbox needs no file
            return sandbox.run(read_document, content, settings.document)
        here, elsewhere = reader_slots()
        stack.enter_context(take_slot(SLOT, here) or nullcontext())  # for the task itself

        def read(child: Sandbox, pages: PageRange) -> tuple[int, bytes]:
            return child.run(read_pages, str(path), pages, settings.document)

        readers = NodeReaders(prepare_reader, settings.limits, read, here, sandbox.answer)
        others = RemoteReaders(content, settings.document, settings.limits, elsewhere, sandbox.answer)

        def recruit(wanted: int) -> list[Reader[PageRange]]:
            found = list(readers(wanted))
            return found + list(others(wanted - len(found)))

        ranges = read_remaining(begun, partial(readers.read, sandbox), recruit)
        return sandbox.run(finish_document, str(path), ranges, settings.document)


def _parts(entry: Mapping[str, Any], document: Document) -> Iterator[dict[str, Any]]:
    chunks, figures = document.chunks, document.figures
    common = {
        **entry,
        "collection": 0,
        "totals": [len(chunks) + len(figures)],
        "metadata": json.dumps(document.metadata | entry[OWNERS]),
    }
    for first in range(0, len(chunks) if chunks or figures else 1, PART_CHUNKS):
        part = chunks[first : first + PART_CHUNKS]
        yield {
            **common,
            "first": first,
            "fields": [_fields(chunk.page, chunk.kind, chunk.metadata) for chunk in part],
            "texts": [chunk.text for chunk in part],
            "pictures": [None] * len(part),
        }
    for start in range(0, len(figures), PART_FIGURES):
        seen = figures[start : start + PART_FIGURES]
        yield {
            **common,
            "first": len(chunks) + start,
            "fields": [_fields(figure.page, "caption", figure.metadata) for figure in seen],
            "texts": [None] * len(seen),
            "pictures": [figure.image for figure in seen],
        }


def _fields(page: int, kind: str, metadata: Mapping[str, Any]) -> str:
    return json.dumps({"page": page, "kind": kind, "metadata": metadata})


def parse_documents(
    block: pa.Table,
    tokenizer_json: str,
    settings: ParseSettings,
    observe: Observe,
    before_embedding: Callable[[Mapping[str, Any]], None] | None = None,
    ocr: OcrActors | None = None,
) -> Iterator[pa.Table]:
    """Read, parse and chunk the objects of a block of differences; yields tables of PICTURED_SCHEMA.

    `before_embedding` is called with the difference of each object that has chunks. `ocr` has the models of OCR, and by
    default each child process has them.

    A failed object becomes one row with its error. A failure of the object store raises, and ends the run.
    """
    rows: list[dict[str, Any]] = []
    chunk_count = 0
    for entry, data in prefetch(block.to_pylist(), settings.reading, observe, settings.kept):
        try:
            content, sandbox = data(), _sandbox(tokenizer_json, settings.limits)
            sandbox.answer = ocr
            if isinstance(content, pa.Table):
                document = sandbox.run(read_again, *document_of(content), settings.document)
            else:
                document = _parsed(content, sandbox, settings, observe)
                settings.keep(entry, document)
        except ObjectError as error:
            rows.append({**failed_part(entry, failure_of(error)), "pictures": []})
            continue
        if document.chunks and before_embedding is not None:
            before_embedding(entry)
        rows.extend(_parts(entry, document))
        chunk_count += len(document.chunks) + len(document.figures)
        if chunk_count >= TABLE_CHUNKS:
            yield pa.Table.from_pylist(rows, PICTURED_SCHEMA)
            rows, chunk_count = [], 0
    if rows:
        yield pa.Table.from_pylist(rows, PICTURED_SCHEMA)
