"""Embed images and texts in one vector space with a CLIP model (Radford et al., ICML 2021) of open_clip."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from ingest.models.gpu_memory import AdaptiveBatches

if TYPE_CHECKING:
    from torch import Tensor

OPENAI_MEAN, OPENAI_STD = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)
"""Mean and standard deviation of the pixels that CLIP was trained on: the default of a model without its own."""


class ClipEncoder:
    """A loaded CLIP model.

    Args:
        name, pretrained: as in `ClipModel`.
        dimension: the expected length of its vectors.
        threads: CPU threads that it may use. They are set explicitly, since Ray sets OMP_NUM_THREADS to 1 for
            an actor that reserves a fraction of a CPU.
        batch_size: images per forward pass; halved for good when they exceed the GPU's memory.
        device: `cuda`, `cpu`, or None to use a GPU if there is one.

    Raises:
        ValueError: its vectors have another dimension.
    """

    def __init__(
        self,
        name: str,
        pretrained: str | None,
        dimension: int,
        threads: int = 1,
        batch_size: int = 32,
        device: str | None = None,
    ) -> None:
        import open_clip
        import torch
        from transformers.utils.logging import disable_progress_bar

        disable_progress_bar()
        torch.set_num_threads(threads)
        self._device = device or ("cuda" if torch.cuda.is_available() else "cpu")
        # Half precision is faster on a GPU; a CPU converts it to single precision first, and is slower.
        self._half = self._device != "cpu"
        model: Any = open_clip.create_model(
            name, pretrained=pretrained, precision="fp16" if self._half else "fp32", device=self._device
        )
        self._model = model.eval()
        self._tokenizer: Any = open_clip.get_tokenizer(name)
        self._batches = AdaptiveBatches(batch_size)
        self.dimension = dimension
        preprocess = getattr(model.visual, "preprocess_cfg", {})
        mean, std = preprocess.get("mean") or OPENAI_MEAN, preprocess.get("std") or OPENAI_STD
        self._mean, self._std = (self._tensor(values) for values in (mean, std))
        actual = self.encode_text("").shape[0]
        if actual != dimension:
            raise ValueError(f"CLIP model {name!r} has vectors of {actual} dimensions, but {dimension} were expected")

    def _tensor(self, values: Any) -> Tensor:
        import torch

        return torch.tensor(values, device=self._device, dtype=torch.float32).view(1, 3, 1, 1)

    def encode_images(self, pixels: np.ndarray, on_done: Callable[[int], None] = lambda count: None) -> np.ndarray:
        """Embed images.

        Args:
            pixels: uint8 RGB of shape (count, size, size, 3), cropped as `clip_model.input_square` describes.
            on_done: called after each batch with its number of images.

        Returns:
            Unit vectors: a float32 array of shape (count, dimension).
        """
        import torch

        vectors = np.empty((len(pixels), self.dimension), np.float32)

        def forward(batch: slice) -> np.ndarray:
            # torch needs writable memory, hence the copy. Bytes are a quarter of the size of floats to transfer.
            images = torch.from_numpy(pixels[batch].copy()).to(self._device)
            images = (images.permute(0, 3, 1, 2).float() / 255 - self._mean) / self._std
            features = self._model.encode_image(images.half() if self._half else images, normalize=True)
            return features.float().cpu().numpy()

        with torch.inference_mode():
            for batch, found in self._batches.map(forward, len(pixels)):
                vectors[batch] = found
                on_done(len(found))
        return vectors

    def encode_text(self, text: str) -> np.ndarray:
        """Embed a text that describes an image.

        Returns:
            A unit vector: a float32 array of shape (dimension,).
        """
        import torch

        tokens = self._tokenizer([text]).to(self._device)
        with torch.inference_mode():
            return self._model.encode_text(tokens, normalize=True).float().cpu().numpy()[0]
