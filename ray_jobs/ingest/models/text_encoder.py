"""Embed texts with a sentence-transformers model."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ingest.models.gpu_memory import AdaptiveBatches
from ingest.models.text_model import query_prompt

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

BATCHES_PER_REPORT = 4
"""Forward passes between two reports of progress."""

OnDone = Callable[[Sequence[int], np.ndarray], None]
"""Called with the indices of the texts that were just embedded, and their vectors."""


class TextEncoder:
    """A loaded text embedding model.

    Args:
        name: hub name or path, as in `TextModel.name`.
        dimension: the expected length of its vectors.
        threads: CPU threads that it may use. They are set explicitly, since Ray sets OMP_NUM_THREADS to 1 for
            an actor that reserves a fraction of a CPU.
        batch_size: texts per forward pass; halved for good when they exceed the GPU's memory.
        device: `cuda`, `cpu`, or None to let torch choose.

    Raises:
        ValueError: its vectors have another dimension.
    """

    def __init__(
        self, name: str, dimension: int, threads: int = 1, batch_size: int = 32, device: str | None = None
    ) -> None:
        import torch
        from sentence_transformers import SentenceTransformer
        from transformers.utils.logging import disable_progress_bar

        disable_progress_bar()
        torch.set_num_threads(threads)
        self._model: SentenceTransformer = SentenceTransformer(name, device=device)
        if self._model.device.type == "cuda":
            self._model.half()
        self._prompt = query_prompt(name)
        self._batches = AdaptiveBatches(BATCHES_PER_REPORT * batch_size)
        self._tokens: Any = 0
        self._model.register_forward_pre_hook(self._count_tokens)
        self.dimension = dimension
        actual = self._model.get_embedding_dimension()
        if actual != dimension:
            raise ValueError(f"model {name!r} has vectors of {actual} dimensions, but {dimension} were expected")

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
            vectors[indices] = self._model.encode_document(
                [texts[index] for index in indices],
                batch_size=max(1, self._batches.size // BATCHES_PER_REPORT),
                convert_to_numpy=True,
                normalize_embeddings=True,
                show_progress_bar=False,
            )
            return indices

        for _, indices in self._batches.map(forward, len(order)):
            on_done(indices, vectors[indices])
        return vectors

    def _count_tokens(self, model: Any, arguments: tuple[Any, ...]) -> None:
        self._tokens += arguments[0]["attention_mask"].sum()  # stays on the GPU, which nothing waits for here

    def take_tokens(self) -> int:
        """The number of tokens that the model has read since the last call, special ones included."""
        count, self._tokens = int(self._tokens), 0
        return count

    def encode_query(self, question: str) -> np.ndarray:
        """Embed a question, with the model's own query prompt if it has one.

        Returns:
            A unit vector: a float32 array of shape (dimension,).
        """
        prompt = None if self._model.prompts.get("query") else self._prompt
        vector = self._model.encode_query(question, prompt=prompt, normalize_embeddings=True, show_progress_bar=False)
        return np.asarray(vector, np.float32)
