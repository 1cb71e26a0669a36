"""Embed images and texts in one vector space with a CLIP model (Radford et al., ICML 2021) of open_clip."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from ingest.common.gpu_memory import AdaptiveBatches
from ingest.models.clip_model import clip_weights
from ingest.models.kept_models import ModelCache

if TYPE_CHECKING:
    from ingest.models.cpu_clip import CpuClip
    from ingest.models.torch_clip import TorchClip


class ClipEncoder:
    """A loaded CLIP model.

    Args:
        name, pretrained: as in `ClipModel`.
        dimension: the expected length of its vectors.
        threads: CPU threads that it may use. They are set explicitly, since Ray sets OMP_NUM_THREADS to 1 for
            an actor that reserves a fraction of a CPU.
        batch_size: images per forward pass; halved for good when they exceed the GPU's memory.
        device: `cuda` or `cpu`.

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
        device: str = "cpu",
    ) -> None:
        self._model = load_clip(name, pretrained, threads, device)
        self._batches = AdaptiveBatches(batch_size)
        self.dimension = dimension
        if self._model.dimension != dimension:
            raise ValueError(
                f"CLIP model {name!r} has vectors of {self._model.dimension} dimensions, but {dimension} were expected"
            )

    def encode_images(self, pixels: np.ndarray, on_done: Callable[[int], None] = lambda count: None) -> np.ndarray:
        """Embed images.

        Args:
            pixels: uint8 RGB of shape (count, size, size, 3), cropped as `clip_model.input_square` describes. An image
                may have several squares: see `pooled`.
            on_done: called after each batch with its number of images.

        Returns:
            Unit vectors: a float32 array of shape (count, dimension).
        """
        vectors = np.empty((len(pixels), self.dimension), np.float32)
        for batch, found in self._batches.map(lambda batch: self._model.embed_images(pixels[batch]), len(pixels)):
            vectors[batch] = found
            on_done(len(found))
        return vectors

    def encode_text(self, text: str) -> np.ndarray:
        """Embed a text that describes an image.

        Returns:
            A unit vector: a float32 array of shape (dimension,).
        """
        return self._model.embed_text(text)


def pooled(vectors: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Make the vectors of images of those of their squares: the mean, as a unit vector.

    Args:
        vectors: of all squares, image by image: float32 of shape (sum of counts, dimension).
        counts: the number of squares of each image, at least one.

    Returns:
        float32 of shape (images, dimension). That of an image with one square is unchanged.
    """
    if len(vectors) == len(counts):
        return vectors
    firsts = np.cumsum(counts) - counts
    means = np.add.reduceat(vectors, firsts) / counts[:, None]
    means /= np.maximum(np.linalg.norm(means, axis=1, keepdims=True), np.finfo(np.float32).tiny)
    found: np.ndarray = np.where(counts[:, None] > 1, means, vectors[firsts]).astype(np.float32)
    return found


def load_clip(name: str, pretrained: str | None, threads: int, device: str) -> CpuClip | TorchClip:
    """Load a CLIP model for a device. The arguments are those of `ClipEncoder`."""

    def in_torch() -> TorchClip:
        from ingest.models.torch_clip import TorchClip

        return TorchClip(name, pretrained, threads, device)

    if device != "cpu":
        return in_torch()
    from ingest.models import cpu_clip, cpu_clip_texts
    from ingest.models.cpu_clip import CpuClip
    from ingest.models.cpu_clip_texts import CpuClipTexts

    weights = clip_weights(name, pretrained)

    def texts() -> CpuClipTexts | TorchClip:
        # Once on a node, this loads the model a second time. An actor that kept it would hold its memory for no text.
        kept = ModelCache("clip-texts", weights)
        return kept.loaded(lambda kept: CpuClipTexts(kept, threads), in_torch, cpu_clip_texts.convert)

    return ModelCache("clip", weights).loaded(lambda kept: CpuClip(kept, threads, texts), in_torch, cpu_clip.convert)
