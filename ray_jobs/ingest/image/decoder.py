"""An image's bytes to the square of pixels that a CLIP model takes, with Pillow: what the sandbox's child does."""

from __future__ import annotations

import io
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ingest.common.errors import ObjectError
from ingest.common.failures import Failure
from ingest.common.square import Square
from ingest.common.text import one_line

if TYPE_CHECKING:
    from PIL.Image import Exif, Image

SUFFIXES = (
    ".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".gif", ".bmp", ".tif", ".tiff", ".heic", ".heif", ".avif",
    ".jp2", ".j2k", ".j2c", ".jpc", ".jpf", ".jpx", ".ppm", ".pgm", ".pbm", ".pnm", ".pfm", ".tga", ".ico", ".icns",
    ".apng", ".avifs", ".heics", ".heifs", ".hif", ".psd", ".sgi", ".rgb", ".rgba", ".bw", ".pcx", ".dcx", ".dds",
    ".dib", ".cur", ".fli", ".flc", ".qoi", ".ras", ".xbm", ".xpm",
)  # fmt: skip
"""Of the objects that are taken, lower case: formats of pictures that Pillow reads by itself."""

FOREIGN = {"BUFR", "EPS", "GRIB", "HDF5", "MPEG", "WMF"}
"""Formats that Pillow knows and hands to other programs (Ghostscript for EPS), or cannot read: whatever a file calls
itself, it is not opened as one of these."""

DRAFT = 2
"""A large JPEG is decoded at the smallest of its scales that is still so many times the square (libjpeg scales by
eighths while it decodes, which takes a third of the time). The resize after it averages the rest."""

EXIF_TAKEN, EXIF_MAKE, EXIF_MODEL, EXIF_ORIENTATION, EXIF_IFD = 0x9003, 0x010F, 0x0110, 0x0112, 0x8769
"""Tags of Exif 2.32: DateTimeOriginal, Make, Model, Orientation, and the directory that holds the first."""

SIDEWAYS = (5, 6, 7, 8)
"""Orientations that exchange width and height."""

SIGNATURES = (b"\x89PNG", b"\xff\xd8\xff", b"GIF8", b"RIFF", b"II*\0", b"MM\0*")
"""First bytes of PNG, JPEG, GIF, WebP and TIFF: a file that begins with them was meant to be one."""

MAX_TEXT = 100
"""Characters of a text in the metadata."""

LONGEST = 64
"""Squares that a resized image may be long before it is cut."""


@dataclass(frozen=True, slots=True)
class Picture:
    """A decoded image.

    Attributes:
        pixels: uint8 RGB of shape (size, size, 3), as bytes.
        width, height: of the image as it is to be looked at.
        metadata: format, mode, and where known frames, taken, camera.
    """

    pixels: bytes
    width: int
    height: int
    metadata: dict[str, Any]


def prepare() -> None:
    """Import the decoders, and let Pillow know those that it does not bring itself."""
    import pillow_heif
    from PIL import Image, ImageFile

    pillow_heif.register_heif_opener()
    Image.init()
    Image.MAX_IMAGE_PIXELS = None  # `max_pixels` is asked for instead, and says so in a sentence
    ImageFile.LOAD_TRUNCATED_IMAGES = False
    warnings.simplefilter("ignore")  # of damaged metadata, to stderr


def read_image(data: bytes, square: Square, max_pixels: int) -> Picture:
    """Decode an image and cut it to the model's square. Call `prepare` once before.

    Raises:
        ObjectError: it is empty, of no known format, damaged, or has more than `max_pixels`.
        MemoryError: there is not enough for it.
    """
    from PIL import Image, ImageOps, UnidentifiedImageError

    if not data:
        raise ObjectError(Failure.EMPTY, "the file is empty (0 bytes)")
    try:
        image: Image.Image = Image.open(io.BytesIO(data), formats=[name for name in Image.ID if name not in FOREIGN])
    except UnidentifiedImageError as error:
        if data.startswith(SIGNATURES):
            raise _damaged(error) from None
        raise ObjectError(Failure.NOT_AN_IMAGE, "this is not an image, or its format is not supported") from None
    except MemoryError:
        raise
    except Exception as error:  # decoders raise whatever they like
        raise _damaged(error) from None
    with image:
        width, height = image.size
        if width * height > max_pixels:
            raise ObjectError(
                Failure.TOO_MANY_PIXELS,
                f"the image has {width} x {height} pixels, over the limit of {max_pixels / 1e6:g} million",
                limit=max_pixels,
            )
        try:
            metadata = _metadata(image)
            if _exif(image).get(EXIF_ORIENTATION) in SIDEWAYS:
                width, height = height, width
            image.draft("RGB", (DRAFT * square.size, DRAFT * square.size))  # does nothing but for JPEG
            image.load()  # of an animation, the first frame
            pixels = cut(to_rgb(ImageOps.exif_transpose(image)), square).tobytes()
        except MemoryError:
            raise
        except Exception as error:
            raise _damaged(error) from None
    return Picture(pixels, width, height, metadata)


