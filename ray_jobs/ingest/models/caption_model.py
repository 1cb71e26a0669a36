"""Describe a vision-language model from its small files alone, before any process loads it.

A model is named as transformers names it: `org/name` on the hub, or a folder with the model and its processor.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ingest.common.errors import ConfigurationError
from ingest.common.text import one_line
from ingest.models.model_files import find_folder, folder_digest, weight_bytes

PROMPT = "Describe this figure of a document in one or two sentences, with the words that it shows."
"""The request to a model with a chat template. It is part of the pipeline's fingerprint, as it shapes the captions."""

PROMPTLESS_TYPES = frozenset({"blip", "blip-2", "git"})
"""Values of `model_type` of models that caption a picture without a prompt, and need no chat template."""

BLIP_LARGE_WEIGHT_BYTES = 1_900_000_000
"""470 million parameters in float32: the estimate for a model whose weights are not in a local folder."""


@dataclass(frozen=True, slots=True)
class CaptionModel:
    """A vision-language model.

    Attributes:
        name: the hub name or absolute path that transformers loads.
        identity: changes when the model does: the hub name, or a digest of the folder's files.
        weight_bytes: size of its weights; an estimate for a model on the hub.
    """

    name: str
    identity: str
    weight_bytes: int


def find_caption_model(name: str) -> CaptionModel:
    """Find the model `name`, a hub name or a folder.

    Raises:
        ConfigurationError: the model does not exist, its folder has no processor, or it has no standard way to be
            prompted.
    """
    folder, is_local = find_folder(name, "--caption-model", str, ["*.json", "*.jinja"])
    needed = [("config.json",), ("preprocessor_config.json", "processor_config.json")]
    missing = [names[0] for names in needed if not any((folder / name).is_file() for name in names)]
    if missing:
        raise ConfigurationError(
            f"--caption-model {name!r} is not a usable vision-language model: it has no "
            f"{' and no '.join(missing)}; save the model and its processor in one folder"
        )
    try:
        kind = _settings(folder / "config.json").get("model_type")
        usable = kind in PROMPTLESS_TYPES or _has_chat_template(folder)
    except (OSError, ValueError) as error:
        raise ConfigurationError(
            f"--caption-model {name!r}: its files cannot be read ({one_line(error, 160)}); save or copy it again"
        ) from None
    if not usable:
        raise ConfigurationError(
            f"--caption-model {name!r} cannot be asked for a caption: it is of the type {kind!r} and its processor has "
            "no chat template (chat_template.jinja); choose an instruction-tuned vision-language model, or a BLIP"
        )
    if is_local:
        return CaptionModel(str(folder), folder_digest(folder), weight_bytes(folder))
    return CaptionModel(name, name, BLIP_LARGE_WEIGHT_BYTES)


def _settings(path: Path) -> dict[str, Any]:
    found = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    if not isinstance(found, dict):
        raise ValueError(f"{path.name} holds no JSON object")
    return found


def _has_chat_template(folder: Path) -> bool:
    """Whether `AutoProcessor` finds a chat template: in its own file, whose name has changed over time, or in its
    settings.

    A template that only the tokenizer has does not count: it is for texts without a picture.
    """
    is_file = any((folder / name).is_file() for name in ("chat_template.jinja", "chat_template.json"))
    return is_file or bool(_settings(folder / "processor_config.json").get("chat_template"))
