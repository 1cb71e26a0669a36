"""The input that a CLIP model expects: a square of pixels."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Square:
    """How a model takes images: the shorter side resized to `size` pixels and the middle cut out, or with `squash` all
    of it resized to the square; by bicubic interpolation, or a bilinear one."""

    size: int
    squash: bool = False
    bilinear: bool = False
