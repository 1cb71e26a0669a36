"""Notices faxes in TIFF that are damaged: libtiff tells of it on stderr alone, and shows something else instead.

Pillow offers no way to hear of it, so that this replaces the handler of errors of the libtiff that Pillow uses.
"""

from __future__ import annotations

import ctypes
from typing import TYPE_CHECKING

import numpy as np

from ingest.common.errors import ObjectError
from ingest.common.failures import Failure

if TYPE_CHECKING:
    from PIL.ImageFile import ImageFile

_HANDLER = ctypes.CFUNCTYPE(None, ctypes.c_char_p, ctypes.c_char_p, ctypes.c_void_p)
"""`TIFFErrorHandler`: the function that noticed the error, and a format with its arguments."""

_COMPRESSIONS = {"group3", "group4", "tiff_ccitt"}
"""Pillow's names of the compressions of faxes."""

_OFFSETS, _LENGTHS = 273, 279
"""Tags of a TIFF with the places of its strips."""

_ZEROS = 256
"""Successive bytes of zeros that no line has: each ends with bits that are set."""

_is_damaged = False


@_HANDLER
def _heard(function: bytes | None, _format: bytes | None, _arguments: int | None) -> None:
    global _is_damaged
    _is_damaged |= (function or b"").startswith(b"Fax")


def listen() -> None:
    """Begin to notice damage. Where Pillow was built without a shared libtiff, none is noticed."""
    from PIL import _imaging

    library = ctypes.CDLL(_imaging.__file__)
    if hasattr(library, "TIFFSetErrorHandler"):
        library.TIFFSetErrorHandler(_heard)


def forget() -> None:
    """Begin with another image."""
    global _is_damaged
    _is_damaged = False


def loss(image: ImageFile, data: bytes) -> str:
    """Say that lines of the fax that was just decoded are missing; "" if none are, or if it is no fax.

    Args:
        image: the decoded image.
        data: the file.

    Raises:
        ObjectError: nothing of it is left.
    """
    damaged = _is_damaged or _is_unwritten(image, data)
    forget()
    if damaged and len(set(image.getextrema())) == 1:
        raise ObjectError(Failure.DAMAGED, "the lines of the fax cannot be read")
    return "some of its lines cannot be read" if damaged else ""


def _is_unwritten(image: ImageFile, data: bytes) -> bool:
    """Whether a part of a fax was never written."""
    if image.info.get("compression") not in _COMPRESSIONS:
        return False
    tags = getattr(image, "tag_v2", {})
    places = zip(np.atleast_1d(tags.get(_OFFSETS, [])), np.atleast_1d(tags.get(_LENGTHS, [])), strict=False)
    return any(bytes(_ZEROS) in data[start : start + length] for start, length in places)
