"""Chooses and counts the frames of an animation and the pages of a file."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from PIL.ImageFile import ImageFile

ANIMATIONS = {"AVIF", "GIF", "PNG", "WEBP"}
"""Formats with animations, of which some begin with a frame that is transparent, or fade in from black or white."""

CONTRAST = 64
"""Difference between the darkest and the brightest value (of 255) of a frame that shows something."""

MAX_EMPTY = 20
"""Frames among which the first one that shows something is looked for."""

MAX_PAGES = 1000
"""Pages that are counted in a file that was cut off between them."""


def content_frame(image: ImageFile, frames: int) -> int:
    """The first frame of an animation that shows something; if none does, the one with the most contrast.

    Args:
        image: an image that is of no more use afterwards: a frame may be larger than it.
    """
    most, best, size = -1, 0, image.size
    for frame in range(min(frames, MAX_EMPTY)):
        try:
            image.seek(frame)
            if image.size != size:
                break
            pixels = np.asarray(image.convert("RGBA"))
        except MemoryError:
            raise
        except Exception:  # the animation is broken behind its first frames
            break
        visible = pixels[pixels[..., 3] > 0, :3]
        contrast = int(np.ptp(visible, axis=0).max()) if visible.size else -1
        if contrast > most:
            most, best = contrast, frame
        if contrast >= CONTRAST:
            break
    return best


def count_pages(image: ImageFile) -> int:
    """Count the pages of a file that is cut off between them."""
    try:
        for page in range(1, MAX_PAGES):
            image.seek(page)
    except Exception:
        return page
    return MAX_PAGES
