"""What the stages that embed pictures have in common: an actor that holds a CLIP model."""

from __future__ import annotations

import time

import numpy as np

from ingest.stages.progress import Observe


class ClipStage:
    """Base of the actors.

    Args:
        model, pretrained, dimension: as `ClipModel` has them.
        size: side of the pictures in pixels, as `square_of` says.
        threads, batch_size, device: as `ClipEncoder` takes them.
        observe: told of the loading, and of each batch.
    """

    def __init__(
        self,
        model: str,
        pretrained: str | None,
        dimension: int,
        size: int,
        threads: int,
        batch_size: int,
        device: str,
        observe: Observe,
    ) -> None:
        from ingest.models.clip_encoder import ClipEncoder

        started = time.perf_counter()
        self._encoder = ClipEncoder(model, pretrained, dimension, threads, batch_size, device)
        self.size = size
        self._observe = observe
        observe("load", 1, time.perf_counter() - started)

    def embedded(self, stage: str, pixels: np.ndarray) -> np.ndarray:
        """The vectors of pictures, float32 of shape (count, dimension).

        Args:
            stage: what progress counts them as.
            pixels: uint8 RGB of shape (count, size, size, 3).
        """
        last = time.perf_counter()

        def done(count: int) -> None:
            nonlocal last
            now = time.perf_counter()
            self._observe(stage, count, now - last)
            last = now

        return self._encoder.encode_images(pixels, done)
