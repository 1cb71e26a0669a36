"""A ledger that knows objects as ingested, without a run: for what a run costs that finds nothing new."""

from collections.abc import Iterable
from itertools import islice
from typing import Any

import numpy as np

from ingest.common.objects import StoredObject
from ingest.ledger.entries import ledger_row

BATCH = 5000
"""Rows per request."""


def fill_ledger(
    client: Any, collection: str, objects: Iterable[StoredObject], fingerprint: str, dimension: int
) -> None:
    """Write an entry of the pipeline `pdfs` for each object, of one page and one row, and flush the collection.

    Args:
        dimension: the dimension of the ledger's vectors.
    """
    vector, waiting = np.ones(dimension, np.float32), iter(objects)
    while batch := list(islice(waiting, BATCH)):
        rows = [
            ledger_row(
                source=each.source, pipeline="pdfs", version=each.version, size=each.size, fingerprint=fingerprint,
                run_id="r", attempts=1, rows=1, vector=vector, metadata={"pages": 1}, failure=None,
            )
            for each in batch
        ]  # fmt: skip
        client.upsert(collection, rows)
    client.flush(collection)
