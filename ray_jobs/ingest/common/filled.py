"""Counts the bytes of a file that were filled up instead of being written."""

from __future__ import annotations

import numpy as np

BLOCK = 512
"""Bytes that are all alike in a place that was filled up: a sector of a disk."""

LEAST = 4096
"""Bytes of filler that matter: shorter runs are headers and padding."""


def filled_bytes(content: bytes) -> int:
    """Return the number of bytes in blocks of zeros, or of ones: metadata is padded with spaces."""
    blocks = np.frombuffer(content, np.uint8, len(content) // BLOCK * BLOCK).reshape(-1, BLOCK)
    return BLOCK * int(((blocks == blocks[:, :1]).all(1) & np.isin(blocks[:, 0], (0, 255))).sum())
