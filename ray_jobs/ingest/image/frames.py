"""Chooses and counts the frames of an animation and the pages of a file."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from PIL.ImageFile import ImageFile

ANIMATIONS = {"GIF", "PNG", "WEBP"}
"""Formats with animations, of which some begin with a frame that is transparent, or black."""

BLACK = 24
"""Brightness (of 255) that no pixel of a black frame reaches."""

MAX_EMPTY = 20
"""Frames among which the first one that shows something is looked for."""

MAX_PAGES = 1000
"""Pages that are counted in a file that was cut off between them."""


def seek_content(image: ImageFile, frames: int) -> None:
    """Seek the first frame of an animation that shows something; the first one that is not transparent if none does."""
    visible = None
    for frame in range(min(frames, MAX_EMPTY)):
        image.seek(frame)
        pixels = np.asarray(image.convert("RGBA"))
        if pixels[..., 3].any():
            visible = frame if visible is None else visible
            if pixels[pixels[..., 3] > 0, :3].max() >= BLACK:
                return
    image.seek(visible or 0)


def count_pages(image: ImageFile) -> int:
    """Count the pages of a file that is cut off between them."""
    try:
        for page in range(1, MAX_PAGES):
            image.seek(page)
    except Exception:
        return page
    return MAX_PAGES
