"""Turns and mirrors frames as players do, by the display matrix of their stream."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import numpy as np
from av.sidedata.sidedata import SideData
from av.video.frame import VideoFrame

if TYPE_CHECKING:
    from PIL.Image import Image

_ONE = 1 << 16
"""The number 1 in the matrix, which has 16 bits behind the point (FFmpeg, libavutil/display.h)."""


def upright(image: Image, frame: VideoFrame) -> Image:
    """Return an image of a frame as a player shows it: PyAV's `frame.rotation` takes a mirrored picture for a turned
    one."""
    from PIL import Image as images

    across, down = _axes(frame)
    if 0 in across and 0 in down and any(across) and any(down):
        if not across[0]:
            image = image.transpose(images.Transpose.TRANSPOSE)
        if min(across) < 0:
            image = image.transpose(images.Transpose.FLIP_LEFT_RIGHT)
        if min(down) < 0:
            image = image.transpose(images.Transpose.FLIP_TOP_BOTTOM)
        return image
    return image.rotate(frame.rotation, expand=True) if frame.rotation % 360 else image


def _axes(frame: VideoFrame) -> tuple[tuple[int, int], tuple[int, int]]:
    """The part of each coordinate of the picture, across and down, in each coordinate of the display, in the same
    order; to the nearest whole."""
    data = frame.side_data.get("DISPLAYMATRIX")
    if data is None:
        return (1, 0), (0, 1)
    a, b, _, c, d = (
        round(number / _ONE) for number in np.frombuffer(bytes(cast(SideData, data)), np.int32)[:5].tolist()
    )
    return (a, c), (b, d)
