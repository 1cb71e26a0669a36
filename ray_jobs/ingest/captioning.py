"""Pictures to sentences with a vision-language model of transformers."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ingest.errors import ConfigurationError
from ingest.gpu_memory import Batches
from ingest.model_files import digest, find_folder, weight_bytes

if TYPE_CHECKING:
    from PIL.Image import Image

PROMPT = "Describe this figure of a document in one or two sentences, with the words that it shows."
"""What a model with a chat template is asked. Others, such as BLIP, caption without being asked."""

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


def describe_captioner(name: str) -> CaptionModel:
    """Find the model `name`, a hub name or a folder.

    Raises:
        ConfigurationError: there is no such model, or its folder has no processor.
    """
    folder, is_local = find_folder(name, "--caption-model", str, ["*.json"])
    missing = [part for part in ("config.json", "preprocessor_config.json") if not (folder / part).is_file()]
    if missing and not (folder / "processor_config.json").is_file():
        raise ConfigurationError(
            f"--caption-model {name!r} is not a vision-language model that can be used here: it has no "
            f"{' and no '.join(missing)}; save the model and its processor in one folder"
        )
    if is_local:
        return CaptionModel(str(folder), digest(folder), weight_bytes(folder))
    return CaptionModel(name, name, DEFAULT_WEIGHT_BYTES)


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
        """Describe pictures, each an encoded image; the same one always in the same words."""
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
            content = [{"type": "image"}, {"type": "text", "text": PROMPT}]
            prompt = self._processor.apply_chat_template(
                [{"role": "user", "content": content}], add_generation_prompt=True
            )
            inputs = self._processor(
                text=[prompt] * len(images), images=[[image] for image in images], padding=True, return_tensors="pt"
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
