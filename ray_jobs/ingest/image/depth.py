"""Shows values of more than eight bits as eight: grey or colour, integers or floats, from cameras and instruments.

A file says how many bits its values take, and not how many of them its data uses. So the data decides:

- Integers are on the scale of 8 or 16 bits, floats on 0 to 1, 0 to 255 or 0 to 65535. But cameras and microscopes write
  10, 12 or 14 bits into 16: a picture that stays in the lowest quarter of its scale is stretched to white.
- Values of 8 bits that were scaled to 16 are not stretched, and neither is noise without a picture, such as a photo
  with the lid on: both are as dark as they look.
- Anything else (negative, larger, or in a small part of its scale: heights, temperatures) is stretched over its own
  range. NaN, infinity, and a lowest or highest value that is far from all others mark pixels without data.
"""

from __future__ import annotations

import math

import numpy as np

INTEGER_SCALES = (255, 65535)
FLOAT_SCALES = (1, 255, 65535)

DARK_PART, SMALL_PART = 1 / 4, 1 / 16
"""Shares of its scale: a picture below the first is stretched to white, and one in a range below the second over it."""

TAILS = (0.1, 99.9)
"""Percentiles between which a range of its own extends: single hot pixels are outside."""

BLOCK = 4
PICTURE_SHARE = 0.25
"""Share of the variance that the means of BLOCK x BLOCK pixels keep in a picture. Noise keeps 1/16 of it, blurred noise
about 0.15, and photos over 0.9."""

SAMPLE_PIXELS = 1 << 22
"""About the number of pixels that are examined."""


def eight_bits(values: np.ndarray, white_is_low: bool = False) -> np.ndarray:
    """Return values of shape (height, width) or (height, width, 3) as uint8. NaN becomes black.

    Args:
        white_is_low: the lowest value is white, as in an X-ray; not of uint8, which decoders turn round themselves.
    """
    if values.dtype == np.uint8:
        return values
    low, high = _shown_range(values)
    if white_is_low:
        low, high = high, low
    shown: np.ndarray = values.astype(np.float32 if abs(low) + abs(high) < 1e30 else np.float64)
    with np.errstate(all="ignore"):
        np.subtract(shown, low, out=shown)
        np.multiply(shown, 255 / (high - low), out=shown)
    np.nan_to_num(shown, copy=False, nan=0, posinf=255, neginf=0)
    return np.rint(np.clip(shown, 0, 255, out=shown), out=shown).astype(np.uint8)


def _shown_range(values: np.ndarray) -> tuple[float, float]:
    """The values that become black and white."""
    integers = np.issubdtype(values.dtype, np.integer)
    known = values if integers else values[np.isfinite(values)]
    known = _with_data(known)
    if not known.size:
        return 0.0, 1.0
    low, high = float(known.min()), float(known.max())
    scales = INTEGER_SCALES if integers else FLOAT_SCALES
    full = next((float(scale) for scale in scales if high <= scale), None) if low >= 0 else None
    if full is None:
        return _own_range(known, low, high)
    picture = _holds_picture(values, low, high)
    if integers and full > 255 and (not picture or _is_scaled(known)):
        return 0.0, 65535.0
    if picture and high <= full * DARK_PART:
        full = _own_range(known, low, high)[1]
    return _own_range(known, low, high) if picture and high - low < full * SMALL_PART else (0.0, full)


def _own_range(known: np.ndarray, low: float, high: float) -> tuple[float, float]:
    """The range without its tails."""
    tails = np.percentile(known.ravel()[:: known.size // SAMPLE_PIXELS + 1].astype(np.float64), TAILS)
    if tails[0] < tails[1]:
        low, high = float(tails[0]), float(tails[1])
    return low, high if low < high else low + 1


def _with_data(known: np.ndarray) -> np.ndarray:
    """The values without those that mark pixels without data: a lowest or a highest one that is further from the others
    than these are from each other, such as -9999, 65535, or 0 below temperatures."""
    for end, other_end in ((np.min, np.max), (np.max, np.min)):
        if not known.size:
            break
        mark = end(known)
        others = known[known != mark]
        if len(np.unique(others.ravel()[:: others.size // 1000 + 1])) < BLOCK:
            continue  # a mask, or a drawing in few colours
        nearest, farthest = float(end(others)), float(other_end(others))
        if abs(float(mark) - nearest) > abs(nearest - farthest):
            known = others
    return known


def _is_scaled(known: np.ndarray) -> bool:
    """Whether integers were scaled to 16 bits from 8: their low bits are empty, or repeat the high bits."""
    divisor = int(np.gcd.reduce(known, axis=None))
    return divisor % 256 == 0 or divisor % 257 == 0


def _holds_picture(values: np.ndarray, low: float, high: float) -> bool:
    """Whether neighbouring values have something in common. True if there are too few to say."""
    plane = values if values.ndim == 2 else values[:, :, 1]
    rows, columns = plane.shape[0] // BLOCK, plane.shape[1] // BLOCK
    if min(rows, columns) < BLOCK:
        return True
    step = math.ceil(math.sqrt(plane.size / SAMPLE_PIXELS))
    blocks = plane[: rows * BLOCK, : columns * BLOCK].reshape(rows, BLOCK, columns, BLOCK)[::step, :, ::step]
    blocks = np.clip(np.nan_to_num(blocks.astype(np.float64), nan=low), low, high)
    return float(blocks.mean((1, 3)).var()) > PICTURE_SHARE * float(blocks.var())
