"""Forward passes of a text model in torch, with as many texts as a number of tokens allows.

A GPU is busy when a pass is large, and its memory is the same whether that is many short texts or few long ones. With
passes of 32 texts an H100 embedded 0.35 of the chunks that passes of 131,000 tokens do (BGE-M3's shape, half precision:
1,088 against 3,120 chunks/s).
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ingest.models.gpu_memory import halved_batch_size

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer
    from torch import Tensor

TOKENS_PER_PASS = 65_536
"""The most tokens of a pass, padding included: on an H100, 0.92 of the rate at 131,000, in half the memory."""

PADDED_TO = 8
"""Lengths are multiples of it, as a GPU's matrix units want them."""


class TokenPasses:
    """Embeds texts by passes of at most `tokens` tokens, which halve for good when they exceed the GPU's memory.

    Args:
        model: made of modules that take token ids and return `sentence_embedding`, with a tokenizer of transformers.
        tokens: of a pass.
    """

    def __init__(self, model: SentenceTransformer, tokens: int = TOKENS_PER_PASS) -> None:
        self._model = model
        self._on_gpu = model.device.type == "cuda"
        self.tokens = tokens

    def embed(self, texts: Sequence[str], most: int) -> np.ndarray:
        """Embed texts, with the prompt already in front of each.

        Args:
            most: texts per pass.

        Returns:
            Unit vectors: a float32 array of shape (len(texts), dimension).

        Raises:
            JobError: a single text exceeds the GPU's memory.
        """
        import torch

        tokenized = self._model.tokenizer(
            list(texts), truncation=True, max_length=self._model.max_seq_length, return_attention_mask=False
        )["input_ids"]
        order = sorted(range(len(texts)), key=lambda index: -len(tokenized[index]))
        done: list[Tensor] = []
        start = 0
        while start < len(order):
            longest = _padded(len(tokenized[order[start]]))
            rows = order[start : start + max(1, min(most, self.tokens // longest))]
            try:
                done.append(self._forward([tokenized[row] for row in rows]))
            except Exception as error:
                self.tokens = longest * halved_batch_size(error, len(rows))
                _log().warning("The GPU's memory does not suffice: passes have at most %d tokens now.", self.tokens)
                continue
            start += len(rows)
        vectors = np.empty((len(order), done[0].shape[1]), np.float32)
        # In full precision, since the lengths of vectors that half precision normalises differ from 1 by 0.0005.
        vectors[order] = torch.nn.functional.normalize(torch.cat(done).float(), dim=1).cpu().numpy()
        return vectors

    def _forward(self, rows: list[list[int]]) -> Tensor:
        """The vectors stay where the model is: fetching them would wait for the end of the pass."""
        import torch

        features: Any = self._model.tokenizer.pad(
            {"input_ids": rows}, padding=True, pad_to_multiple_of=PADDED_TO, return_tensors="pt"
        )
        if self._on_gpu:
            features = {name: tensor.pin_memory() for name, tensor in features.items()}
        features = {name: tensor.to(self._model.device, non_blocking=True) for name, tensor in features.items()}
        with torch.inference_mode():
            found: Tensor = self._model(features)["sentence_embedding"]
        return found


def _padded(length: int) -> int:
    return -(-length // PADDED_TO) * PADDED_TO


def _log() -> logging.Logger:
    return logging.getLogger(__name__)
