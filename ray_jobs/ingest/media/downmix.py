"""Mixes the channels of a recording into one, so that no channel extinguishes another.

The plain mean of two channels of opposite phase (a cable with crossed wires, a balanced line recorded as stereo) is
silence, and the mean of eight channels of which one has a microphone is eight times too quiet. Therefore a channel that
opposes the loudest one is inverted, and silent channels do not count.
"""

from __future__ import annotations

import numpy as np

_OPPOSITE = -0.5
"""Correlation below which two channels are of opposite phase; the ambience of music stays above it."""
_SILENT = 1e-4
"""Share of the loudest channel's energy below which a channel is silent: 40 dB."""


def downmix(samples: np.ndarray) -> np.ndarray:
    """Mix a stretch of a recording.

    Args:
        samples: int16 of shape (n, channels).

    Returns:
        int16 of shape (n,).
    """
    values = samples.astype(np.float32)
    products = values.T @ values
    energy = products.diagonal()
    loudest = int(energy.argmax())
    opposite = products[loudest] < _OPPOSITE * np.sqrt(energy * energy[loudest])
    heard = energy >= _SILENT * energy[loudest]
    weights = np.where(opposite, -1.0, 1.0) * heard / heard.sum()
    return np.rint(values @ weights.astype(np.float32)).astype(np.int16)
