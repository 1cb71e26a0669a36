"""Shows pictures whose pixels are no squares, as those of faxes: their lines are further apart than pixels of a line.

Viewers of TIFF heed its resolutions, browsers and viewers of JPEG and PNG do not.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import numpy as np

from ingest.image.tiff_pages import picture_page

if TYPE_CHECKING:
    from PIL.Image import Image

_ACROSS, _DOWN, _UNIT, _ORIENTATION = 282, 283, 296, 274
"""XResolution, YResolution, ResolutionUnit and Orientation, tags of TIFF 6.0."""

_PER_INCH = {2: 1.0, 3: 2.54}
"""Units by their numbers. Without a unit, programs that animate write other ratios than that of a pixel."""

_SCANNED = (36, 4800)
"""Dots per inch that scanners and faxes have."""

_LEAST, _MOST = 1.03, 4.1
"""Ratios of a pixel's sides that are seen: below is rounding, and 400 by 100 dots per inch are the most."""

_SIDEWAYS = (5, 6, 7, 8)


def pixel_ratio(data: bytes) -> float:
    """The width of a TIFF's pixels divided by their height, upright; 1 if it declares none that can be believed."""
    tags = picture_page(data)[1]
    with suppress(Exception):  # programs write these tags as any type
        per_inch = _PER_INCH.get(int(_number(tags, _UNIT, 2)), 0.0)
        across, down = (_number(tags, tag, 0) * per_inch for tag in (_ACROSS, _DOWN))
        ratio = down / across
        is_scanned = all(_SCANNED[0] <= each <= _SCANNED[1] for each in (across, down))
        if is_scanned and _LEAST < max(ratio, 1 / ratio) <= _MOST:
            return 1 / ratio if _number(tags, _ORIENTATION, 1) in _SIDEWAYS else ratio
    return 1.0


def with_square_pixels(image: Image, ratio: float) -> Image:
    """Scale an image, along its finer direction, whose pixels have this ratio of width and height."""
    from PIL.Image import Resampling

    width, height = image.size
    size = (max(round(width * ratio), 1), height) if ratio < 1 else (width, max(round(height / ratio), 1))
    return image if size == image.size else image.resize(size, Resampling.BICUBIC)


def _number(tags: Mapping[int, Any], tag: int, default: float) -> float:
    return float(np.atleast_1d(tags.get(tag, default))[0])
