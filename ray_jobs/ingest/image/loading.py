"""Loads images with Pillow, strictly or with forgiveness."""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np

from ingest.image.tiff_pages import show_picture

if TYPE_CHECKING:
    from PIL.Image import Image
    from PIL.ImageFile import ImageFile

EXTERNAL_FORMATS = {"BUFR", "EPS", "GRIB", "HDF5", "MPEG", "WMF"}
"""Formats that Pillow passes to other programs (EPS to Ghostscript) or cannot read: no file is opened as one of these,
whatever its name."""


def opened(data: bytes, broken: bool) -> ImageFile:
    """Read an image's header.

    Raises:
        UnidentifiedImageError: the first bytes announce no format.
        Exception: the image is not as its format demands.
    """
    from PIL import Image

    formats = [name for name in Image.ID if name not in EXTERNAL_FORMATS]
    with _forgiving(broken), warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        try:
            image = Image.open(io.BytesIO(data), formats=formats)
        except Image.UnidentifiedImageError:
            reasons = [str(warning.message).partition(" opening failed. ") for warning in seen]
            announced = [reason for name, _, reason in reasons if name in formats and Image.OPEN[name][1]]
            if not announced:
                raise
            raise ValueError(announced[0]) from None
        show_picture(image, data)
        return image


@contextmanager
def _forgiving(forgiving: bool) -> Iterator[None]:
    """Set whether Pillow forgives missing ends and the wrong checksums of metadata."""
    from PIL import ImageFile

    before = ImageFile.LOAD_TRUNCATED_IMAGES
    ImageFile.LOAD_TRUNCATED_IMAGES = forgiving
    try:
        yield
    finally:
        ImageFile.LOAD_TRUNCATED_IMAGES = before


def load(image: ImageFile, cut: bool) -> None:
    """Decode the pixels, of an animation those of the first frame."""
    with _forgiving(cut):
        image.load()


def again(data: bytes, side: int, canvas: Image | None = None) -> np.ndarray:
    """Decode as much as there is of an image onto a canvas, which is black by default."""
    image = opened(data, broken=True)
    image.draft("RGB", (side, side))
    if canvas is not None:
        image.im = canvas.im
    load(image, cut=True)
    return np.asarray(image)
