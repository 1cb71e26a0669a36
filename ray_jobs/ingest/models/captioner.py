"""Caption pictures with a vision-language model of transformers."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ingest.common.gpu_memory import AdaptiveBatches
from ingest.common.text import as_typed
from ingest.models.caption_model import PROMPT

if TYPE_CHECKING:
    from PIL.Image import Image

MAX_CAPTION_TOKENS = 96
"""Tokens of the longest caption: about two long sentences."""

EMPTY_CAPTION = "figure"
"""The text of a figure for which the model generates nothing."""


class Captioner:
    """A loaded vision-language model.

    Args:
        name: hub name or path, as in `CaptionModel.name`.
        threads: CPU threads that it may use.
        batch_size: pictures per forward pass; halved for good when they exceed the GPU's memory.
        device: `cuda`, `cpu`, or None to use a GPU if there is one.
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
        self._batches = AdaptiveBatches(batch_size)
        tokenizer = self._processor.tokenizer
        tokenizer.padding_side = "left"  # a decoder continues where the prompt ends
        if tokenizer.pad_token is None:
            tokenizer.pad_token = tokenizer.eos_token

    def caption(self, pictures: Sequence[bytes]) -> list[str]:
        """Describe pictures, each an encoded image.

        On a CPU, the same picture always gets the same caption. On a GPU, in half precision, the other pictures of its
        batch may change the wording.
        """
        captions: list[str] = []

        def generate(batch: slice) -> list[str]:
            return self._generate([_decoded(data) for data in pictures[batch]])

        for _, found in self._batches.map(generate, len(pictures)):
            captions += [as_typed(text) or EMPTY_CAPTION for text in found]
        return captions

    def _generate(self, images: list[Image]) -> list[str]:
        import torch

        prompt_length = 0
        if getattr(self._processor, "chat_template", None):
            text = {"type": "text", "text": PROMPT}
            chats = [[{"role": "user", "content": [{"type": "image", "image": image}, text]}] for image in images]
            # One call for template and tokens: two would each add the token that begins a text (as with Gemma 3).
            inputs = self._processor.apply_chat_template(
                chats,
                add_generation_prompt=True,
                tokenize=True,
                return_dict=True,
                return_tensors="pt",
                processor_kwargs={"padding": True},
            )
            prompt_length = inputs["input_ids"].shape[1]
        else:
            inputs = self._processor(images=images, return_tensors="pt")
        inputs = inputs.to(self._device, self._model.dtype)
        with torch.inference_mode():
            tokens = self._model.generate(**inputs, max_new_tokens=MAX_CAPTION_TOKENS, do_sample=False, num_beams=1)
        return self._processor.batch_decode(tokens[:, prompt_length:], skip_special_tokens=True)


def _decoded(data: bytes) -> Image:
    from PIL import Image

    return Image.open(io.BytesIO(data)).convert("RGB")
