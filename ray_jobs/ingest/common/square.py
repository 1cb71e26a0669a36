"""The input of a CLIP model: a square of pixels."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Square:
    """How an image becomes the square that a model takes.

    Attributes:
        size: side of the square in pixels.
        squash: resize the whole image to the square; by default its shorter side is resized to `size`, and the middle
            is cut out.
        bilinear: use bilinear interpolation instead of bicubic.
    """

    size: int
    squash: bool = False
    bilinear: bool = False
