"""Embed texts with a sentence-transformers model: in torch, or on CPUs through OpenVINO where it can be converted."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from ingest.common.gpu_memory import AdaptiveBatches
from ingest.models.kept_models import ModelCache
from ingest.models.text_model import text_weights

if TYPE_CHECKING:
    from ingest.models.cpu_texts import CpuTexts
    from ingest.models.torch_texts import TorchTexts

TEXTS_PER_PASS = 1024
"""The most texts of a forward pass on a GPU, by default; the number of its tokens is limited too."""

CPU_TEXTS_PER_CALL = 128
"""Texts between two reports of progress on CPUs: seconds."""

PASSES_PER_CALL = 8
"""Passes of the most texts between two reports of progress on a GPU: some seconds, after which it waits briefly."""

OnDone = Callable[[Sequence[int], np.ndarray], None]
"""Called with the indices of the texts that were just embedded, and their vectors."""


class TextEncoder:
    """A loaded text embedding model.

    Args:
        name: hub name or path, as in `TextModel.name`.
        dimension: the expected length of its vectors.
        threads: CPU threads that it may use. They are set explicitly, since Ray sets OMP_NUM_THREADS to 1 for
            an actor that reserves a fraction of a CPU.
        batch_size: the most texts per forward pass on a GPU, fewer where they exceed its memory.
        device: `cuda` or `cpu`.

    Raises:
        ValueError: its vectors have another dimension.
    """

    def __init__(
        self, name: str, dimension: int, threads: int = 1, batch_size: int = TEXTS_PER_PASS, device: str = "cpu"
    ) -> None:
        self._model = load_texts(name, threads, device)
        self._batches = AdaptiveBatches(CPU_TEXTS_PER_CALL if device == "cpu" else PASSES_PER_CALL * batch_size)
        self._batch_size = batch_size
        self.dimension = dimension
        if self._model.dimension != dimension:
            raise ValueError(
                f"model {name!r} has vectors of {self._model.dimension} dimensions, but {dimension} were expected"
            )

    def encode(self, texts: Sequence[str], on_done: OnDone = lambda indices, vectors: None) -> np.ndarray:
        """Embed passages.

        The texts are sorted by length before they are batched, which keeps padding low from about a thousand texts on;
        so pass many at once.

        Args:
            on_done: called after every few batches.

        Returns:
            Unit vectors: a float32 array of shape (len(texts), dimension).
        """
        vectors = np.empty((len(texts), self.dimension), np.float32)
        # Longest first: a batch that exceeds the memory then fails at once and not after an hour.
        order = sorted(range(len(texts)), key=lambda index: -len(texts[index]))

        def forward(part: slice) -> list[int]:
            indices = order[part]
            batch_size = min(self._batch_size, self._batches.size)
            vectors[indices] = self._model.embed([texts[index] for index in indices], "document", batch_size)
            return indices

        for _, indices in self._batches.map(forward, len(order)):
            on_done(indices, vectors[indices])
        return vectors

    def take_tokens(self) -> int:
        """The number of tokens that the model has read since the last call, special ones included."""
        count, self._model.tokens = int(self._model.tokens), 0
        return count

    def encode_query(self, question: str) -> np.ndarray:
        """Embed a question, with the model's own query prompt if it has one.

        Returns:
            A unit vector: a float32 array of shape (dimension,).
        """
        return self._model.embed([question], "query", 1)[0]


def load_texts(name: str, threads: int, device: str) -> CpuTexts | TorchTexts:
    """Load a text model for a device."""

    def in_torch() -> TorchTexts:
        from ingest.models.torch_texts import TorchTexts

        return TorchTexts(name, threads, device)

    if device != "cpu":
        return in_torch()
    from ingest.models.cpu_texts import CpuTexts, convert

    return ModelCache("text", text_weights(name)).loaded(
        lambda kept: CpuTexts(kept, threads, in_torch), in_torch, convert
    )
