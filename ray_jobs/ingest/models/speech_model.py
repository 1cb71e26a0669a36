"""Describe a Whisper model from its small files alone, before any process loads it.

A model is named as faster-whisper names it: a folder in CTranslate2 form, a size such as `small`, or `org/name` of a
model on the hub in that form.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from ingest.common.errors import ConfigurationError
from ingest.common.text import one_line
from ingest.models.model_files import find_folder, folder_digest, weight_bytes

_SIZES = {"tiny": 76e6, "base": 145e6, "small": 484e6, "medium": 1.53e9, "turbo": 1.62e9}
"""Bytes of the weights in float16, by size (huggingface.co/Systran)."""

_LARGEST = 3.09e9
"""Bytes of the weights of every other size: those of `large`."""

_MULTILINGUAL_TOKENS = 51_865
"""Smallest vocabulary of a model that CTranslate2 treats as multilingual; an English one has one token less."""


@dataclass(frozen=True, slots=True)
class SpeechModel:
    """A Whisper model.

    Attributes:
        name: the size, hub name or absolute path that faster-whisper loads.
        identity: changes when the model does: the hub name, or a digest of the folder's files.
        weight_bytes: size of its weights; for a model on the hub, an estimate from its name.
        multilingual: whether it knows languages other than English.
    """

    name: str
    identity: str
    weight_bytes: int
    multilingual: bool


def find_speech_model(name: str) -> SpeechModel:
    """Find the model `name` and read its properties.

    Raises:
        ConfigurationError: the model does not exist, or it is not in CTranslate2 form.
    """
    patterns = ["config.json", "preprocessor_config.json", "tokenizer.json", "vocabulary.*"]
    folder, is_local = find_folder(name, "--whisper-model", _qualified, patterns)
    try:
        json.loads((folder / "config.json").read_text(encoding="utf-8"))["suppress_ids"]
        tokens = _vocabulary_length(folder)
        if is_local and not (folder / "model.bin").is_file():
            raise FileNotFoundError("model.bin is missing")
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ConfigurationError(
            f"--whisper-model {name!r} is not a Whisper model in CTranslate2 form ({type(error).__name__}: "
            f"{one_line(error, 160)}); it needs model.bin, config.json and vocabulary.json or .txt, as "
            "ct2-transformers-converter writes them"
        ) from None
    multilingual = tokens >= _MULTILINGUAL_TOKENS
    if is_local:
        return SpeechModel(str(folder), folder_digest(folder), weight_bytes(folder), multilingual)
    return SpeechModel(name, _qualified(name), _weight_bytes_of(_qualified(name)), multilingual)


def _qualified(name: str) -> str:
    if "/" in name:
        return name
    from faster_whisper.utils import _MODELS, available_models

    if name not in _MODELS:
        raise ConfigurationError(
            f"--whisper-model {name!r} is no size of Whisper; the sizes are {', '.join(available_models())}"
        )
    return _MODELS[name]


def _vocabulary_length(folder: Path) -> int:
    if (folder / "vocabulary.json").is_file():
        return len(json.loads((folder / "vocabulary.json").read_text(encoding="utf-8")))
    return (folder / "vocabulary.txt").read_bytes().count(b"\n")


def _weight_bytes_of(name: str) -> int:
    return int(next((size for part, size in _SIZES.items() if part in name), _LARGEST))
