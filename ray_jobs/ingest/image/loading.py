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

_SIP = 32
"""Bytes of the smallest piece."""

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


def is_announced(data: bytes) -> bool:
    """Whether the first bytes announce a format. (A TIFF may begin with letters and zeros, and go on with a JPEG.)"""
    from PIL import UnidentifiedImageError

    try:
        opened(data, broken=False)
    except UnidentifiedImageError:
        return False
    except Exception:
        return True
    return True


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


class _Sips(io.BytesIO):
    """A file that is read in ever smaller pieces towards a place, so that its position tells how far it was needed."""

    def __init__(self, data: bytes, place: int) -> None:
        super().__init__(data)
        self._place = place

    def read(self, size: int | None = -1) -> bytes:
        left = self._place - self.tell()
        return super().read(size if not size or size < 0 else min(size, max(_SIP, left // 16)))


def load(image: ImageFile, cut: bool) -> None:
    """Decode the pixels, of an animation those of the first frame."""
    with _forgiving(cut):
        image.load()


def load_jpeg(image: ImageFile, data: bytes, end: int) -> int:
    """Decode a JPEG whose pixels end at `end`, and return the number of bytes before it that were not needed."""
    image.fp = file = _Sips(data, end)
    load(image, cut=False)
    return end - file.tell()


def again(data: bytes, side: int, canvas: Image | None = None) -> np.ndarray:
    """Decode as much as there is of an image onto a canvas, which is black by default."""
    image = opened(data, broken=True)
    image.draft("RGB", (side, side))
    if canvas is not None:
        image.im = canvas.im
    load(image, cut=True)
    return np.asarray(image)
