"""The Arrow tables that go from stage to stage: an object, or a part of one, is a row with all that is known of it.

An object never dissolves into loose rows, so the writer always knows when it has all of one. One that has failed goes
on as a row that says so.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa

from ingest.common.errors import ObjectError
from ingest.ledger.work_list import DIFFERENCE_SCHEMA

TASK_RETRIES = 10
"""How often Ray runs one task again whose process died. Its default is for ever, so that a batch that kills its process
would hold up the run till somebody looks; with a bound the run fails, and says which stage it was."""

FAILURE_SCHEMA = pa.schema([("error_type", pa.string()), ("problem", pa.string()), ("limit", pa.float64())])
"""An object's failure, as `ObjectError` takes it; nulls where there is none."""

READ_SCHEMA = pa.schema([*DIFFERENCE_SCHEMA, ("metadata", pa.string()), *FAILURE_SCHEMA])
"""An object that was read: `metadata` is a JSON object for the ledger."""

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
"""Rows `first` up to `first + len(fields)` of an object, all for one `collection` of the pipeline; see `ObjectPart`.

`fields` are JSON objects with the pipeline's own fields; `texts` go with them where the collection has a text, and else
there are none.
"""

VECTORS_FIELD = pa.field("vectors", pa.large_list(pa.float32()))
"""The vectors of a part's rows, end to end."""

WRITABLE_SCHEMA = PART_SCHEMA.append(VECTORS_FIELD)
"""What the sink takes."""


def failure_of(error: ObjectError) -> dict[str, Any]:
    """The columns of FAILURE_SCHEMA."""
    return {"error_type": error.failure, "problem": error.problem, "limit": error.limit}


def failed_part(entry: Mapping[str, Any], failure: Mapping[str, Any]) -> dict[str, Any]:
    """The row of PART_SCHEMA for an object that failed.

    Args:
        entry: its columns of DIFFERENCE_SCHEMA, and maybe others.
        failure: its columns of FAILURE_SCHEMA, and maybe others.
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
    """Rows of a matrix end to end, `counts[i]` of them for the row `i` of a table; no value is copied or boxed."""
    offsets = np.zeros(len(counts) + 1, np.int64)
    np.cumsum(counts, out=offsets[1:])
    return pa.LargeListArray.from_arrays(pa.array(offsets * vectors.shape[1]), pa.array(vectors.reshape(-1)))
