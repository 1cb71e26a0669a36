"""Forward passes of a text model in torch, with as many texts as a number of tokens allows.

A GPU is busy when a pass is large, and its memory is the same whether that is many short texts or few long ones. With
passes of 32 texts an H100 embedded 0.35 of the chunks that passes of 131,000 tokens do (BGE-M3's shape, half precision:
1,088 against 3,120 chunks/s).
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ingest.common.gpu_memory import halved_batch_size

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer
    from torch import Tensor

TOKENS_PER_PASS = 32_768
"""The most tokens of a pass, padding included: with BGE-M3's shape and texts of 20 to 160 words, an H100 embedded 6,099
texts/s at 32,768, 5,501 at 16,384, 5,410 at 65,536 and 4,961 at 131,072, where short texts are padded to long ones."""

TOKENIZED_AT_ONCE = 1024
"""Texts that are tokenized while the GPU is at work on those before."""

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

        order: list[int] = []
        done: list[Tensor] = []
        for start in range(0, len(texts), TOKENIZED_AT_ONCE):
            some = range(start, min(start + TOKENIZED_AT_ONCE, len(texts)))
            tokenized: list[list[int]] = self._model.tokenizer(
                [texts[index] for index in some],
                truncation=True,
                max_length=self._model.max_seq_length,
                return_attention_mask=False,
            )["input_ids"]
            sorted_some = sorted(some, key=lambda index: -len(tokenized[index - some.start]))
            done += self._passes([tokenized[index - some.start] for index in sorted_some], most)
            order += sorted_some
        vectors = np.empty((len(order), done[0].shape[1]), np.float32)
        # In full precision, since the lengths of vectors that half precision normalises differ from 1 by 0.0005.
        vectors[order] = torch.nn.functional.normalize(torch.cat(done).float(), dim=1).cpu().numpy()
        return vectors

    def _passes(self, tokenized: list[list[int]], most: int) -> Iterator[Tensor]:
        """The vectors of texts that are sorted by their tokens, the longest first."""
        start = 0
        while start < len(tokenized):
            longest = _padded(len(tokenized[start]))
            rows = tokenized[start : start + max(1, min(most, self.tokens // longest))]
            try:
                found = self._forward(rows)
            except Exception as error:
                self.tokens = longest * halved_batch_size(error, len(rows))
                _log().warning("The GPU's memory does not suffice: passes have at most %d tokens now.", self.tokens)
                continue
            yield found
            start += len(rows)

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
