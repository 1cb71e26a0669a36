"""Put the vectors that an object has in Milvus into the cache, so that its unchanged texts are not embedded again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ingest.ledger.diff import Change
from ingest.milvus.client import errors_as_sentences, query_pages
from ingest.milvus.expressions import literal
from ingest.stages.vector_cache import VectorCacheClient
from ingest.stages.write import client_of

ROWS_PER_REQUEST = 1000
"""At 4,096 dimensions they have 16 MB, with texts of 64 KiB at most 80 MB."""


class StoredVectorLoader:
    """Copies the vectors of objects from Milvus to the cache.

    Args:
        uri: of the Milvus server.
        collection: a collection whose vectors are all from the run's model.
        also_new: whether objects without a ledger row may have rows, because ledger rows were lost.
        cache: takes the vectors.
    """

    def __init__(self, uri: str, collection: str, also_new: bool, cache: VectorCacheClient) -> None:
        self._uri = uri
        self._collection = collection
        self._also_new = also_new
        self._cache = cache

    def __call__(self, entry: Mapping[str, Any]) -> None:
        """Copy the vectors of the object of a difference.

        Raises:
            UnreachableError, ConfigurationError, JobError: Milvus failed.
        """
        if entry["change"] == Change.NEW and not self._also_new:
            return
        with errors_as_sentences(self._uri):
            condition = f"source == {literal(entry['source'])}"
            fields = ["id", "text", "embedding"]
            for page in query_pages(client_of(self._uri), self._collection, condition, fields, size=ROWS_PER_REQUEST):
                vectors = np.array([row["embedding"] for row in page], np.float32)
                self._cache.put(entry["source"], [row["text"] for row in page], vectors)
