"""The stages of the text pipelines as Ray Data runs them: Arrow tables in, Arrow tables out.

A row is a part of an object with all that is known of it so far: an object never dissolves into loose chunks, so the
writer always knows when it has all of one. What the stages do is in plain functions elsewhere.
"""

from __future__ import annotations

import json
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import pyarrow as pa

from ingest.chunking import Chunk, ChunkSettings
from ingest.document import prepare, read_document
from ingest.errors import ObjectError
from ingest.known_vectors import KnownVectors, OnDone
from ingest.object_store import is_s3, read_object, s3_client
from ingest.options import Limits
from ingest.progress import Observe
from ingest.sandbox import Sandbox
from ingest.spool import SCHEMA as DIFFERENCE

READ_AHEAD = 4
"""Objects fetched while one is parsed, per task."""

TASK_RETRIES = 10
"""How often Ray runs one task again whose process died. Its default is for ever, so that a batch that kills its process
would hold up the run till somebody looks; with a bound the run fails, and says which stage it was."""

PART_CHUNKS = 256
"""Chunks per row at most: an object with more comes in parts, so that no row, batch or write grows with an object."""

TABLE_CHUNKS = 256
"""Chunks after which a parse task hands a table on."""

PARSED = pa.schema(
    [
        *DIFFERENCE,
        ("first", pa.int32()),
        ("total", pa.int32()),
        ("texts", pa.list_(pa.string())),
        ("pages", pa.list_(pa.int32())),
        ("metadata", pa.string()),
        ("stage", pa.string()),
        ("error_type", pa.string()),
        ("error_message", pa.string()),
        ("limit", pa.float64()),
    ]
)


def embedded_schema(dimension: int) -> pa.Schema:
    """PARSED and `vectors`, one float32 vector a text."""
    return PARSED.append(pa.field("vectors", pa.list_(pa.list_(pa.float32(), dimension))))


@dataclass(frozen=True, slots=True)
class ParseSettings:
    """How objects are read: `max_object_bytes` is asked for before, `limits` while one is parsed."""

    chunks: ChunkSettings
    max_object_bytes: int
    limits: Limits


def read_ahead(entries: list[dict[str, Any]], max_bytes: int, observe: Observe) -> Iterator[tuple[dict[str, Any], Any]]:
    """Yield every entry with a function that returns its bytes or raises its error, fetching READ_AHEAD at a time."""

    def fetch(entry: dict[str, Any]) -> bytes:
        if entry["size"] > max_bytes:
            raise ObjectError(
                "read",
                "TooLarge",
                f"the object has {entry['size'] / 1e6:.0f} MB, over the limit of {max_bytes / 1e6:.0f} MB; "
                "raise --max-object-mb to take it",
                limit=max_bytes,
            )
        started = time.perf_counter()
        data = read_object(entry["source"], entry["version"])
        observe("read", 1, time.perf_counter() - started)
        return data

    if any(is_s3(entry["source"]) for entry in entries):
        s3_client()  # before the threads, each of which would make one of its own
    with ThreadPoolExecutor(READ_AHEAD) as pool:
        waiting: deque[tuple[dict[str, Any], Future[bytes]]] = deque()
        for entry in entries:
            waiting.append((entry, pool.submit(fetch, entry)))
            if len(waiting) > READ_AHEAD:
                first, future = waiting.popleft()
                yield first, future.result
        while waiting:
            first, future = waiting.popleft()
            yield first, future.result


@lru_cache(maxsize=1)
def _sandbox(tokenizer_json: str, limits: Limits) -> Sandbox:
    """One child per process of Ray, kept from task to task."""
    return Sandbox(prepare, limits, tokenizer_json)


def _parts(entry: Mapping[str, Any], chunks: list[Chunk], metadata: str) -> Iterator[dict[str, Any]]:
    for first in range(0, max(len(chunks), 1), PART_CHUNKS):
        part = chunks[first : first + PART_CHUNKS]
        yield {
            **entry,
            "first": first,
            "total": len(chunks),
            "texts": [chunk.text for chunk in part],
            "pages": [chunk.page for chunk in part],
            "metadata": metadata,
        }


