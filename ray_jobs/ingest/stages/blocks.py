"""The Arrow tables that go from stage to stage: each row is an object, or a part of one, with all its data.

An object is never broken up into loose rows, so the writer always knows when it has the whole object. A failed object
goes on as a row that holds its failure.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa

from ingest.common.errors import ObjectError
from ingest.ledger.work_list import DIFFERENCE_SCHEMA

TASK_RETRIES = 10
"""How often Ray retries a task whose process died. By default it retries for ever, so that a batch that kills its
process would block the run until somebody intervenes. With a bound the run fails and names the stage."""

FAILURE_SCHEMA = pa.schema([("error_type", pa.string()), ("problem", pa.string()), ("limit", pa.float64())])
"""An object's failure, with the arguments of `ObjectError`; nulls if it has none."""

READ_SCHEMA = pa.schema([*DIFFERENCE_SCHEMA, ("metadata", pa.string()), *FAILURE_SCHEMA])
"""An object after it was read: `metadata` is a JSON object for the ledger."""

PART_SCHEMA = pa.schema(
    [
        *READ_SCHEMA,
        ("collection", pa.int8()),
        ("first", pa.int32()),
        ("totals", pa.list_(pa.int32())),
        ("fields", pa.list_(pa.string())),
        ("texts", pa.list_(pa.string())),
    ]
)
"""Rows `first` up to, but not including, `first + len(fields)` of an object, all for one `collection` of the pipeline.
See `ObjectPart`.

`fields` are JSON objects with the pipeline's own fields. `texts` has a text for each of them if the collection has a
field for it, and is empty otherwise.
"""

VECTORS_FIELD = pa.field("vectors", pa.large_list(pa.float32()))
"""The vectors of a part's rows, concatenated."""

WRITABLE_SCHEMA = PART_SCHEMA.append(VECTORS_FIELD)
"""The input of the stage that writes."""


def failure_of(error: ObjectError) -> dict[str, Any]:
    """The columns of FAILURE_SCHEMA for an error."""
    return {"error_type": error.failure, "problem": error.problem, "limit": error.limit}


def failed_part(entry: Mapping[str, Any], failure: Mapping[str, Any]) -> dict[str, Any]:
    """The row of PART_SCHEMA for an object that failed.

    Args:
        entry: its columns of DIFFERENCE_SCHEMA; others are ignored.
        failure: its columns of FAILURE_SCHEMA; others are ignored.
    """
    return {
        **{name: entry[name] for name in DIFFERENCE_SCHEMA.names},
        **{name: failure[name] for name in FAILURE_SCHEMA.names},
        "metadata": "{}",
        "collection": 0,
        "first": 0,
        "totals": [0],
        "fields": [],
        "texts": [],
    }


def flat_lists(vectors: np.ndarray, counts: np.ndarray) -> pa.LargeListArray:
    """Lists of concatenated rows of a matrix, `counts[i]` rows in list `i`. No value is copied or boxed."""
    offsets = np.zeros(len(counts) + 1, np.int64)
    np.cumsum(counts, out=offsets[1:])
    return pa.LargeListArray.from_arrays(pa.array(offsets * vectors.shape[1]), pa.array(vectors.reshape(-1)))
