"""Embed images with the image half of a CLIP model that was converted for OpenVINO, on CPUs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ingest.models.conversion import KeptModel, check_agreement, in_best_precision, write

if TYPE_CHECKING:
    from torch import Tensor

    from ingest.models.cpu_clip_texts import CpuClipTexts
    from ingest.models.torch_clip import TorchClip

IMAGES_PER_PASS = 4
"""Images per forward pass: 32 at a time take 726 MB instead of 249 MB with the EfficientNet of the tests, and are no
faster."""


class CpuClip:
    """The converted image half of a CLIP model.

    Args:
        kept: what `convert` has made.
        threads: CPU threads that it may use.
        load_texts: loads the other half, for texts, which only searches embed.
    """

    def __init__(self, kept: KeptModel, threads: int, load_texts: Callable[[], CpuClipTexts | TorchClip]) -> None:
        self._session = kept.session(threads)
        self._load_texts = load_texts
        self._texts: CpuClipTexts | TorchClip | None = None
        self.dimension: int = kept.settings["dimension"]

    def embed_images(self, pixels: np.ndarray) -> np.ndarray:
        """Embed the images of one batch: as for `ClipEncoder.encode_images`."""
        steps = range(0, len(pixels), IMAGES_PER_PASS)
        parts = [self._session.run(pixels=pixels[start : start + IMAGES_PER_PASS]) for start in steps]
        return np.concatenate(parts)

    def embed_text(self, text: str) -> np.ndarray:
        """Embed a text: as for `ClipEncoder.encode_text`."""
        self._texts = self._texts or self._load_texts()
        return self._texts.embed_text(text)


def convert(model: TorchClip, path: Path) -> dict[str, Any]:
    """Write the image half of a loaded model to `path`, and compare its vectors.

    Returns:
        The settings of `CpuClip`.

    Raises:
        NotConvertibleError: its vectors would differ.
        NoRoomError: the node has too little disk or memory for the conversion.
    """
    import torch

    class Images(torch.nn.Module):
        """From pixels to unit vectors."""

        def __init__(self) -> None:
            super().__init__()
            self.visual = model.loaded.visual

        def forward(self, pixels: Tensor) -> Tensor:
            return model.vectors(pixels)

    side = model.loaded.visual.image_size
    size = side[0] if isinstance(side, tuple) else side
    noise = np.random.default_rng(0).integers(0, 256, (2, size, size, 3), np.uint8)
    ramp = np.linspace(0, 255, size, dtype=np.uint8)
    samples = np.stack([*noise, np.broadcast_to(ramp[:, None, None], noise[0].shape), np.zeros_like(noise[0])])
    write(Images(), (torch.from_numpy(noise),), {"pixels": (0,)}, path)

    def compare(kept: KeptModel) -> None:
        made = CpuClip(kept, 1, lambda: model)
        check_agreement(made.embed_images(samples), model.embed_images(samples), kept.precision)

    return in_best_precision(path, {"dimension": model.dimension}, compare)
