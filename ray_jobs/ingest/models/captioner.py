"""Pictures to sentences with a vision-language model of transformers."""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ingest.common.errors import ConfigurationError
from ingest.common.text import one_line
from ingest.models.gpu_memory import Batches
from ingest.models.model_files import digest, find_folder, weight_bytes

if TYPE_CHECKING:
    from PIL.Image import Image

PROMPT = "Describe this figure of a document in one or two sentences, with the words that it shows."
"""What a model with a chat template is asked."""

UNASKED = frozenset({"blip", "blip-2", "git"})
"""Types of models that caption a picture without being asked, and have no chat template."""

MAX_TOKENS = 96
"""Of a caption: two long sentences."""

UNCAPTIONED = "figure"
"""The text of a figure that the model had nothing to say of."""

DEFAULT_WEIGHT_BYTES = 1_900_000_000
"""BLIP large: 470 million parameters in float32."""


@dataclass(frozen=True, slots=True)
class CaptionModel:
    """A vision-language model: what transformers is to load, what tells it from others, and the size of its weights."""

    name: str
    identity: str
    weight_bytes: int


def find_captioner(name: str) -> CaptionModel:
    """Find the model `name`, a hub name or a folder.

    Raises:
        ConfigurationError: there is no such model, its folder has no processor, or it can only be asked in a way of
            its own.
    """
    folder, is_local = find_folder(name, "--caption-model", str, ["*.json", "*.jinja"])
    needed = [("config.json",), ("preprocessor_config.json", "processor_config.json")]
    missing = [names[0] for names in needed if not any((folder / name).is_file() for name in names)]
    if missing:
        raise ConfigurationError(
            f"--caption-model {name!r} is not a vision-language model that can be used here: it has no "
            f"{' and no '.join(missing)}; save the model and its processor in one folder"
        )
    try:
        kind = _settings(folder / "config.json").get("model_type")
        usable = kind in UNASKED or _has_chat_template(folder)
    except (OSError, ValueError) as error:
        raise ConfigurationError(
            f"--caption-model {name!r}: its files cannot be read ({one_line(error, 160)}); save or copy it again"
        ) from None
    if not usable:
        raise ConfigurationError(
            f"--caption-model {name!r} cannot be asked for a caption: it is of the type {kind!r} and its processor has "
            "no chat template (chat_template.jinja); take a vision-language model that was tuned to instructions, or "
            "a BLIP"
        )
    if is_local:
        return CaptionModel(str(folder), digest(folder), weight_bytes(folder))
    return CaptionModel(name, name, DEFAULT_WEIGHT_BYTES)


def _settings(path: Path) -> dict[str, Any]:
    found = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    if not isinstance(found, dict):
        raise ValueError(f"{path.name} holds no object")
    return found


def _has_chat_template(folder: Path) -> bool:
    """Whether `AutoProcessor` finds one: in a file of its own, as it is saved today and was before, or in its settings.

    One that the tokenizer alone has does not count: it is for texts without a picture.
    """
    is_file = any((folder / name).is_file() for name in ("chat_template.jinja", "chat_template.json"))
    return is_file or bool(_settings(folder / "processor_config.json").get("chat_template"))


class Captioner:
    """A loaded model.

    Args:
        name: as `CaptionModel.name`.
        threads: CPU threads it may use.
        batch_size: pictures at once.
        device: `cuda`, `cpu`, or None for the GPU where there is one.
    """

    def __init__(self, name: str, threads: int = 1, batch_size: int = 8, device: str | None = None) -> None:
        import torch
        from transformers import AutoModelForImageTextToText, AutoProcessor
        from transformers.utils.logging import disable_progress_bar

        disable_progress_bar()
        torch.set_num_threads(threads)
        self._device = device or ("cuda" if torch.cuda.is_available() else "cpu")
        self._processor: Any = AutoProcessor.from_pretrained(name)
        dtype = torch.float32 if self._device == "cpu" else torch.bfloat16
        model: Any = AutoModelForImageTextToText.from_pretrained(name, dtype=dtype)
        self._model = model.to(self._device).eval()
        self._batches = Batches(batch_size)
        tokenizer = self._processor.tokenizer
        tokenizer.padding_side = "left"  # a decoder goes on where the prompt ends
        if tokenizer.pad_token is None:
            tokenizer.pad_token = tokenizer.eos_token

    def caption(self, pictures: Sequence[bytes]) -> list[str]:
        """Describe pictures, each an encoded image; the same one in the same words.

        In half precision, on a GPU, the pictures in the same batch may change them.
        """
        captions: list[str] = []

        def generate(batch: slice) -> list[str]:
            return self._generate([_opened(data) for data in pictures[batch]])

        for _, found in self._batches.map(generate, len(pictures)):
            captions += [" ".join(text.split()) or UNCAPTIONED for text in found]
        return captions

    def _generate(self, images: list[Image]) -> list[str]:
        import torch

        asked = 0
        if getattr(self._processor, "chat_template", None):
            text = {"type": "text", "text": PROMPT}
            chats = [[{"role": "user", "content": [{"type": "image", "image": image}, text]}] for image in images]
            # Template and tokens in one call: in two, a beginning that both know of is there twice (as in Gemma 3).
            inputs = self._processor.apply_chat_template(
                chats,
                add_generation_prompt=True,
                tokenize=True,
                return_dict=True,
                return_tensors="pt",
                processor_kwargs={"padding": True},
            )
            asked = inputs["input_ids"].shape[1]
        else:
            inputs = self._processor(images=images, return_tensors="pt")
        inputs = inputs.to(self._device, self._model.dtype)
        with torch.inference_mode():
            tokens = self._model.generate(**inputs, max_new_tokens=MAX_TOKENS, do_sample=False, num_beams=1)
        return self._processor.batch_decode(tokens[:, asked:], skip_special_tokens=True)


def _opened(data: bytes) -> Image:
    from PIL import Image

    return Image.open(io.BytesIO(data)).convert("RGB")
