"""The stage that embeds texts, for Ray Data: it takes and returns Arrow tables."""

from __future__ import annotations

import time
from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from ingest.models.text_encoder import OnDone
from ingest.stages.blocks import PART_SCHEMA, VECTORS_FIELD, flat_lists
from ingest.stages.progress import ProgressReporter
from ingest.stages.vector_cache import VectorCacheClient


class EmbedTexts:
    """The actor with the text model: it adds `vectors` to tables of PART_SCHEMA."""

    def __init__(
        self,
        model: str,
        dimension: int,
        threads: int,
        batch_size: int,
        device: str,
        observe: ProgressReporter,
        cache: VectorCacheClient,
    ) -> None:
        import ray

        from ingest.models.text_encoder import TextEncoder

        started = time.perf_counter()
        self._encoder = TextEncoder(model, dimension, threads, batch_size, device)
        self._observe = observe
        self._cache = cache
        self._name = ray.get_runtime_context().get_actor_id()
        observe("load", 1, time.perf_counter() - started)

    def __call__(self, table: pa.Table) -> pa.Table:
        return table.select(PART_SCHEMA.names).append_column(VECTORS_FIELD, self.vectors(table))

    def vectors(self, table: pa.Table) -> pa.LargeListArray:
        """The vectors of each row's `texts`, concatenated."""
        texts = table["texts"].combine_chunks()
        vectors = self._embedded(texts.flatten().to_pylist())
        return flat_lists(vectors, texts.value_lengths().to_numpy())

    def _embedded(self, texts: list[str]) -> np.ndarray:
        started = last = time.perf_counter()
        encoding = 0.0

        def encode(some: Sequence[str], done: OnDone) -> np.ndarray:
            nonlocal last, encoding
            last = began = time.perf_counter()

            def observed(indices: Sequence[int], vectors: np.ndarray) -> None:
                nonlocal last
                now = time.perf_counter()
                self._observe("embed", len(indices), now - last, self._encoder.take_tokens())
                last = now
                done(indices, vectors)

            found = self._encoder.encode(some, observed)
            encoding += time.perf_counter() - began
            return found

        vectors, reused = self._cache.embed(self._name, texts, encode, self._encoder.dimension)
        if reused:
            self._observe("reuse", reused, time.perf_counter() - started - encoding)
        return vectors
