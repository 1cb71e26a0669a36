"""Chooses and counts the frames of an animation and the pages of a file."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL.ImageFile import ImageFile

ANIMATIONS = {"GIF", "PNG", "WEBP"}
"""Formats with animations, of which some begin with a frame that is wholly transparent."""

MAX_EMPTY = 20
"""Frames among which the first one that is not wholly transparent is looked for."""

MAX_PAGES = 1000
"""Pages that are counted in a file that was cut off between them."""


def seek_content(image: ImageFile, frames: int) -> None:
    """Seek the first frame of an animation that shows something; the first one of all if none does."""
    for frame in range(min(frames, MAX_EMPTY)):
        image.seek(frame)
        if not image.has_transparency_data or image.convert("RGBA").getchannel("A").getbbox():
            return
    image.seek(0)


def count_pages(image: ImageFile) -> int:
    """Count the pages of a file that is cut off between them."""
    try:
        for page in range(1, MAX_PAGES):
            image.seek(page)
    except Exception:
        return page
    return MAX_PAGES