def parse_documents(
    block: pa.Table,
    tokenizer_json: str,
    settings: ParseSettings,
    observe: Observe,
    before_embedding: Callable[[Mapping[str, Any]], None] | None = None,
) -> Iterator[pa.Table]:
    """Read, parse and chunk the objects of a block of differences; yields tables of PARSED.

    `before_embedding` is called with the difference of each object that has chunks.

    An object that fails is one row with its error. An object store that fails raises, and ends the run.
    """
    rows: list[dict[str, Any]] = []
    chunk_count = 0
    for entry, data in read_ahead(block.to_pylist(), settings.max_object_bytes, observe):
        try:
            content = data()
            started = time.perf_counter()
            document = _sandbox(tokenizer_json, settings.limits).run(
                read_document, content, settings.chunks, settings.limits.pages
            )
            observe("parse", 1, time.perf_counter() - started)
        except ObjectError as error:
            failed = {
                "stage": error.stage,
                "error_type": error.error_type,
                "error_message": error.message,
                "limit": error.limit,
            }
            rows.append({**entry, "first": 0, "total": 0, "texts": [], "pages": [], "metadata": "{}", **failed})
            continue
        if document.chunks and before_embedding is not None:
            before_embedding(entry)
        rows.extend(_parts(entry, document.chunks, json.dumps({"pages": document.pages})))
        chunk_count += len(document.chunks)
        if chunk_count >= TABLE_CHUNKS:
            yield pa.Table.from_pylist(rows, PARSED)
            rows, chunk_count = [], 0
    if rows:
        yield pa.Table.from_pylist(rows, PARSED)


class EmbedTexts:
    """The actor that holds the model: adds `vectors` to tables of PARSED."""

    def __init__(
        self, model: str, dimension: int, threads: int, batch_size: int, observe: Observe, known: KnownVectors
    ) -> None:
        import ray

        from ingest.embedding import TextEncoder

        started = time.perf_counter()
        self._encoder = TextEncoder(model, dimension, threads, batch_size)
        self._observe = observe
        self._known = known
        self._name = ray.get_runtime_context().get_actor_id()
        observe("load", 1, time.perf_counter() - started)

    def __call__(self, table: pa.Table) -> pa.Table:
        texts = table["texts"].combine_chunks()
        vectors = self._vectors(texts.flatten().to_pylist())
        return table.append_column(
            embedded_schema(self._encoder.dimension).field("vectors"), _nest(vectors, texts.value_lengths())
        )

    def _vectors(self, texts: list[str]) -> np.ndarray:
        started = last = time.perf_counter()
        encoding = 0.0

        def encode(some: Sequence[str], done: OnDone) -> np.ndarray:
            nonlocal last, encoding
            last = began = time.perf_counter()

            def observed(indices: Sequence[int], vectors: np.ndarray) -> None:
                nonlocal last
                now = time.perf_counter()
                self._observe("embed", len(indices), now - last)
                last = now
                done(indices, vectors)

            found = self._encoder.encode(some, observed)
            encoding += time.perf_counter() - began
            return found

        vectors, reused = self._known.embed(self._name, texts, encode, self._encoder.dimension)
        if reused:
            self._observe("reuse", reused, time.perf_counter() - started - encoding)
        return vectors


def _nest(vectors: np.ndarray, lengths: pa.Array) -> pa.Array:
    """Rows of a matrix as one list per object; no value is copied or boxed."""
    offsets = np.zeros(len(lengths) + 1, np.int32)
    np.cumsum(lengths.to_numpy(), out=offsets[1:])
    values = pa.FixedSizeListArray.from_arrays(pa.array(vectors.reshape(-1)), vectors.shape[1])
    return pa.ListArray.from_arrays(pa.array(offsets), values)
