"""Describe a text embedding model from its small files alone, before any process loads it.

A model is named as sentence-transformers names it: a folder, `org/name` on the hub, or a bare name, which means
`sentence-transformers/name` there (`SentenceTransformer.__init__` resolves it the same way).
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ingest.common.errors import ConfigurationError
from ingest.common.text import one_line
from ingest.models.model_files import find_folder, folder_digest, weight_bytes, weights_identity

BGE_V1_5_QUERY_PROMPTS = {
    "en": "Represent this sentence for searching relevant passages: ",
    "zh": "为这个句子生成表示以用于检索相关文章：",
}
"""Query instructions of BGE v1.5, which its config files lack (model cards of BAAI/bge-*-{en,zh}-v1.5)."""

E5_PROMPTS = {"query": "query: ", "document": "passage: "}
"""What E5 models read before each text, whatever its language; the config files of most lack it (model cards of
intfloat/e5-*, e5-*-v2 and multilingual-e5-*; those of the models `-instruct` want something else)."""

_E5 = re.compile(r"(multilingual-)?e5-(small|base|large)(-v2|-unsupervised)?")
_DOCUMENT_PROMPTS = ("document", "passage", "corpus")
"""Names under which sentence-transformers looks for the prompt of passages."""

BGE_M3_WEIGHT_BYTES = 2_300_000_000
"""568 million parameters in float32: the estimate for a model whose weights are not in a local folder."""

_SMALL_FILES = ["*.json", "*/config.json"]

_FALLBACK_LIMIT = 512
"""Tokens per text of a model whose files name no limit: BERT's limit, the smallest common one."""

_SAMPLES = (
    "", "a", "The ferry leaves the harbour at half past six.", "UPPER CASE, and 1,234.5 numbers!",
    "  white   space\n\taround \n", "Der Fluß führt Hochwasser; l'été est chaud.", "今天的会议推迟到星期五下午三点。",
    "Сегодня идёт дождь. " * 12, "مرحبا بالعالم", "🙂 emoji and <tags> &amp; entities",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class TextModel:
    """A text embedding model.

    Attributes:
        name: the hub name or absolute path that sentence-transformers loads.
        dimension: length of its vectors.
        max_tokens: length of the longest text that it reads, in tokens without special ones; the rest is cut off.
        weight_bytes: size of its weights; for a model on the hub, the size of the default model.
        tokenizer_json: contents of its `tokenizer.json`.
        identity: changes when the model does: the hub name, or a digest of the folder's files.
    """

    name: str
    dimension: int
    max_tokens: int
    weight_bytes: int
    tokenizer_json: str
    identity: str

    @property
    def label(self) -> str:
        """Its name in messages, and in the properties of a collection."""
        return self.name


def find_text_model(name: str) -> TextModel:
    """Find the model `name` and read its dimension, limit and tokenizer.

    Raises:
        ConfigurationError: the model does not exist, or its files lack its dimension or tokenizer.
    """
    folder, is_local = find_folder(name, "--embedding-model", _qualified, _SMALL_FILES)
    try:
        dimension = _dimension(folder)
        tokenizer_json = (folder / "tokenizer.json").read_text(encoding="utf-8")
        max_tokens = _max_tokens(folder, tokenizer_json)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ConfigurationError(
            f"--embedding-model {name!r} is not a usable sentence-transformers model "
            f"({type(error).__name__}: {one_line(error, 160)}); it needs config.json, modules.json and tokenizer.json"
        ) from None
    identity = folder_digest(folder) if is_local else _qualified(name)
    if (prompt := added_prompts(name).get("document")) and not _has_document_prompt(folder):
        identity += f" {prompt}"  # rows that were embedded without it are another model's
    weights = weight_bytes(folder) if is_local else BGE_M3_WEIGHT_BYTES
    return TextModel(str(folder) if is_local else name, dimension, max_tokens, weights, tokenizer_json, identity)


def text_weights(name: str) -> str:
    """Tells the weights of a text model from all others: a digest of its folder, or its commit on the hub.

    Raises:
        ConfigurationError: the model does not exist, or the hub cannot be reached.
    """
    weights = weights_identity(name, "--embedding-model", _qualified, _SMALL_FILES)
    # What is kept of a model on a node has its prompts too.
    return f"{weights} {prompt}" if (prompt := added_prompts(name).get("document")) else weights


def added_prompts(name: str) -> Mapping[str, str]:
    """The prompts of `query` and `document` of a model whose own configuration may lack them, by its hub name."""
    base = Path(name).name.lower()
    if base.startswith("bge-") and base.endswith("-v1.5"):
        return {"query": BGE_V1_5_QUERY_PROMPTS["zh" if "-zh-" in base else "en"]}
    return E5_PROMPTS if _E5.fullmatch(base) else {}


def declared_prompt(prompts: Mapping[str, str], kind: str) -> str | None:
    """The prompt of `query` or `document` among those that a model declares; None if it declares none."""
    names = _DOCUMENT_PROMPTS if kind == "document" else ("query",)
    return next((prompts[name] for name in names if name in prompts), None)


def _has_document_prompt(folder: Path) -> bool:
    path = folder / "config_sentence_transformers.json"
    settings = _json(path) if path.exists() else {}
    return bool(declared_prompt(settings.get("prompts") or {}, "document") or settings.get("default_prompt_name"))


def _qualified(name: str) -> str:
    return name if "/" in name else f"sentence-transformers/{name}"


def _json(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


def _dimension(folder: Path) -> int:
    """Length of the vectors, which the last of the model's modules with such a setting decides."""
    config = _json(folder / "config.json") if (folder / "config.json").exists() else {}
    dimension = config.get("hidden_size") or config.get("d_model") or config.get("dim")
    modules = _json(folder / "modules.json") if (folder / "modules.json").exists() else []
    for module in modules:
        path = folder / module["path"] / "config.json"
        if not module["path"] or not path.exists():
            continue
        settings = _json(path)
        kind = module["type"].rsplit(".", 1)[-1]
        if kind == "Pooling":
            modes = settings.get("pooling_mode")
            count = modes.count("+") + 1 if isinstance(modes, str) else _pooling_modes(settings)
            dimension = (settings.get("word_embedding_dimension") or settings["embedding_dimension"]) * count
        elif kind == "Dense":
            dimension = settings["out_features"]
    if not isinstance(dimension, int) or dimension < 2:
        raise ValueError("its files do not name the dimension of its vectors")
    return dimension


def _pooling_modes(settings: dict[str, Any]) -> int:
    """The number of poolings whose vectors a Pooling module concatenates."""
    return sum(value is True for key, value in settings.items() if key.startswith("pooling_mode_")) or 1


def _max_tokens(folder: Path, tokenizer_json: str) -> int:
    limits = []
    for file, key in (
        ("sentence_bert_config.json", "max_seq_length"),
        ("tokenizer_config.json", "model_max_length"),
        ("config.json", "max_position_embeddings"),
    ):
        if (folder / file).exists():
            limit = _json(folder / file).get(key)
            # transformers saves "no limit" as 10^30.
            if isinstance(limit, int) and 0 < limit < 1 << 20:
                limits.append(limit)
    from tokenizers import Tokenizer

    special = Tokenizer.from_str(tokenizer_json).num_special_tokens_to_add(False)
    return min(limits, default=_FALLBACK_LIMIT) - special


def sample_texts(words: int) -> list[str]:
    """Texts by whose vectors two ways of running a model are compared; the last one has so many words."""
    return [*_SAMPLES, "one two three four " * (words // 4)]
