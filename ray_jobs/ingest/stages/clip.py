"""The common base of the stages that embed pictures: an actor with a CLIP model."""

from __future__ import annotations

import time

import numpy as np

from ingest.stages.progress import Observe


class ClipStage:
    """Base of the actors.

    Args:
        model, pretrained, dimension: as in `ClipModel`.
        size: side of the pictures in pixels, see `input_square`.
        threads, batch_size, device: as for `ClipEncoder`.
        observe: called after loading, and after each batch.
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
        """Embed pictures: float32 of shape (count, dimension).

        Args:
            stage: the stage whose progress counts them.
            pixels: uint8 RGB of shape (count, size, size, 3).
        """
        last = time.perf_counter()

        def done(count: int) -> None:
            nonlocal last
            now = time.perf_counter()
            self._observe(stage, count, now - last)
            last = now

        return self._encoder.encode_images(pixels, done)