def pixels_of_file(path: Path, square: Square) -> np.ndarray:
    """A file's image as an array of shape (1, size, size, 3), however many pixels it has.

    Raises:
        ObjectError: it cannot be read or decoded.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ObjectError(Failure.UNREADABLE, f"the file cannot be read ({error.strerror})") from None
    prepare()
    pixels = np.frombuffer(read_image(data, square, max_pixels=1 << 40).pixels, np.uint8)
    return pixels.reshape(1, square.size, square.size, 3)


def to_rgb(image: Image) -> Image:
    """As RGB: transparent parts white, and deep and float greys scaled to eight bits instead of cut off."""
    from PIL import Image as images

    if image.mode.startswith(("I", "F")):
        image = images.fromarray(_eight_bits(np.asarray(image)))
    if image.has_transparency_data:
        image = image.convert("RGBA")
        white = images.new("RGBA", image.size, "white")
        white.alpha_composite(image)
        image = white
    return image.convert("RGB")


def _eight_bits(values: np.ndarray) -> np.ndarray:
    """Greys of more than eight bits as uint8: by the range that they seem to be meant in, or else by their own."""
    values = np.nan_to_num(values.astype(np.float32), posinf=0, neginf=0)
    low, high = float(values.min()), float(values.max())
    if low < 0 or high > 65535:
        values, high = values - low, high - low
        full = high
    else:
        full = 1.0 if high <= 1 else 255.0 if high <= 255 else 65535.0
    return (values * (255 / (full or 1))).astype(np.uint8)


def cut(image: Image, square: Square) -> Image:
    """An RGB image as a model's square, the way that open_clip's transforms for inference do it (torchvision's Resize
    and CenterCrop on a Pillow image)."""
    from PIL.Image import Resampling

    size = square.size
    filter_ = Resampling.BILINEAR if square.bilinear else Resampling.BICUBIC
    width, height = image.size
    if square.squash:
        return image.resize((size, size), filter_)
    short = min(width, height)
    width, height = size * width // short, size * height // short
    left, top = round((width - size) / 2), round((height - size) / 2)
    if max(width, height) > LONGEST * size:
        # A strip: only what is left of it after the cut is made, or a line of a million pixels would become gigabytes.
        scale = short / size
        box = (left * scale, top * scale, (left + size) * scale, (top + size) * scale)
        return image.resize((size, size), filter_, box)
    return image.resize((width, height), filter_).crop((left, top, left + size, top + size))


def _metadata(image: Image) -> dict[str, Any]:
    found: dict[str, Any] = {"format": image.format, "mode": image.mode}
    if (frames := getattr(image, "n_frames", 1)) > 1:
        found["frames"] = frames
    exif = _exif(image)
    if taken := exif.get_ifd(EXIF_IFD).get(EXIF_TAKEN):
        found["taken"] = _text(taken)
    if camera := " ".join(_text(exif[tag]) for tag in (EXIF_MAKE, EXIF_MODEL) if exif.get(tag)):
        found["camera"] = camera
    return found


def _exif(image: Image) -> Exif:
    """Its EXIF directory: an empty one where it cannot be read, which is no reason to refuse the image."""
    from PIL.Image import Exif

    try:
        return image.getexif()
    except Exception:
        return Exif()


def _text(value: object) -> str:
    return "".join(character for character in str(value) if character.isprintable()).strip()[:MAX_TEXT]


def _damaged(error: Exception) -> ObjectError:
    # Pillow's sentence for a file that it cannot even open ends in the address of a buffer.
    reason = one_line(error, 80).partition(" <")[0]
    return ObjectError(Failure.DAMAGED, f"the image cannot be decoded ({reason})")
