"""Decodes images with Pillow into the squares that a CLIP model takes; runs in the sandbox's child process."""

from __future__ import annotations

import math
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

LONG = 2.5
"""Ratio of the sides above which an image is long: the square in its middle shows less than half of it. Photos, screens
of phones and films are below (2.4)."""

MAX_SQUARES = 32
"""Squares of one image. An image that is longer than as many squares is seen in so many places."""


@dataclass(frozen=True, slots=True)
class DecodedImage:
    """A decoded image.

    Attributes:
        pixels: uint8 RGB of shape (squares, size, size, 3), as bytes; see `squares_of`.
        width, height: in pixels of the file, with the Exif orientation applied.
        metadata: format, mode and, if known, frames, taken, camera; PARTLY_READ if pixels or pages are missing.
    """

    pixels: bytes
    width: int
    height: int
    metadata: dict[str, Any]


def read_image(data: bytes, square: Square, max_pixels: int) -> DecodedImage:
    """Decode an image and crop it to the model's squares. Call `prepare_images` once before.

    Raises:
        ObjectError: the image is empty, of an unknown format or damaged, or has more than `max_pixels` pixels.
        MemoryError: there is not enough memory for it.
    """
    picture = open_picture(data, max_pixels, DRAFT_FACTOR * square.size)
    squares = squares_of(picture.image, square, picture.full)
    pixels = b"".join(each.tobytes() for each in squares)
    return DecodedImage(pixels, picture.width, picture.height, picture.metadata)


def pixels_of_file(path: Path, square: Square) -> np.ndarray:
    """Read a file's image as an array of shape (squares, size, size, 3), without a limit on its pixels.

    Raises:
        ObjectError: the file cannot be read or decoded.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ObjectError(Failure.UNREADABLE, f"the file cannot be read ({error.strerror})") from None
    prepare_images()
    pixels = np.frombuffer(read_image(data, square, NO_LIMIT).pixels, np.uint8)
    return pixels.reshape(-1, square.size, square.size, 3)


def squares_of(image: Image, square: Square, full: tuple[int, int]) -> list[Image]:
    """Crop an RGB image to the squares that a model sees of it: one as `crop_to_square`, of a long image several.

    A web page as a screenshot, or a panorama, is seen along its whole length, in squares that overlap if they must. The
    vector of the image is the mean of theirs (`clip_encoder.pooled`). Of 40 columns and rows of 3 to 10 photos among
    single ones, the description of one photo found 36% to 62% within ten, and 21% to 35% by the square in their middle;
    the whole image, padded or squashed, found 2% to 35% (November 2026, stand-in for CLIP).

    Args:
        full: width and height of the image in its file, if it was decoded at a smaller scale.
    """
    from PIL.Image import Resampling

    short, long = sorted(full)
    if long <= LONG * short:
        return [crop_to_square(image, square, full)]
    count = min(math.ceil(long / short), MAX_SQUARES)
    scale = 1 / round(full[0] / image.width)
    filter_ = Resampling.BILINEAR if square.bilinear else Resampling.BICUBIC
    squares = []
    for index in range(count):
        start = (long - short) * index / (count - 1)
        left, top = (start, 0.0) if full[0] > full[1] else (0.0, start)
        box = (left * scale, top * scale, (left + short) * scale, (top + short) * scale)
        squares.append(image.resize((square.size, square.size), filter_, box))
    return squares


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
    return image.resize((width, height), filter_, (0, 0, right, bottom)).crop((left, top, left + size, top + size))
