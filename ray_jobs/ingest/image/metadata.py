"""Reads what an image declares about itself: its format, camera, time and orientation. Broken data is left out."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

from ingest.image.items import transfer_of_primary

if TYPE_CHECKING:
    from PIL.Image import Exif, Image
    from PIL.ImageFile import ImageFile

EXIF_TAKEN, EXIF_MAKE, EXIF_MODEL, EXIF_ORIENTATION, EXIF_IFD = 0x9003, 0x010F, 0x0110, 0x0112, 0x8769
"""Tags of Exif 2.32: DateTimeOriginal, Make, Model, Orientation, and the directory that holds DateTimeOriginal."""

SIDEWAYS = (5, 6, 7, 8)
"""Orientations that swap width and height."""

_HEADERS = 1 << 16
"""Bytes at the beginning of a file in which its colours are declared."""

MAX_METADATA_TEXT = 100
"""Maximum length of a metadata value in characters."""


def declared(image: ImageFile, frames: int) -> dict[str, Any]:
    """Return the format and the mode and, if known, frames, taken and camera."""
    found: dict[str, Any] = {"format": image.format, "mode": image.mode}
    if frames > 1:
        found["frames"] = frames
    return found | photographed(exif_of(image))


def photographed(exif: Exif) -> dict[str, Any]:
    """Return, if known, taken and camera."""
    found = {}
    with suppress(Exception):
        if taken := exif.get_ifd(EXIF_IFD).get(EXIF_TAKEN):
            found["taken"] = _text(taken)
    with suppress(Exception):
        if camera := " ".join(_text(exif[tag]) for tag in (EXIF_MAKE, EXIF_MODEL) if exif.get(tag)):
            found["camera"] = camera
    return found


def orientation(exif: Exif) -> int:
    """Return the orientation, 1 to 8; 1 if there is none that makes sense."""
    value: Any = exif.get(EXIF_ORIENTATION)
    with suppress(Exception):  # programs write it as any type
        found = int(value[0] if isinstance(value, bytes | tuple) else value)
        return found if found in range(1, 9) else 1
    return 1


def turned(image: Image, orientation: int) -> Image:
    """Return an image upright. Unlike ImageOps.exif_transpose, this does not need the rest of the Exif data."""
    from PIL.Image import Transpose

    methods = {
        2: Transpose.FLIP_LEFT_RIGHT,
        3: Transpose.ROTATE_180,
        4: Transpose.FLIP_TOP_BOTTOM,
        5: Transpose.TRANSPOSE,
        6: Transpose.ROTATE_270,
        7: Transpose.TRANSVERSE,
        8: Transpose.ROTATE_90,
    }
    return image.transpose(methods[orientation]) if orientation in methods else image


def exif_of(image: ImageFile) -> Exif:
    """Return the Exif directory; an empty one if it cannot be read, since that is no reason to refuse the image."""
    from PIL.Image import Exif

    try:
        return image.getexif()
    except Exception:
        return Exif()


def exif_of_tiff(data: bytes) -> Exif:
    """Return the first directory of a TIFF, which need not be an image; an empty one if it cannot be read."""
    from PIL.Image import Exif

    exif = Exif()
    with suppress(Exception):
        exif.load(data)
    return exif


def _text(value: object) -> str:
    return "".join(character for character in str(value) if character.isprintable()).strip()[:MAX_METADATA_TEXT]


def transfer_of(image: Image, data: bytes) -> int:
    """The transfer characteristics (ITU-T H.273) that a PNG, HEIF or AVIF says it has; 0 if it does not."""
    if image.format == "PNG" and (place := data.find(b"cICP", 0, _HEADERS)) > 0:  # PNG 3, 11.3.2.6
        return int.from_bytes(data[place + 5 : place + 6], "big")
    return transfer_of_primary(data) if image.format in ("HEIF", "AVIF") else 0
