"""Makes images for tests and the demo: photos that packages carry, and every odd form that a file of one may have."""

import importlib.util
import io
import struct
import zlib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from PIL.Image import Exif, Image

# A bomb: 40,000 x 40,000 pixels would take 4.8 GB, and the file is small.
BOMB_SIDE = 40_000
EXIF_ORIENTATION, TURNED_RIGHT = 0x0112, 6


@dataclass(frozen=True)
class Photo:
    """A photo of an installed package, and a text that finds it among the others with the stand-in for CLIP."""

    file: str
    package: str
    path: str
    text: str


PHOTOS = (
    Photo("cat.jpg", "skimage", "data/chelsea.png", "a cat"),
    Photo("coffee.jpg", "skimage", "data/coffee.png", "a cup of coffee"),
    Photo("rocket.jpg", "skimage", "data/rocket.jpg", "a missile rising into the sky"),
    Photo("motorcycle.jpg", "skimage", "data/motorcycle_left.png", "a motorcycle"),
    Photo("photographer.jpg", "skimage", "data/camera.png", "a photographer with a tripod"),
    Photo("palace.jpg", "sklearn", "datasets/images/china.jpg", "a palace"),
    Photo("flower.jpg", "sklearn", "datasets/images/flower.jpg", "a flower"),
)


@dataclass(frozen=True)
class OddImage:
    """The file of one odd image.

    shown: width and height as it is to be looked at; None if it cannot be shown, or must not be decoded.
    """

    data: bytes
    shown: tuple[int, int] | None


@cache
def photo(file: str, width: int = 480) -> "Image":
    """A photo of `PHOTOS` in RGB, of a width in pixels."""
    from PIL import Image

    (found,) = (each for each in PHOTOS if each.file == file)
    spec = importlib.util.find_spec(found.package)  # finds the folder without importing the package
    assert spec is not None and spec.origin is not None
    with Image.open(Path(spec.origin).parent / found.path) as image:
        return image.convert("RGB").resize((width, width * image.height // image.width))


def make_photos() -> dict[str, bytes]:
    """The photos as JPEG files of 480 pixels width, by file name."""
    return {each.file: _saved(photo(each.file), "JPEG", quality=85) for each in PHOTOS}


@cache
def make_odd_images() -> dict[str, OddImage]:
    """Images that decoders stumble over, by file name: all show the cat, 120 x 80 pixels where nothing else is said."""
    from PIL import Image

    cat = photo("cat.jpg", 120)
    size = cat.size
    transparent = cat.convert("RGBA")
    transparent.putalpha(Image.linear_gradient("L").resize(size))
    palette = cat.quantize(64)
    frames = [cat.rotate(angle) for angle in (0, 90, 180)]
    jpeg = _saved(cat, "JPEG")
    made: dict[str, tuple[bytes, tuple[int, int] | None]] = {
        "turned-by-exif.jpg": (_saved(cat.rotate(90, expand=True), "JPEG", exif=_orientation(TURNED_RIGHT)), size),
        "cmyk.jpg": (_saved(cat.convert("CMYK"), "JPEG"), size),
        "gray.jpg": (_saved(cat.convert("L"), "JPEG"), size),
        "progressive.jpg": (_saved(cat, "JPEG", progressive=True), size),
        "sixteen-bits.png": (_saved(_sixteen_bits(cat), "PNG"), size),
        "palette-with-transparency.png": (_saved(palette, "PNG", transparency=0), size),
        "transparent.png": (_saved(transparent, "PNG"), size),
        "gray-with-alpha.png": (_saved(transparent.convert("LA"), "PNG"), size),
        "one-bit.png": (_saved(cat.convert("1"), "PNG"), size),
        "animated.gif": (_saved(frames[0], "GIF", save_all=True, append_images=frames[1:], duration=100), size),
        "photo.webp": (_saved(cat, "WEBP"), size),
        "photo.avif": (_saved(cat, "AVIF"), size),
        "photo.heic": (_heif(cat), size),
        "scan.tif": (_saved(cat, "TIFF", compression="tiff_lzw"), size),
        "one-pixel.png": (_saved(cat.crop((0, 0, 1, 1)), "PNG"), (1, 1)),
        "one-line.png": (_saved(cat.crop((0, 0, 120, 1)), "PNG"), (120, 1)),
        "png-named.jpg": (_saved(cat, "PNG"), size),
        "bomb.png": (_bomb(), None),
        "truncated.jpg": (jpeg[:300], None),
        "header-only.png": (_saved(cat, "PNG")[:33], None),
        "empty.jpg": (b"", None),
        "text-named.jpg": (b"This is a text and no image.\n", None),
    }
    return {name: OddImage(data, shown) for name, (data, shown) in made.items()}


def _saved(image: "Image", format: str, **options: Any) -> bytes:
    stream = io.BytesIO()
    image.save(stream, format, **options)
    return stream.getvalue()


def _orientation(value: int) -> "Exif":
    from PIL import Image

    exif = Image.Exif()
    exif[EXIF_ORIENTATION] = value
    return exif


def _sixteen_bits(image: "Image") -> "Image":
    import numpy as np
    from PIL import Image

    return Image.fromarray(np.asarray(image.convert("L"), dtype=np.uint16) * 257)


def _heif(image: "Image") -> bytes:
    import pillow_heif

    stream = io.BytesIO()
    pillow_heif.from_pillow(image).save(stream, quality=60)
    return stream.getvalue()


def _bomb() -> bytes:
    """A valid PNG of black pixels, 200 kB, that takes gigabytes when it is decoded."""
    compressor = zlib.compressobj(9)
    row = bytes(1 + BOMB_SIDE // 8)  # one bit per pixel behind the filter's byte
    pixels = b"".join([*(compressor.compress(row) for _ in range(BOMB_SIDE)), compressor.flush()])
    header = struct.pack(">IIBBBBB", BOMB_SIDE, BOMB_SIDE, 1, 0, 0, 0, 0)
    chunks = [(b"IHDR", header), (b"IDAT", pixels), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in chunks
    )
