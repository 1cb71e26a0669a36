"""Chooses what stands behind a transparent picture: white paper, or black where white would hide all of it."""

from __future__ import annotations

from collections.abc import Sequence

WHITE, BLACK = 255, 0

_NEARLY_WHITE = 230
"""The least value of a colour that is hardly seen on white."""

_VISIBLE = 32
"""The least opacity of a pixel that shows something."""

_FRINGE = 0.001
"""Share of the visible pixels that may be darker: lossy formats add some to white letters."""


def ground(on_white: Sequence[Sequence[int]], opacity: Sequence[int]) -> int:
    """Return WHITE or BLACK.

    Args:
        on_white: how often each value from 0 to 255 occurs in each colour of the picture on white.
        opacity: how often each opacity does.
    """
    visible = sum(opacity[_VISIBLE:])
    darker = max(sum(colour[:_NEARLY_WHITE]) for colour in on_white)
    shows_ground = sum(opacity[:_VISIBLE]) > 0
    return BLACK if shows_ground and visible and darker <= _FRINGE * visible else WHITE
