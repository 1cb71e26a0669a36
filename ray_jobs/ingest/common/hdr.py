"""Shows pictures of high dynamic range as an ordinary screen does: their values are not those of ordinary pictures.

Phones record HLG, cameras and films PQ, both with the primaries of BT.2020. Taken for ordinary values, they are grey.
"""

from __future__ import annotations

import numpy as np

PQ, HLG = 16, 18
"""Transfer characteristics (ITU-T H.273, table 3) of SMPTE ST 2084 and of ARIB STD-B67."""

WHITE = 203.0
"""Brightness in cd/m2 of white paper and of text in both (ITU-R BT.2408, table 1)."""

PEAK = 1000.0
"""Brightness in cd/m2 above which highlights are white: the peak of the screens for which HLG is made (BT.2100)."""

_TO_BT709 = np.array([[1.6605, -0.5876, -0.0728], [-0.1246, 1.1329, -0.0083], [-0.0182, -0.1006, 1.1187]])
"""From linear light of BT.2020 to that of BT.709 (ITU-R BT.2087)."""

_LUMA = np.array([0.2627, 0.6780, 0.0593])
"""Shares of red, green and blue of BT.2020 in the brightness."""

_GAMMA = 1.2
"""From the light of the scene to that of the screen in HLG, for a screen with PEAK (BT.2100, table 5)."""

KNEE = 0.8
"""Brightness relative to WHITE from which on highlights are compressed."""

_BLOCK = 1_000_000
"""Values that are converted at a time: each takes some fifty bytes meanwhile."""


def as_shown(pixels: np.ndarray, transfer: int) -> np.ndarray:
    """Return pixels of these transfer characteristics in sRGB; those that are neither PQ nor HLG as they are.

    Args:
        pixels: uint8 RGB of shape (height, width, 3).
    """
    if transfer not in (PQ, HLG):
        return pixels
    rows = max(1, _BLOCK // max(pixels[:1].size, 1))
    blocks = [_as_shown(pixels[row : row + rows], transfer) for row in range(0, len(pixels), rows)]
    return np.concatenate(blocks) if blocks else pixels


def _as_shown(pixels: np.ndarray, transfer: int) -> np.ndarray:
    levels = np.arange(256) / 255
    light = (_of_pq(levels) if transfer == PQ else _of_hlg(levels))[pixels]
    if transfer == HLG:
        light = light * np.maximum(light @ _LUMA, 1e-6)[..., None] ** (_GAMMA - 1)
    light = np.maximum(light * (PEAK / WHITE) @ _TO_BT709.T, 0.0)
    brightest = light.max(-1, keepdims=True)
    over = np.maximum(brightest - KNEE, 0.0)
    room = PEAK / WHITE - KNEE
    compressed = KNEE + (1 - KNEE) * np.log1p(over) / np.log1p(room)
    light = np.clip(light * np.where(over > 0, compressed / np.maximum(brightest, 1e-6), 1.0), 0.0, 1.0)
    shown = np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)  # IEC 61966-2-1
    return (255 * shown).round().astype(np.uint8)


def _of_pq(values: np.ndarray) -> np.ndarray:
    """Linear light of PQ values, 1 at PEAK (SMPTE ST 2084, 5.3)."""
    m1, m2, c1, c2, c3 = 2610 / 16384, 2523 / 32, 3424 / 4096, 2413 / 128, 2392 / 128
    root = values ** (1 / m2)
    return (np.maximum(root - c1, 0) / (c2 - c3 * root)) ** (1 / m1) * (10_000 / PEAK)


def _of_hlg(values: np.ndarray) -> np.ndarray:
    """Linear light of the scene of HLG values, 1 at the peak (ITU-R BT.2100, table 5)."""
    a, b, c = 0.17883277, 0.28466892, 0.55991073
    return np.where(values <= 0.5, values**2 / 3, (np.exp((values - c) / a) + b) / 12)
