"""Decodes TIFFs with more channels than colours, such as selections or infrared light, of which Pillow knows a few.

Such a picture is read as a grey one: with the channels of a pixel beside each other as pixels, or of one plane.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from ingest.image.depth import eight_bits
from ingest.image.loading import load, opened
from ingest.image.metadata import SIDEWAYS, turned
from ingest.image.opencv import PREMULTIPLIED, SEPARATE, TIFF_BITS, TIFF_EXTRA, TIFF_PLANES
from ingest.image.picture import (
    TIFF_PHOTOMETRIC,
    TIFF_SAMPLE_FORMAT,
    UNSIGNED,
    WHITE_IS_ZERO,
    Picture,
    check_pixels,
    to_rgb,
)
from ingest.image.tiff_pages import picture_page

if TYPE_CHECKING:
    from PIL.Image import Image

COLOURS = {0: "L", 1: "L", 2: "RGB", 5: "CMYK"}
"""The modes of values of PhotometricInterpretation."""

STRAIGHT = 2
"""A value of ExtraSamples (TIFF 6.0): transparency by which the colours are not multiplied."""

LOSSLESS = {1, 5, 8, 32773, 32946}
"""Values of Compression: none, LZW, Deflate, PackBits, and Deflate of old."""

MAX_CHANNELS = {"L": 4, "RGB": 64, "CMYK": 64}
"""Maximum number of channels. Many beside a grey one are bands of light, of which none is the picture."""

_WIDTH, _HEIGHT, _COMPRESSION, _ORIENTATION, _CHANNELS = 256, 257, 259, 274, 277
_STRIPS, _STRIP_SIZES, _PREDICTOR, _TILE_WIDTH, _TILES, _TILE_SIZES, _PROFILE = 273, 279, 317, 322, 324, 325, 34675
_KEPT = (_HEIGHT, _COMPRESSION, 266, _STRIPS, 278, _STRIP_SIZES, 323, _TILES, _TILE_SIZES)
"""Tags that the grey picture has, too; among them FillOrder, RowsPerStrip and TileLength."""

_DIFFERENCES = 2
"""A value of Predictor: each pixel is stored as the difference from the one to its left."""


def decode_channels(data: bytes, max_pixels: int) -> Picture:
    """Decode a TIFF with more channels than colours. Of these, only a transparency is heeded, and of CMYK none.

    Raises:
        ValueError: it is no such TIFF.
        Exception: it is broken.
    """
    _, tags = picture_page(data)
    mode, count = COLOURS.get(tags.get(TIFF_PHOTOMETRIC, -1), ""), tags.get(_CHANNELS, 1)
    bits, form = set(tags.get(TIFF_BITS, (1,))), set(tags.get(TIFF_SAMPLE_FORMAT, (UNSIGNED,)))
    is_known = bits in ({8}, {16}) and form == {UNSIGNED} and tags.get(_COMPRESSION, 1) in LOSSLESS
    if not mode or not len(mode) < count <= MAX_CHANNELS[mode] or not is_known or data[2:4] not in (b"*\0", b"\0*"):
        raise ValueError("it is no TIFF with more channels than colours")
    width, height = tags[_WIDTH], tags[_HEIGHT]
    check_pixels(width, height, max_pixels)
    extra = tags.get(TIFF_EXTRA, (None,))[0]
    wanted = len(mode) + (extra in (PREMULTIPLIED, STRAIGHT) and mode != "CMYK")
    if tags.get(TIFF_PLANES) == SEPARATE:
        values = np.dstack([_plane(data, tags, plane, count) for plane in range(wanted)])
    else:
        values = _chunky(data, tags, count)[:, :, :wanted]
    image = _image(values, mode, tags, extra)
    turn = tags.get(_ORIENTATION, 1)
    if turn in SIDEWAYS:
        width, height = height, width
    return Picture(turned(to_rgb(image), turn), width, height, {"format": "TIFF", "mode": image.mode})


def _image(values: np.ndarray, mode: str, tags: Mapping[int, Any], extra: int | None) -> Image:
    """The image of colours and perhaps transparency, with the profile of the file."""
    from PIL import Image

    colours, alpha = values[:, :, 0] if mode == "L" else values[:, :, : len(mode)], values[:, :, len(mode) :]
    # Inks are measured from the paper, and no picture of them is too dark to be seen.
    shown = eight_bits(colours) if mode != "CMYK" else (colours >> 8 * (values.itemsize - 1)).astype(np.uint8)
    if tags.get(TIFF_PHOTOMETRIC) == WHITE_IS_ZERO:
        shown = 255 - shown
    if alpha.shape[2]:
        shares = (alpha >> 8 * (values.itemsize - 1)).astype(np.uint8)
        shown = np.dstack([shown] * (3 // len(mode)) + [shares])
        image = Image.frombytes("RGBA", shown.shape[1::-1], shown.tobytes())
        if extra == PREMULTIPLIED:
            image = Image.frombytes("RGBa", image.size, image.tobytes()).convert("RGBA")
    else:
        image = Image.frombytes(mode, shown.shape[1::-1], shown.tobytes())
    if profile := tags.get(_PROFILE):
        image.info["icc_profile"] = profile
    return image


def _plane(data: bytes, tags: Mapping[int, Any], plane: int, count: int) -> np.ndarray:
    """One of the planes, each of which has its own strips or tiles."""
    changed = {_WIDTH: tags[_WIDTH], _PREDICTOR: tags.get(_PREDICTOR, 1)}
    if _TILE_WIDTH in tags:
        changed[_TILE_WIDTH] = tags[_TILE_WIDTH]
    for tag in (_STRIPS, _STRIP_SIZES, _TILES, _TILE_SIZES):
        if tag in tags:
            pieces = len(tags[tag]) // count
            changed[tag] = tags[tag][plane * pieces : (plane + 1) * pieces]
    return _grey(data, tags, changed)


def _chunky(data: bytes, tags: Mapping[int, Any], count: int) -> np.ndarray:
    """All channels, which lie beside each other in each pixel."""
    across = tags.get(_TILE_WIDTH, tags[_WIDTH])
    changed = {_WIDTH: tags[_WIDTH] * count}
    if _TILE_WIDTH in tags:
        changed[_TILE_WIDTH] = across * count
    grey = _grey(data, tags, changed)
    values = grey.reshape(grey.shape[0], tags[_WIDTH], count)
    if tags.get(_PREDICTOR) == _DIFFERENCES:
        parts = [values[:, at : at + across] for at in range(0, tags[_WIDTH], across)]
        values = np.concatenate([np.cumsum(part, axis=1, dtype=part.dtype) for part in parts], axis=1)
    return values


def _grey(data: bytes, tags: Mapping[int, Any], changed: Mapping[int, Any]) -> np.ndarray:
    """The values of a grey picture that some of the tags describe, and all of the changed ones."""
    order = "<" if data.startswith(b"II") else ">"
    bits = int(tags[TIFF_BITS][0])
    described = {TIFF_BITS: bits, TIFF_PHOTOMETRIC: 1, _CHANNELS: 1, TIFF_PLANES: 1}
    all_tags = {tag: tags[tag] for tag in _KEPT if tag in tags} | described | dict(changed)
    start = len(data) + len(data) % 2
    header = data[:4] + struct.pack(f"{order}I", start)
    image = opened(header + data[8:].ljust(start - 8, b"\0") + _directory(all_tags, start, order), broken=False)
    load(image, cut=False)
    return np.asarray(image).astype(np.uint8 if bits == 8 else np.uint16)


def _directory(tags: Mapping[int, Any], start: int, order: str) -> bytes:
    """A directory of numbers that begins at the byte `start` of its file."""
    entries, more = struct.pack(f"{order}H", len(tags)), b""
    for tag, value in sorted(tags.items()):
        values = np.atleast_1d(value).tolist()
        kind, form = (3, "H") if max(values) < 1 << 16 else (4, "I")
        packed = struct.pack(f"{order}{len(values)}{form}", *values)
        if len(packed) > 4:
            place = start + 2 + 12 * len(tags) + 4 + len(more)
            more += packed + b"\0" * (len(packed) % 2)
            packed = struct.pack(f"{order}I", place)
        entries += struct.pack(f"{order}HHI", tag, kind, len(values)) + packed.ljust(4, b"\0")
    return entries + bytes(4) + more
