"""Decodes images with Pillow into the square that a CLIP model takes; runs in the sandbox's child process."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ingest.common.errors import ObjectError
from ingest.common.failures import Failure
from ingest.common.square import Square
from ingest.image.opening import open_picture, prepare_images
from ingest.image.picture import NO_LIMIT

if TYPE_CHECKING:
    from PIL.Image import Image

SUFFIXES = (
    ".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".gif", ".bmp", ".tif", ".tiff", ".heic", ".heif", ".avif",
    ".jp2", ".j2k", ".j2c", ".jpc", ".jpf", ".jpx", ".ppm", ".pgm", ".pbm", ".pnm", ".pfm", ".tga", ".ico", ".icns",
    ".apng", ".avifs", ".heics", ".heifs", ".hif", ".psd", ".sgi", ".rgb", ".rgba", ".bw", ".pcx", ".dcx", ".dds",
    ".dib", ".cur", ".fli", ".flc", ".qoi", ".ras", ".xbm", ".xpm",
)  # fmt: skip
"""Suffixes, in lower case, of the objects that are ingested: the image formats that Pillow decodes by itself."""

DRAFT_FACTOR = 4
"""A large JPEG is decoded at the smallest scale that is still this many times as large as the square, and resizing does
the rest. That halves the time of a photo of 7 megapixels, and its vector has a cosine of at least 0.999 with that of
open_clip's own preprocessing (November 2026, 40 files, stand-in for CLIP); a factor of 2 has 0.9986."""

MAX_IMAGE_ASPECT = 64
"""Aspect ratio up to which a whole image is resized before it is cropped."""


@dataclass(frozen=True, slots=True)
class DecodedImage:
    """A decoded image.

    Attributes:
        pixels: uint8 RGB of shape (size, size, 3), as bytes.
        width, height: in pixels, with the Exif orientation applied.
        metadata: format, mode and, if known, frames, taken, camera; PARTLY_READ if pixels or pages are missing.
    """

    pixels: bytes
    width: int
    height: int
    metadata: dict[str, Any]


def read_image(data: bytes, square: Square, max_pixels: int) -> DecodedImage:
    """Decode an image and crop it to the model's square. Call `prepare_images` once before.

    Raises:
        ObjectError: the image is empty, of an unknown format or damaged, or has more than `max_pixels` pixels.
        MemoryError: there is not enough memory for it.
    """
    picture = open_picture(data, max_pixels, DRAFT_FACTOR * square.size)
    pixels = crop_to_square(picture.image, square, (picture.width, picture.height)).tobytes()
    return DecodedImage(pixels, picture.width, picture.height, picture.metadata)


def pixels_of_file(path: Path, square: Square) -> np.ndarray:
    """Read a file's image as an array of shape (1, size, size, 3), without a limit on its pixels.

    Raises:
        ObjectError: the file cannot be read or decoded.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ObjectError(Failure.UNREADABLE, f"the file cannot be read ({error.strerror})") from None
    prepare_images()
    pixels = np.frombuffer(read_image(data, square, NO_LIMIT).pixels, np.uint8)
    return pixels.reshape(1, square.size, square.size, 3)


def crop_to_square(image: Image, square: Square, full: tuple[int, int] | None = None) -> Image:
    """Crop an RGB image to a model's square as open_clip's inference transforms do it: torchvision's Resize and
    CenterCrop on a Pillow image.

    Args:
        full: width and height of the image in its file, if it was decoded at a smaller scale.
    """
    from PIL.Image import Resampling

    size = square.size
    filter_ = Resampling.BILINEAR if square.bilinear else Resampling.BICUBIC
    width, height = full or image.size
    reduction = round(width / image.width)
    # libjpeg rounds its smaller sizes up: the last column and row may hold a part of a pixel.
    right, bottom = min(image.width, width / reduction), min(image.height, height / reduction)
    if square.squash:
        return image.resize((size, size), filter_, (0, 0, right, bottom))
    short = min(width, height)
    width, height = size * width // short, size * height // short
    left, top = round((width - size) / 2), round((height - size) / 2)
    if max(width, height) > MAX_IMAGE_ASPECT * size:
        # Resize only the part of a strip that remains: a line of a million pixels would otherwise become gigabytes.
        scale = short / size / reduction
        box = (left * scale, top * scale, (left + size) * scale, (top + size) * scale)
        return image.resize((size, size), filter_, box)
    return image.resize((width, height), filter_, (0, 0, right, bottom)).crop((left, top, left + size, top + size))
