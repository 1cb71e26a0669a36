"""Decodes images with Pillow into the square that a CLIP model takes; runs in the sandbox's child process."""

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
"""Suffixes, in lower case, of the objects that are ingested: the image formats that Pillow decodes by itself."""

EXTERNAL_FORMATS = {"BUFR", "EPS", "GRIB", "HDF5", "MPEG", "WMF"}
"""Formats that Pillow passes to other programs (EPS to Ghostscript) or cannot read: no file is opened as one of these,
whatever its name."""

DRAFT_FACTOR = 2
"""A large JPEG is decoded at the smallest scale that is still this many times as large as the square. libjpeg scales in
eighths while it decodes, which takes a third of the time; resizing does the rest."""

EXIF_TAKEN, EXIF_MAKE, EXIF_MODEL, EXIF_ORIENTATION, EXIF_IFD = 0x9003, 0x010F, 0x0110, 0x0112, 0x8769
"""Tags of Exif 2.32: DateTimeOriginal, Make, Model, Orientation, and the directory that holds DateTimeOriginal."""

SIDEWAYS = (5, 6, 7, 8)
"""Orientations that swap width and height."""

SIGNATURES = (b"\x89PNG", b"\xff\xd8\xff", b"GIF8", b"RIFF", b"II*\0", b"MM\0*")
"""First bytes of PNG, JPEG, GIF, WebP and TIFF: if such a file cannot be read, it is a damaged image."""

MAX_METADATA_TEXT = 100
"""Maximum length of a metadata value in characters."""

MAX_IMAGE_ASPECT = 64
"""Aspect ratio up to which a whole image is resized before it is cropped."""


@dataclass(frozen=True, slots=True)
class DecodedImage:
    """A decoded image.

    Attributes:
        pixels: uint8 RGB of shape (size, size, 3), as bytes.
        width, height: in pixels, with the Exif orientation applied.
        metadata: format, mode and, if known, frames, taken, camera.
    """

    pixels: bytes
    width: int
    height: int
    metadata: dict[str, Any]


def prepare_images() -> None:
    """Import the decoders, and register those that Pillow does not contain."""
    import pillow_heif
    from PIL import Image, ImageFile

    pillow_heif.register_heif_opener()
    Image.init()
    Image.MAX_IMAGE_PIXELS = None  # `max_pixels` replaces it, with an explanation for the owner
    ImageFile.LOAD_TRUNCATED_IMAGES = False
    warnings.simplefilter("ignore")  # about damaged metadata, on stderr


def read_image(data: bytes, square: Square, max_pixels: int) -> DecodedImage:
    """Decode an image and crop it to the model's square. Call `prepare_images` once before.

    Raises:
        ObjectError: the image is empty, of an unknown format or damaged, or has more than `max_pixels` pixels.
        MemoryError: there is not enough memory for it.
    """
    from PIL import Image, ImageOps, UnidentifiedImageError

    if not data:
        raise ObjectError(Failure.EMPTY, "the file is empty (0 bytes)")
    try:
        formats = [name for name in Image.ID if name not in EXTERNAL_FORMATS]
        image: Image.Image = Image.open(io.BytesIO(data), formats=formats)
    except UnidentifiedImageError as error:
        if data.startswith(SIGNATURES):
            raise _damaged(error) from None
        raise ObjectError(Failure.NOT_AN_IMAGE, "this is not an image, or its format is not supported") from None
    except MemoryError:
        raise
    except Exception as error:  # decoders raise errors of any type
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
            image.draft("RGB", (DRAFT_FACTOR * square.size, DRAFT_FACTOR * square.size))  # affects JPEG only
            image.load()  # the first frame of an animation
            pixels = crop_to_square(to_rgb(ImageOps.exif_transpose(image)), square).tobytes()
        except MemoryError:
            raise
        except Exception as error:
            raise _damaged(error) from None
    return DecodedImage(pixels, width, height, metadata)


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
    pixels = np.frombuffer(read_image(data, square, max_pixels=1 << 40).pixels, np.uint8)
    return pixels.reshape(1, square.size, square.size, 3)


def to_rgb(image: Image) -> Image:
    """Convert an image to RGB on a white background; grey values of more than eight bits are scaled, not clipped."""
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
    """Scale grey values of more than eight bits to uint8: from their likely nominal range, or else from their own."""
    values = np.nan_to_num(values.astype(np.float32), posinf=0, neginf=0)
    low, high = float(values.min()), float(values.max())
    if low < 0 or high > 65535:
        values, high = values - low, high - low
        full = high
    else:
        full = 1.0 if high <= 1 else 255.0 if high <= 255 else 65535.0
    return (values * (255 / (full or 1))).astype(np.uint8)


def crop_to_square(image: Image, square: Square) -> Image:
    """Crop an RGB image to a model's square as open_clip's inference transforms do it: torchvision's Resize and
    CenterCrop on a Pillow image."""
    from PIL.Image import Resampling

    size = square.size
    filter_ = Resampling.BILINEAR if square.bilinear else Resampling.BICUBIC
    width, height = image.size
    if square.squash:
        return image.resize((size, size), filter_)
    short = min(width, height)
    width, height = size * width // short, size * height // short
    left, top = round((width - size) / 2), round((height - size) / 2)
    if max(width, height) > MAX_IMAGE_ASPECT * size:
        # Resize only the part of a strip that remains: a line of a million pixels would otherwise become gigabytes.
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
    """Return the Exif directory; an empty one if it cannot be read, since that is no reason to refuse the image."""
    from PIL.Image import Exif

    try:
        return image.getexif()
    except Exception:
        return Exif()


def _text(value: object) -> str:
    return "".join(character for character in str(value) if character.isprintable()).strip()[:MAX_METADATA_TEXT]


def _damaged(error: Exception) -> ObjectError:
    # Pillow's message about a file that it cannot open ends in the address of a buffer.
    reason = one_line(error, 80).partition(" <")[0]
    return ObjectError(Failure.DAMAGED, f"the image cannot be decoded ({reason})")
