"""Decodes with OpenCV where Pillow cannot: colours of more than eight bits, and metadata that Pillow stumbles over."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from ingest.common.errors import ObjectError
from ingest.common.failures import Failure
from ingest.image.depth import eight_bits
from ingest.image.picture import TIFF_PHOTOMETRIC, WHITE_IS_ZERO, Picture, check_pixels, to_rgb
from ingest.image.tiff_pages import picture_page

if TYPE_CHECKING:
    from PIL.Image import Image

FORMATS = {b"\xff\xd8": "JPEG", b"\x89P": "PNG", b"II": "TIFF", b"MM": "TIFF", b"PF": "PFM"}
"""Formats, by their first bytes, that are tried."""

DARK = 64
"""Colours of 16 bits whose upper eight bits are all below this may be of 10, 12 or 14 bits."""

TIFF_BITS, TIFF_PLANES, SEPARATE = 258, 284, 2
"""BitsPerSample and PlanarConfiguration, tags of TIFF 6.0, and a value of the latter."""

TIFF_EXTRA, NO_ALPHA, PREMULTIPLIED = 338, 0, 1
"""ExtraSamples, a tag of TIFF 6.0, and two of its values."""

LAB = {8, 9, 10}
"""Values of PhotometricInterpretation for CIELAB, which OpenCV misreads."""


def decode_with_opencv(data: bytes, max_pixels: int) -> Picture:
    """Decode an image with OpenCV: an instrument's TIFF, or broken metadata that Pillow stumbles over.

    Raises:
        ValueError: OpenCV cannot decode it either.
    """
    page, tags = 0, None
    if FORMATS[data[:2]] == "TIFF":
        page, tags = picture_page(data)
        check_planes(tags)
        if tags.get(TIFF_PHOTOMETRIC) in LAB:
            problem = "the colours of the TIFF are CIELAB in a form that is not supported"
            raise ObjectError(Failure.UNSUPPORTED_IMAGE, problem)
    values = _opencv(data, page)
    if values is None:
        raise ValueError("OpenCV cannot decode it")
    height, width = values.shape[:2]
    check_pixels(width, height, max_pixels)
    return Picture(_of_values(values, tags), width, height, {"format": FORMATS[data[:2]], "mode": values.dtype.name})


def deep_colours(image: Image, data: bytes) -> Image | None:
    """Show dark colours of 16 bits, of which Pillow keeps the upper eight only; None if they are not dark."""
    if np.asarray(image.convert("RGB")).max() >= DARK:
        return None
    values = _opencv(data, image.tell())
    return None if values is None or values.dtype != np.uint16 else _of_values(values, getattr(image, "tag_v2", None))


def check_planes(tags: Mapping[int, Any]) -> None:
    """Refuse a TIFF with a plane for each colour that is not of eight bits: Pillow and OpenCV misread it.

    Raises:
        ValueError: it is one.
    """
    if tags.get(TIFF_PLANES) == SEPARATE and (bits := max(tags.get(TIFF_BITS, (8,)))) > 8:
        raise ValueError(f"a plane of {bits} bits for each colour is not supported")


def _opencv(data: bytes, page: int) -> np.ndarray | None:
    """The values that OpenCV decodes, of shape (height, width) or (height, width, channels); None if it cannot."""
    import cv2

    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
    # Of a JPEG, it reads the orientation too, which it takes for a change.
    flags = cv2.IMREAD_COLOR if FORMATS.get(data[:2]) == "JPEG" else cv2.IMREAD_UNCHANGED
    content = np.frombuffer(data, np.uint8)
    if not page:
        return cv2.imdecode(content, flags)
    _, found = cv2.imdecodemulti(content, flags, range=(page, page + 1))
    return found[0] if found else None


def _of_values(values: np.ndarray, tags: Mapping[int, Any] | None) -> Image:
    """Make an image of OpenCV's values, whose channels are in the order blue, green, red, alpha.

    Args:
        tags: of a TIFF; None for other formats.
    """
    from PIL import Image

    if values.ndim == 2:
        white_is_low = tags is not None and tags.get(TIFF_PHOTOMETRIC) == WHITE_IS_ZERO
        return Image.fromarray(eight_bits(values, white_is_low and values.itemsize > 1)).convert("RGB")
    colours = eight_bits(values[:, :, 2::-1])
    extra = (tags or {}).get(TIFF_EXTRA, (None,))[0]
    if values.shape[2] < 4 or extra == NO_ALPHA:
        return Image.fromarray(colours)
    alpha = values[:, :, 3].astype(np.float32)
    full = 1 if np.issubdtype(values.dtype, np.floating) else np.iinfo(values.dtype).max
    shown = np.dstack([colours, np.rint(np.clip(np.nan_to_num(alpha) / full, 0, 1) * 255).astype(np.uint8)])
    image = Image.fromarray(shown)
    if extra == PREMULTIPLIED or (tags is not None and values.dtype == np.uint8):  # libtiff premultiplies eight bits
        image = Image.frombytes("RGBa", image.size, shown.tobytes()).convert("RGBA")
    return to_rgb(image)
