"""A decoded image: RGB as people see it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ingest.common.errors import ObjectError
from ingest.common.failures import Failure
from ingest.common.ground import BLACK, ground
from ingest.image.colours import in_srgb
from ingest.image.depth import eight_bits

if TYPE_CHECKING:
    from PIL.Image import Image

NO_LIMIT = 1 << 40
"""More pixels than any image has."""

TIFF_SAMPLE_FORMAT, UNSIGNED, SIGNED, FLOAT = 339, 1, 2, 3
"""SampleFormat, a tag of TIFF 6.0, and three of its values."""

TIFF_PHOTOMETRIC, WHITE_IS_ZERO = 262, 0
"""PhotometricInterpretation, a tag of TIFF 6.0, and a value of it: Pillow and OpenCV heed it up to eight bits only."""


@dataclass(frozen=True, slots=True)
class Picture:
    """A decoded image.

    Attributes:
        image: RGB, upright; a large JPEG at a smaller scale.
        width, height: in pixels, upright, at the scale of the file.
        metadata: format, mode and, if known, frames, taken, camera; PARTLY_READ if pixels or pages are missing.
        is_stretched: whether the image has square pixels, and the file has not.
    """

    image: Image
    width: int
    height: int
    metadata: dict[str, Any]
    is_stretched: bool = False

    @property
    def full(self) -> tuple[int, int]:
        """Width and height at the scale of the file, in square pixels."""
        return self.image.size if self.is_stretched else (self.width, self.height)


def check_pixels(width: int, height: int, max_pixels: int) -> None:
    """Raise ObjectError if an image has too many pixels."""
    if width * height > max_pixels:
        raise ObjectError(
            Failure.TOO_MANY_PIXELS,
            f"the image has {width} x {height} pixels, over the limit of {max_pixels / 1e6:g} million",
            limit=max_pixels,
        )


def to_rgb(image: Image) -> Image:
    """Convert an image to RGB on white, or on black if it is white; values over eight bits are scaled, not clipped."""
    from PIL import Image as images

    file, tags = image, getattr(image, "tag_v2", {})
    form = tags.get(TIFF_SAMPLE_FORMAT, (UNSIGNED,))
    if image.mode.startswith(("I", "F")):
        values = np.asarray(image)
        if image.mode == "I" and form == (UNSIGNED,):
            values = values.view(np.uint32)
        transparent = image.info.get("transparency")  # of a PNG: the one value of its pixels that are
        image = images.fromarray(eight_bits(values, tags.get(TIFF_PHOTOMETRIC) == WHITE_IS_ZERO))
        if isinstance(transparent, int):
            image.putalpha(images.fromarray(values != transparent).convert("L"))
    elif image.mode == "L" and form == (SIGNED,) and _looks_signed(np.asarray(image)):  # Pillow does not know it
        image = images.fromarray(eight_bits(np.asarray(image).view(np.int8)))
    image = in_srgb(image, file)
    if image.has_transparency_data:
        may_be_unset = file.format in ("BMP", "DIB", "TGA")
        image = image.convert("RGBA")
        if may_be_unset and image.getchannel("A").getextrema() == (0, 0):  # viewers show the colours
            return image.convert("RGB")
        image = _on_ground(image)
    return image.convert("RGB")


def _on_ground(image: Image) -> Image:
    """An RGBA image on white, or on black if nothing of it is seen on white, as of a white logo."""
    from PIL import Image as images

    shown = images.new("RGBA", image.size, "white")
    shown.alpha_composite(image)
    counts = shown.histogram()
    if ground([counts[first : first + 256] for first in (0, 256, 512)], image.getchannel("A").histogram()) == BLACK:
        shown.paste("black", (0, 0, *image.size))
        shown.alpha_composite(image)
    return shown


def _looks_signed(values: np.ndarray) -> bool:
    """Whether values of eight bits that are declared as signed are. Programs declare it of ordinary pictures too, which
    then have a step of 255 wherever a pixel is a little brighter than grey."""
    signed = values.view(np.int8).astype(np.int16)
    return bool(np.abs(np.diff(signed)).sum() <= np.abs(np.diff(values.astype(np.int16))).sum())
