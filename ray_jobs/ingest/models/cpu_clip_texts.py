"""Embed texts with the text half of a CLIP model that was converted for OpenVINO, on CPUs.

Its tokenizer is converted too, as open_clip's own need open_clip and torch, which take ten seconds to import.
"""

from __future__ import annotations

import html
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ingest.models.conversion import KeptModel, check_agreement, in_best_precision, write
from ingest.models.conversion_errors import NotConvertibleError

if TYPE_CHECKING:
    from tokenizers import Tokenizer
    from torch import Tensor

    from ingest.models.torch_clip import TorchClip

_WORDS = r"'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"
"""The words that open_clip's own tokenizer divides a text into (`SimpleTokenizer.pat`)."""

_START, _END = "<start_of_text>", "<end_of_text>"

_SAMPLES = (
    "", "a", "a photo of a lighthouse at dusk", "A Dog's BALL, 1999!", "  white \n space ", "café, naïve, Straße",
    "两只猫在沙发上", "don't we'll they've", "🙂🙂 <b>&amp;</b>", "one two three four " * 50,
)  # fmt: skip
"""Texts whose vectors are compared; the last one is longer than any model reads."""


class CpuClipTexts:
    """The converted text half of a CLIP model.

    Args:
        kept: what `convert` has made.
        threads: CPU threads that it may use.
    """

    def __init__(self, kept: KeptModel, threads: int) -> None:
        from tokenizers import Tokenizer

        settings = kept.settings
        self._session = kept.session(threads)
        self._tokenizer = Tokenizer.from_str(settings["tokenizer"])
        self._lower: bool = settings["lower"]

    def embed_text(self, text: str) -> np.ndarray:
        """Embed a text: as for `ClipEncoder.encode_text`."""
        tokens = self._tokenizer.encode(cleaned(text, self._lower)).ids
        return self._session.run(tokens=np.array([tokens], np.int64))[0]


def convert(model: TorchClip, path: Path) -> dict[str, Any]:
    """Write the text half of a loaded model to `path`, and compare its vectors.

    Returns:
        The settings of `CpuClipTexts`.

    Raises:
        NotConvertibleError: its vectors would differ, or its tokenizer has a form of its own.
        NoRoomError: the node has too little disk or memory for the conversion.
    """
    import torch

    class Texts(torch.nn.Module):
        """From tokens to unit vectors."""

        def __init__(self) -> None:
            super().__init__()
            self.whole = model.loaded

        def parameters(self, recurse: bool = True) -> Iterator[Any]:
            # The other half is not written.
            return (weight for name, weight in self.named_parameters() if not name.startswith("whole.visual."))

        def forward(self, tokens: Tensor) -> Tensor:
            return self.whole.encode_text(tokens, normalize=True)

    tokens = model.tokenizer(["a photo of a dog", "two"])
    write(Texts(), (tokens,), {"tokens": (0,)}, path)
    expected = np.stack([model.embed_text(text) for text in _SAMPLES])

    def compare(kept: KeptModel) -> None:
        made = CpuClipTexts(kept, 1)
        check_agreement(np.stack([made.embed_text(text) for text in _SAMPLES]), expected, kept.precision)

    return in_best_precision(path, tokenizer_settings(model.tokenizer), compare)


def tokenizer_settings(tokenizer: Any) -> dict[str, Any]:
    """A tokenizer of open_clip as settings of `CpuClipTexts`: `tokenizer` in the form of `tokenizers`, and `lower`.

    Raises:
        NotConvertibleError: it has a form of its own.
    """
    if getattr(tokenizer, "reduction_fn", None) or getattr(tokenizer, "tokenizer_mode", ""):
        raise NotConvertibleError("its tokenizer shortens or frames texts in a way of its own")
    if hasattr(tokenizer, "bpe_ranks"):
        converted = _converted_bpe(tokenizer)
    elif inner := getattr(getattr(tokenizer, "tokenizer", None), "backend_tokenizer", None):
        from tokenizers import Tokenizer

        converted = Tokenizer.from_str(inner.to_str())
        converted.enable_truncation(tokenizer.context_length)
        converted.enable_padding(
            length=tokenizer.context_length,
            pad_id=tokenizer.tokenizer.pad_token_id,
            pad_token=tokenizer.tokenizer.pad_token,
        )
    else:
        raise NotConvertibleError("its tokenizer has no tokenizer.json")
    return {"tokenizer": converted.to_str(), "lower": tokenizer.clean_fn("Aa") == "aa"}


def _converted_bpe(tokenizer: Any) -> Tokenizer:
    """open_clip's own tokenizer: byte pairs within words (`SimpleTokenizer.bpe`), padded with zeros."""
    from tokenizers import Regex, Tokenizer
    from tokenizers.models import BPE
    from tokenizers.pre_tokenizers import ByteLevel, Sequence, Split
    from tokenizers.processors import TemplateProcessing

    merges = sorted(tokenizer.bpe_ranks, key=tokenizer.bpe_ranks.__getitem__)
    made = Tokenizer(BPE(tokenizer.encoder, merges, end_of_word_suffix="</w>"))
    # Whatever is between the words is white space, and left out.
    words = Split(Regex(_WORDS), "removed", invert=True)
    made.pre_tokenizer = Sequence([words, ByteLevel(add_prefix_space=False, use_regex=False)])
    frame = [(mark, tokenizer.encoder[mark]) for mark in (_START, _END)]
    made.post_processor = TemplateProcessing(single=f"{_START} $A {_END}", special_tokens=frame)
    made.enable_truncation(tokenizer.context_length)
    made.enable_padding(length=tokenizer.context_length, pad_id=0, pad_token="!")
    return made


def cleaned(text: str, lower: bool) -> str:
    """A text as open_clip cleans it before it divides it (`get_clean_fn`: `whitespace`, or `lower`)."""
    import ftfy

    plain = " ".join(html.unescape(html.unescape(ftfy.fix_text(text))).split())
    return plain.lower() if lower else plain
