"""Embed texts with a sentence-transformers model in torch, on a GPU or on CPUs."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from ingest.models.conversion import check_agreement
from ingest.models.text_model import added_prompts, declared_prompt, sample_texts
from ingest.models.token_passes import TokenPasses

CPU_TEXTS_PER_PASS = 8
"""The most texts per forward pass on CPUs: one core embeds with MiniLM 18.3 texts of 181 tokens a second at 4 or 8,
and 15.0 at 32, whose matrices leave the core's cache."""

LONGEST_SAMPLE = 2048
"""Words of the longest text by which two ways of running a model are compared."""


class TorchTexts:
    """A loaded text model.

    Args:
        name: hub name or path, as in `TextModel.name`.
        threads: CPU threads that it may use.
        device: `cuda` or `cpu`.
    """

    def __init__(self, name: str, threads: int, device: str) -> None:
        import torch
        from sentence_transformers import SentenceTransformer
        from transformers.utils.logging import disable_progress_bar

        disable_progress_bar()
        torch.set_num_threads(threads)
        self.loaded: SentenceTransformer = SentenceTransformer(name, device=device)
        self.on_gpu = self.loaded.device.type == "cuda"
        if self.on_gpu:
            self.loaded.half()
            self.loaded.eval()
        self._added_prompts = added_prompts(name)
        self.tokens: Any = 0
        self.loaded.register_forward_pre_hook(self._count_tokens)
        self.dimension: int = self.loaded.get_embedding_dimension()
        self._passes: TokenPasses | None = None
        if self.on_gpu:
            with self.uncounted():
                self._passes = self._token_passes()

    def prompt(self, kind: str) -> str:
        """The text that the model puts before a `document` or a `query`."""
        return self._declared(kind) or self._added_prompts.get(kind, "")

    def embed(self, texts: Sequence[str], kind: str, batch_size: int = CPU_TEXTS_PER_PASS) -> np.ndarray:
        """Embed texts, best in order of their length.

        Args:
            kind: `document` or `query`, which may have different prompts.
            batch_size: texts per forward pass; on CPUs at most CPU_TEXTS_PER_PASS, on a GPU of at most TOKENS_PER_PASS
                tokens.

        Returns:
            Unit vectors: a float32 array of shape (len(texts), dimension).
        """
        if self._passes:
            prefix = self.prompt(kind)
            return self._passes.embed([prefix + text for text in texts], batch_size)
        encode = self.loaded.encode_query if kind == "query" else self.loaded.encode_document
        return encode(
            list(texts),
            # None: the model's own, as the library resolves it.
            prompt=None if self._declared(kind) else self._added_prompts.get(kind),
            batch_size=batch_size if self.on_gpu else min(batch_size, CPU_TEXTS_PER_PASS),
            convert_to_numpy=True,
            normalize_embeddings=True,
            show_progress_bar=False,
        ).astype(np.float32, copy=False)

    def _declared(self, kind: str) -> str:
        prompts = self.loaded.prompts
        found = declared_prompt(prompts, kind)
        return prompts.get(self.loaded.default_prompt_name, "") if found is None else found

    @contextmanager
    def uncounted(self) -> Iterator[None]:
        """What the model reads meanwhile is no work of the run."""
        counted, self.tokens = self.tokens, 0
        try:
            yield
        finally:
            self.tokens = counted

    def _token_passes(self) -> TokenPasses | None:
        """None for a model that does more to its texts than to tokenize them: its vectors would differ."""
        samples = sample_texts(LONGEST_SAMPLE)
        try:
            passes = TokenPasses(self.loaded)
            for kind in ("document", "query"):
                found = passes.embed([self.prompt(kind) + text for text in samples], len(samples))
                check_agreement(found, self.embed(samples, kind))
        except Exception as error:  # whatever a model's own code raises when it is used in another way
            _log().warning("The model is run by sentence-transformers, in passes of a number of texts: %s", error)
            return None
        return passes

    def _count_tokens(self, model: Any, arguments: tuple[Any, ...]) -> None:
        self.tokens += arguments[0]["attention_mask"].sum()  # stays on the GPU, which nothing waits for here


def _log() -> logging.Logger:
    return logging.getLogger(__name__)
