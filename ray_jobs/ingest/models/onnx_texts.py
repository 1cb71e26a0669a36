"""Embed texts with a sentence-transformers model that was converted to ONNX, on CPUs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ingest.common.cpu_inference import FULL, CpuSession
from ingest.models.onnx_cache import KeptModel, NotConvertibleError, check_agreement, compiled, export
from ingest.models.text_model import sample_texts

if TYPE_CHECKING:
    from torch import Tensor
    from torch.nn import Module

    from ingest.models.torch_texts import TorchTexts

TEXTS_PER_PASS = 8
"""Texts per forward pass. Of 64 texts of 60 to 150 words, sorted by length, one core with AMX embeds with MiniLM 33 a
second at 1, 46 at 2 and 4, 56 at 8, 46 at 16 and 58 at 32."""

TOKENS_STEP = 8
"""A pass has a multiple of so many tokens a text: OpenVINO prepares itself for each number that it has not seen."""

MAX_SHARE = 0.5
"""Largest share of one token in a text that is embedded in another precision than full: in bfloat16, the dots between
the titles and numbers of a table of contents gave a cosine of 0.9990, and no other text of 2,200 one below 0.9999."""

MAX_TOKENS = 1024
"""Models that read longer texts are not converted: the vectors of such texts would have to be compared too."""


class OnnxTexts:
    """A converted text model.

    Args:
        kept: what `convert` has made.
        threads: CPU threads that it may use.
    """

    def __init__(self, kept: KeptModel, threads: int) -> None:
        from tokenizers import Tokenizer

        settings = kept.settings
        self._kept, self._threads = kept, threads
        self._session = kept.session(threads)
        self._prompts = settings["prompts"]
        self._padding = settings["padding"]
        self._tokenizer = Tokenizer.from_str(settings["tokenizer"])
        self._tokenizer.no_padding()
        self._tokenizer.enable_truncation(settings["max_tokens"])
        self.dimension: int = settings["dimension"]
        self.tokens = 0

    def embed(self, texts: Sequence[str], kind: str, batch_size: int = TEXTS_PER_PASS) -> np.ndarray:
        """Embed texts, whose passes are made by their numbers of tokens.

        Args:
            kind: `document` or `query`, which may have different prompts.
            batch_size: texts per forward pass; at most TEXTS_PER_PASS.

        Returns:
            Unit vectors: a float32 array of shape (len(texts), dimension).
        """
        vectors = np.empty((len(texts), self.dimension), np.float32)
        encodings = self._tokenizer.encode_batch_fast([self._prompts[kind] + text for text in texts])
        tokens = [encoding.ids for encoding in encodings]
        # Of pairs of neighbours by characters, an eighth was padding (the corpus' clean PDFs).
        order = sorted(range(len(texts)), key=lambda index: -len(tokens[index]))
        step = min(batch_size, TEXTS_PER_PASS)
        repeating = {index for index in order if _repeats(tokens[index])}
        for exactly in (False, True):
            members = [index for index in order if (index in repeating) == exactly]
            for start in range(0, len(members), step):
                indices = members[start : start + step]
                session = self._exact if exactly else self._session
                vectors[indices] = self._forward(session, [tokens[index] for index in indices])
        return vectors

    @cached_property
    def _exact(self) -> CpuSession:
        """The same model in full precision, which few texts need."""
        return self._session if self._kept.precision == FULL else self._kept.session(self._threads, FULL)

    def _forward(self, session: CpuSession, tokens: Sequence[Sequence[int]]) -> np.ndarray:
        """The vectors of the texts of one pass, the longest first."""
        ids = np.full((len(tokens), len(tokens[0]) + -len(tokens[0]) % TOKENS_STEP), self._padding, np.int64)
        mask = np.zeros_like(ids)
        for row, own in enumerate(tokens):
            ids[row, : len(own)], mask[row, : len(own)] = own, 1
        self.tokens += int(mask.sum())
        return session.run(ids=ids, mask=mask)


def _repeats(tokens: Sequence[int]) -> bool:
    """Whether one token is most of a text."""
    return max(Counter(tokens).values(), default=0) > MAX_SHARE * len(tokens)


def convert(model: TorchTexts, path: Path) -> dict[str, Any]:
    """Write a loaded model to `path`, and compare its vectors.

    Returns:
        The settings of `OnnxTexts`.

    Raises:
        NotConvertibleError: its vectors would differ, or its tokenizer is not in the form of `tokenizers`.
    """
    import torch

    loaded = model.loaded
    limit = loaded.max_seq_length
    tokenizer = getattr(loaded.tokenizer, "backend_tokenizer", None)
    if tokenizer is None:
        raise NotConvertibleError("it has no tokenizer.json")
    if limit is None or limit > MAX_TOKENS:
        raise NotConvertibleError(f"it reads texts of {limit} tokens, and the limit is {MAX_TOKENS}")

    class Whole(torch.nn.Module):
        """From tokens to unit vectors: all modules of the model."""

        def __init__(self) -> None:
            super().__init__()
            self.model = loaded

        def forward(self, ids: Tensor, mask: Tensor) -> Tensor:
            vectors = self.model({"input_ids": ids, "attention_mask": mask})["sentence_embedding"]
            return torch.nn.functional.normalize(vectors, dim=1)

    ids = torch.ones((2, 9), dtype=torch.int64)
    varying = {0: "texts", 1: "tokens"}
    with _attention_in_steps(loaded):
        export(Whole(), (ids, torch.ones_like(ids)), {"ids": varying, "mask": varying, "vectors": {0: "texts"}}, path)
    settings = {
        "dimension": model.dimension,
        "max_tokens": limit,
        "padding": loaded.tokenizer.pad_token_id or 0,
        "prompts": {kind: model.prompt(kind) for kind in ("document", "query")},
        "tokenizer": tokenizer.to_str(),
    }
    samples = sample_texts(limit)

    def compare(kept: KeptModel) -> None:
        made = OnnxTexts(kept, threads=1)
        for kind in ("document", "query"):
            check_agreement(made.embed(samples, kind), model.embed(samples, kind), kept.precision)

    return compiled(path, settings, compare)


@contextmanager
def _attention_in_steps(model: Module) -> Iterator[None]:
    """Let a model compute attention in single steps meanwhile.

    torch exports its own operator for attention with guards against NaN over heads x tokens x tokens. With MiniLM, one
    core embeds 3,370 tokens a second with them and 3,870 without, in passes of 2 texts of 180 tokens.
    """
    parts = [part for part in model.modules() if hasattr(part, "set_attn_implementation")]
    before = [part.config._attn_implementation for part in parts]
    try:
        for part in parts:
            part.set_attn_implementation("eager")
        yield
    finally:
        for part, implementation in zip(parts, before, strict=True):
            part.set_attn_implementation(implementation)
