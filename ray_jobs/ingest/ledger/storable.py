"""Tell rows that Milvus refuses from a Milvus that does not answer: a row fails its object, and never the run.

The limits are checked before anything is sent, because Milvus refuses a whole request for one row, and Milvus Lite
takes rows that a server refuses. Should a server refuse a request all the same, its objects are sent in ever smaller
groups.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from ingest.common.errors import ObjectError
from ingest.common.failures import Failure
from ingest.common.text import one_line
from ingest.ledger.batches import json_bytes
from ingest.ledger.parts import ObjectPart
from ingest.milvus.refusals import refuses_rows, refuses_size
from ingest.milvus.schema import JSON_LENGTH, SOURCE_LENGTH, TEXT_LENGTH, VERSION_LENGTH

REFUSALS = (Failure.NOT_STORABLE, Failure.INVALID_VECTOR)
"""The failures of objects whose rows cannot be written."""


def failed(part: ObjectPart, failure: ObjectError) -> ObjectPart:
    """The part as that of a failed object: without rows, but with their number, which determines their ids."""
    return replace(part, rows=(), vectors=np.empty((0, 0), np.float32), metadata={}, failure=failure)


def refusal(part: ObjectPart) -> ObjectError | None:
    """The reason for which Milvus would refuse rows of the part or its ledger entry, if any."""
    try:
        problem = _too_long("name", part.source, SOURCE_LENGTH) or _too_long("version", part.version, VERSION_LENGTH)
        problem = problem or _json_too_long("its metadata", part.metadata)
        for ordinal, row in enumerate(part.rows, part.first):
            problem = problem or _too_long(f"text number {ordinal}", row.get("text", ""), TEXT_LENGTH)
            problem = problem or _json_too_long(f"the metadata of row {ordinal}", row.get("metadata", {}))
    except ValueError as error:  # lone surrogates, which UTF-8 cannot express
        problem = f"its text or metadata is not valid Unicode ({one_line(error, 100)})"
    if problem:
        return ObjectError(Failure.NOT_STORABLE, problem)
    finite = np.isfinite(part.vectors)
    if not finite.all():
        ordinal = part.first + int(np.argmin(finite.all(axis=1)))
        return ObjectError(Failure.INVALID_VECTOR, f"the vector of row {ordinal} has values that are no numbers (NaN)")
    return None


def is_storable(source: str) -> bool:
    """Whether the ledger can hold an entry for `source`; otherwise only the report has its failure."""
    try:
        return len(source.encode()) <= SOURCE_LENGTH
    except ValueError:
        return False


def _too_long(name: str, text: str, limit: int) -> str:
    """Milvus counts the bytes of a VARCHAR."""
    length = len(text.encode())
    return f"its {name} has {length} bytes, and Milvus stores {limit}" if length > limit else ""


def _json_too_long(name: str, value: Mapping[str, Any]) -> str:
    length = json_bytes(value)
    return f"{name} has {length} bytes, and Milvus stores {JSON_LENGTH}" if length > JSON_LENGTH else ""


def upsert_by_object(
    upsert: Callable[[list[dict[str, Any]]], object], rows: list[dict[str, Any]]
) -> dict[str, ObjectError]:
    """Upsert rows of several objects; returns the failures of the objects whose rows are refused, by source.

    Raises:
        pymilvus.exceptions.MilvusException, grpc.RpcError: Milvus failed, or refuses the rows of every one of several
            objects.
    """
    from grpc import RpcError
    from pymilvus.exceptions import MilvusException

    try:
        upsert(rows)
    except (MilvusException, RpcError) as error:
        sources = list(dict.fromkeys(row["source"] for row in rows))
        if is_large := refuses_size(error):
            middle = len(rows) // 2
            if middle:
                return upsert_by_object(upsert, rows[:middle]) | upsert_by_object(upsert, rows[middle:])
        if not is_large and (isinstance(error, RpcError) or not refuses_rows(error)):
            raise
        if len(sources) == 1:
            return {sources[0]: ObjectError(Failure.NOT_STORABLE, f"Milvus refuses its rows ({one_line(error, 200)})")}
        refused: dict[str, ObjectError] = {}
        half = set(sources[: len(sources) // 2])
        for is_first in (True, False):
            refused |= upsert_by_object(upsert, [row for row in rows if (row["source"] in half) == is_first])
        if len(refused) == len(sources):
            raise  # no single object is to blame
        return refused
    return {}
