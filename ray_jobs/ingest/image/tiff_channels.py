"""Decodes TIFFs whose channels Pillow cannot: more than colours, such as selections or infrared light, a plane of more
than eight bits for each, and CIELAB.

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
    FLOAT,
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

COLOURS = {0: "L", 1: "L", 2: "RGB", 5: "CMYK", 8: "LAB", 9: "LAB"}
"""The modes of values of PhotometricInterpretation."""

OFFSET_LAB = 9
"""The value for CIELAB whose colours are no signed numbers, but have an offset (TIFF, Adobe's technical notes)."""

STRAIGHT = 2
"""A value of ExtraSamples (TIFF 6.0): transparency by which the colours are not multiplied."""

LOSSLESS = {1, 5, 8, 32773, 32946}
"""Values of Compression: none, LZW, Deflate, PackBits, and Deflate of old."""

MAX_CHANNELS = {"L": 4, "RGB": 64, "CMYK": 64, "LAB": 64}
"""Maximum number of channels. Many beside a grey one are bands of light, of which none is the picture."""

_WIDTH, _HEIGHT, _COMPRESSION, _ORIENTATION, _CHANNELS = 256, 257, 259, 274, 277
_STRIPS, _STRIP_SIZES, _PREDICTOR, _TILE_WIDTH, _TILES, _TILE_SIZES, _PROFILE = 273, 279, 317, 322, 324, 325, 34675
_KEPT = (_HEIGHT, _COMPRESSION, 266, _STRIPS, 278, _STRIP_SIZES, 323, _TILES, _TILE_SIZES)
"""Tags that the grey picture has, too; among them FillOrder, RowsPerStrip and TileLength."""

_DIFFERENCES = 2
"""A value of Predictor: each pixel is stored as the difference from the one to its left."""


def decode_channels(data: bytes, max_pixels: int) -> Picture:
    """Decode a TIFF whose channels are of 8 or 16 bits, or floats. Of those that are no colours, only a transparency is
    heeded, and of CMYK and CIELAB none.

    Raises:
        ValueError: it is no such TIFF.
        Exception: it is broken.
    """
    _, tags = picture_page(data)
    mode, count = COLOURS.get(tags.get(TIFF_PHOTOMETRIC, -1), ""), tags.get(_CHANNELS, 1)
    bits, form = set(tags.get(TIFF_BITS, (1,))), set(tags.get(TIFF_SAMPLE_FORMAT, (UNSIGNED,)))
    is_integer = bits in ({8}, {16}) and (form == {UNSIGNED} or mode == "LAB")
    is_known = is_integer or (bits == {32} and form == {FLOAT} and mode == "RGB")
    if not is_known or tags.get(_COMPRESSION, 1) not in LOSSLESS or data[2:4] not in (b"*\0", b"\0*"):
        raise ValueError("it is no TIFF of known channels")
    is_odd = mode == "LAB" or (tags.get(TIFF_PLANES) == SEPARATE and bits != {8})  # with colours alone
    if not mode or not len(mode) + (not is_odd) <= count <= MAX_CHANNELS[mode]:
        raise ValueError("its channels are not those of its colours")
    width, height = tags[_WIDTH], tags[_HEIGHT]
    check_pixels(width, height, max_pixels)
    extra = tags.get(TIFF_EXTRA, (None,))[0]
    has_alpha = count > len(mode) and extra in (PREMULTIPLIED, STRAIGHT) and mode in ("L", "RGB")
    wanted = len(mode) + has_alpha
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
    if mode == "LAB":
        return _of_lab(colours, tags)
    # Inks are measured from the paper, and no picture of them is too dark to be seen.
    shown = eight_bits(colours) if mode != "CMYK" else _high_bits(colours)
    if tags.get(TIFF_PHOTOMETRIC) == WHITE_IS_ZERO:
        shown = 255 - shown
    if alpha.shape[2]:
        shares = eight_bits(alpha[:, :, 0]) if values.dtype.kind == "f" else _high_bits(alpha)
        shown = np.dstack([shown] * (3 // len(mode)) + [shares])
        image = Image.frombytes("RGBA", shown.shape[1::-1], shown.tobytes())
        if extra == PREMULTIPLIED:
            image = Image.frombytes("RGBa", image.size, image.tobytes()).convert("RGBA")
    else:
        image = Image.frombytes(mode, shown.shape[1::-1], shown.tobytes())
    if profile := tags.get(_PROFILE):
        image.info["icc_profile"] = profile
    return image


def _high_bits(values: np.ndarray) -> np.ndarray:
    return (values >> 8 * (values.itemsize - 1)).astype(np.uint8)


def _of_lab(colours: np.ndarray, tags: Mapping[int, Any]) -> Image:
    """The image of CIELAB, of which Pillow knows eight bits, in signed numbers."""
    from PIL import Image

    shown = np.ascontiguousarray(_high_bits(colours))
    if tags.get(TIFF_PHOTOMETRIC) == OFFSET_LAB:
        shown[:, :, 1:] ^= 0x80
    image = Image.frombytes("LAB", shown.shape[1::-1], shown.tobytes())
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
    if bits == 32:
        described[TIFF_SAMPLE_FORMAT] = FLOAT
    all_tags = {tag: tags[tag] for tag in _KEPT if tag in tags} | described | dict(changed)
    start = len(data) + len(data) % 2
    header = data[:4] + struct.pack(f"{order}I", start)
    image = opened(header + data[8:].ljust(start - 8, b"\0") + _directory(all_tags, start, order), broken=False)
    load(image, cut=False)
    return np.asarray(image).astype({8: np.uint8, 16: np.uint16, 32: np.float32}[bits])


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
