"""Embed texts with a sentence-transformers model that was converted for OpenVINO, on CPUs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ingest.common.cpu_inference import FULL
from ingest.models.conversion import KeptModel, Session, check_agreement, in_best_precision, write
from ingest.models.conversion_errors import NotConvertibleError
from ingest.models.text_model import sample_texts

if TYPE_CHECKING:
    from torch import Tensor

    from ingest.models.torch_texts import TorchTexts

TEXTS_PER_PASS = 8
"""Texts per forward pass. Of 64 texts of 60 to 150 words, sorted by length, one core with AMX embeds with MiniLM 33 a
second at 1, 46 at 2 and 4, 56 at 8, 46 at 16 and 58 at 32."""

TOKENS_STEP = 8
"""A pass has a multiple of so many tokens a text: OpenVINO prepares itself for each number that it has not seen."""

MAX_SHARE = 0.5
"""Largest share of one token in a text that is embedded in another precision than full: in bfloat16, the dots between
the titles and numbers of a table of contents gave a cosine of 0.9990, and no other text of 2,200 one below 0.9999."""

LONGEST_SAMPLE = 1024
"""Words of the longest text whose vectors are compared. Texts of more tokens are embedded in torch: some models treat
long texts in another way, and a traced graph has the way of short ones. A text of BGE-M3's 8,192 tokens takes torch
minutes."""


_SAMPLES = sample_texts(LONGEST_SAMPLE)


class CpuTexts:
    """A converted text model.

    Args:
        kept: what `convert` has made.
        threads: CPU threads that it may use.
        load: loads the model itself, for the texts that are longer than those whose vectors were compared.
    """

    def __init__(self, kept: KeptModel, threads: int, load: Callable[[], TorchTexts]) -> None:
        from tokenizers import Tokenizer

        settings = kept.settings
        self._kept, self._threads, self._load = kept, threads, load
        self._session = kept.session(threads)
        self._prompts = settings["prompts"]
        self._padding = settings["padding"]
        self._compared = settings["compared_tokens"]
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
        long = [index for index in order if len(tokens[index]) > self._compared]
        if long:
            vectors[long] = self._in_torch.embed([texts[index] for index in long], kind, 1)
            self.tokens += sum(len(tokens[index]) for index in long)
        repeating = {index for index in order[len(long) :] if _repeats(tokens[index])}
        for exactly in (False, True):
            members = [index for index in order[len(long) :] if (index in repeating) == exactly]
            for start in range(0, len(members), step):
                indices = members[start : start + step]
                session = self._exact if exactly else self._session
                vectors[indices] = self._forward(session, [tokens[index] for index in indices])
        return vectors

    @cached_property
    def _exact(self) -> Session:
        """The same model in full precision, which few texts need."""
        return self._session if self._kept.precision == FULL else self._kept.session(self._threads, FULL)

    @cached_property
    def _in_torch(self) -> TorchTexts:
        """The model itself, which takes its memory once more: chunks have 200 tokens by default."""
        return self._load()

    def _forward(self, session: Session, tokens: Sequence[Sequence[int]]) -> np.ndarray:
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
        The settings of `CpuTexts`.

    Raises:
        NotConvertibleError: its vectors would differ, or its tokenizer is not in the form of `tokenizers`.
        NoRoomError: the node has too little disk or memory for the conversion.
    """
    import torch

    loaded = model.loaded
    tokenizer = getattr(loaded.tokenizer, "backend_tokenizer", None)
    if tokenizer is None:
        raise NotConvertibleError("it has no tokenizer.json")
    if (limit := loaded.max_seq_length) is None:
        raise NotConvertibleError("it reads texts of any length")

    class Whole(torch.nn.Module):
        """From tokens to unit vectors: all modules of the model."""

        def __init__(self) -> None:
            super().__init__()
            self.model = loaded

        def forward(self, ids: Tensor, mask: Tensor) -> Tensor:
            vectors = self.model({"input_ids": ids, "attention_mask": mask})["sentence_embedding"]
            return torch.nn.functional.normalize(vectors, dim=1)

    ids = torch.ones((2, 9), dtype=torch.int64)
    with model.uncounted():
        write(Whole(), (ids, torch.ones_like(ids)), {"ids": (0, 1), "mask": (0, 1)}, path)
    settings = {
        "dimension": model.dimension,
        "max_tokens": limit,
        "compared_tokens": min(limit, _tokens(tokenizer.to_str(), _SAMPLES[-1])),
        "padding": loaded.tokenizer.pad_token_id or 0,
        "prompts": {kind: model.prompt(kind) for kind in ("document", "query")},
        "tokenizer": tokenizer.to_str(),
    }
    return in_best_precision(path, settings, _comparison(model, settings["prompts"]))


def _tokens(tokenizer: str, text: str) -> int:
    """The number of a text's tokens, however long it is."""
    from tokenizers import Tokenizer

    made = Tokenizer.from_str(tokenizer)
    made.no_truncation()
    made.no_padding()
    return len(made.encode(text).ids)


def _comparison(model: TorchTexts, prompts: dict[str, str]) -> Callable[[KeptModel], None]:
    """Compares the vectors of samples with those of the model, which are made once."""
    kinds = ("document", "query") if prompts["query"] != prompts["document"] else ("document",)
    *short, longest = _SAMPLES

    def vectors(texts: TorchTexts | CpuTexts, kind: str) -> np.ndarray:
        # In a pass of its own: the others would be padded to its length.
        return np.concatenate([texts.embed(short, kind), texts.embed([longest], kind)])

    with model.uncounted():
        expected = {kind: vectors(model, kind) for kind in kinds}

    def compare(kept: KeptModel) -> None:
        made = CpuTexts(kept, 1, lambda: model)
        for kind in kinds:
            check_agreement(vectors(made, kind), expected[kind], kept.precision)

    return compare
