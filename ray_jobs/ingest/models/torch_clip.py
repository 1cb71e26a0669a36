"""Embed images and texts with a CLIP model of open_clip in torch, on a GPU or on CPUs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from torch import Tensor

OPENAI_MEAN, OPENAI_STD = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)
"""Mean and standard deviation of the pixels that CLIP was trained on: the default of a model without its own."""


class TorchClip:
    """A loaded CLIP model.

    Args:
        name, pretrained: as in `ClipModel`.
        threads: CPU threads that it may use.
        device: `cuda` or `cpu`.
    """

    def __init__(self, name: str, pretrained: str | None, threads: int, device: str) -> None:
        import open_clip
        import torch
        from transformers.utils.logging import disable_progress_bar

        disable_progress_bar()
        torch.set_num_threads(threads)
        self._device = device
        # Half precision is faster on a GPU; a CPU converts it to single precision first, and is slower.
        self._half = device != "cpu"
        model: Any = open_clip.create_model(
            name, pretrained=pretrained, precision="fp16" if self._half else "fp32", device=device
        )
        self.loaded = model.eval()
        self.tokenizer: Any = open_clip.get_tokenizer(name)
        preprocess = getattr(model.visual, "preprocess_cfg", {})
        mean, std = preprocess.get("mean") or OPENAI_MEAN, preprocess.get("std") or OPENAI_STD
        self._mean, self._std = (
            torch.tensor(values, device=device, dtype=torch.float32).view(1, 3, 1, 1) for values in (mean, std)
        )
        self.dimension: int = self.embed_text("").shape[0]

    def vectors(self, pixels: Tensor) -> Tensor:
        """Unit vectors of uint8 RGB pixels of shape (count, size, size, 3)."""
        images = (pixels.permute(0, 3, 1, 2).float() / 255 - self._mean) / self._std
        return self.loaded.encode_image(images.half() if self._half else images, normalize=True).float()

    def embed_images(self, pixels: np.ndarray) -> np.ndarray:
        """Embed the images of one batch: as for `ClipEncoder.encode_images`."""
        import torch

        with torch.inference_mode():
            # torch needs writable memory, hence the copy. Bytes are a quarter of the size of floats to transfer.
            return self.vectors(torch.from_numpy(pixels.copy()).to(self._device)).cpu().numpy()

    def embed_text(self, text: str) -> np.ndarray:
        """Embed a text: as for `ClipEncoder.encode_text`."""
        import torch

        tokens = self.tokenizer([text]).to(self._device)
        with torch.inference_mode():
            return self.loaded.encode_text(tokens, normalize=True).float().cpu().numpy()[0]
