"""Decodes the bitmaps of Windows and OS/2 that Pillow does not: any masks of colours, short headers, embedded files.

Structures are those of the Windows SDK (BITMAPINFOHEADER to BITMAPV5HEADER) and of OS/2 2.0, which may end early.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ingest.common.objects import PARTLY_READ
from ingest.image.loading import load, opened
from ingest.image.missing import partly, percent
from ingest.image.picture import Picture, check_pixels, to_rgb
from ingest.image.repairs import MAX_LOST

if TYPE_CHECKING:
    from PIL.Image import Image

_FILE_HEADER, _CORE, _INFO, _WITH_MASKS = 14, 12, 40, 52
"""Bytes of the header of the file, of those of OS/2 1.x and Windows 3, and of the first one that has masks."""

_RAW, _RUNS, _MASKS, _JPEG, _PNG, _MASKS_AND_ALPHA = 0, {1: 8, 2: 4}, 3, 4, 5, 6
"""Values of Compression; those for runs of equal pixels go with a number of bits."""

_END_OF_ROW, _END, _MOVE = 0, 1, 2
"""Codes between runs."""

_USUAL_MASKS = {16: (0x7C00, 0x3E0, 0x1F, 0), 24: (0xFF0000, 0xFF00, 0xFF, 0), 32: (0xFF0000, 0xFF00, 0xFF, 0)}


@dataclass(frozen=True, slots=True)
class _Header:
    size: int
    width: int
    height: int
    bits: int
    compression: int
    colours: int
    masks: tuple[int, int, int, int]
    place: int
    """The place of the pixels."""

    @classmethod
    def of(cls, data: bytes) -> _Header:
        (place,), (size,) = struct.unpack_from("<I", data, 10), struct.unpack_from("<I", data, _FILE_HEADER)
        if size == _CORE:
            width, height, _, bits = struct.unpack_from("<HHHH", data, 18)
            return cls(size, width, height, bits, _RAW, 0, _USUAL_MASKS.get(bits, (0, 0, 0, 0)), place)
        # A header of OS/2 2.0 may end behind any field, and the fields that it lacks are zero.
        fields = data[_FILE_HEADER : _FILE_HEADER + min(size, _INFO)].ljust(_INFO, b"\0")
        width, height, _, bits, compression, _, _, _, colours = struct.unpack_from("<iiHHIIiiI", fields, 4)
        masks = _USUAL_MASKS.get(bits, (0, 0, 0, 0))
        if compression in (_MASKS, _MASKS_AND_ALPHA):
            masks = struct.unpack_from("<4I", data, _FILE_HEADER + _INFO)
            if size <= _WITH_MASKS and compression == _MASKS:
                masks = (*masks[:3], 0)
        return cls(size, width, height, bits, compression, colours, masks, place)


def decode_bitmap(data: bytes, max_pixels: int) -> Picture:
    """Decode a bitmap.

    Raises:
        ValueError: it is none, or of a variant that no viewer shows.
        Exception: it is broken.
    """
    if not data.startswith(b"BM"):
        raise ValueError("it is no bitmap")
    header = _Header.of(data)
    width, height = header.width, abs(header.height)
    check_pixels(width, height, max_pixels)
    metadata: dict[str, Any] = {"format": "BMP"}
    if header.compression in (_JPEG, _PNG):
        embedded = opened(data[header.place :], broken=False)
        load(embedded, cut=False)
        image = to_rgb(embedded)
    elif header.compression in (_RAW, _MASKS, _MASKS_AND_ALPHA):
        image = to_rgb(_pixels(data, header, width, height))
    elif _RUNS.get(header.compression) == header.bits:  # broken, as Pillow decodes whole ones
        indices, share = _unpacked(data[header.place :], header.bits, width, height)
        if share > MAX_LOST:
            raise ValueError("nearly all of its pixels are missing")
        if share:
            metadata[PARTLY_READ] = partly(f"{percent(share)} of the picture is missing")
        image = _of(_colours(data, header)[indices[::-1]])
    else:
        raise ValueError(f"unsupported compression of a bitmap ({header.compression})")
    return Picture(image, *image.size, metadata | {"mode": image.mode})


def _unpacked(runs: bytes, bits: int, width: int, height: int) -> tuple[np.ndarray, float]:
    """The indices that runs hold, from the last row to the first, and the share of the pixels behind their end."""
    indices = np.zeros((height, width), np.uint8)
    at = row = column = 0
    while at + 2 <= len(runs) and row < height:
        count, code = runs[at], runs[at + 1]
        at += 2
        if count:
            values = [code] if bits == 8 else [code >> 4, code & 15]
            run = (values * count)[:count]
        elif code == _END_OF_ROW:
            row, column = row + 1, 0
            continue
        elif code == _END:
            return indices, 0.0
        elif code == _MOVE:
            row, column, at = row + runs[at + 1], column + runs[at], at + 2
            continue
        else:
            length = code if bits == 8 else (code + 1) // 2
            part = runs[at : at + length]
            run = list(part if bits == 8 else [half for byte in part for half in (byte >> 4, byte & 15)])[:code]
            at += length + length % 2
        run = run[: max(width - column, 0)]
        indices[row, column : column + len(run)] = run
        column += len(run)
    return indices, 1 - min(row * width + min(column, width), height * width) / (height * width)


def _pixels(data: bytes, header: _Header, width: int, height: int) -> Image:
    stride = (width * header.bits + 31) // 32 * 4
    rows = np.frombuffer(data, np.uint8, stride * height, header.place).reshape(height, stride)
    if header.height > 0:
        rows = rows[::-1]
    if header.bits in (16, 24, 32):
        channels = _channels(rows, header, width)
    elif header.bits in (1, 2, 4, 8):
        channels = _colours(data, header)[_indices(rows, header.bits)[:, :width]]
    else:
        raise ValueError(f"unsupported bits of a bitmap ({header.bits})")
    return _of(channels)


def _of(channels: np.ndarray) -> Image:
    from PIL import Image

    return Image.fromarray(np.ascontiguousarray(channels))


def _channels(rows: np.ndarray, header: _Header, width: int) -> np.ndarray:
    """The channels that masks cut out of pixels, each on a scale of 255."""
    size = header.bits // 8
    parts = rows[:, : width * size].reshape(rows.shape[0], width, size).astype(np.uint32)
    values = np.zeros(parts.shape[:2], np.uint32)
    for index in range(size):
        values |= parts[:, :, index] << np.uint32(8 * index)
    found = []
    for mask in header.masks[: 4 if header.masks[3] else 3]:
        if not mask:
            found.append(np.zeros(values.shape, np.uint8))
            continue
        low = (mask & -mask).bit_length() - 1
        channel = (values & np.uint32(mask)) >> np.uint32(low)
        found.append(np.rint(channel * (255 / (mask >> low))).astype(np.uint8))
    return np.dstack(found)


def _indices(rows: np.ndarray, bits: int) -> np.ndarray:
    shifts = np.arange(8 - bits, -1, -bits, dtype=np.uint8)
    return ((rows[:, :, None] >> shifts) & np.uint8((1 << bits) - 1)).reshape(rows.shape[0], -1)


def _colours(data: bytes, header: _Header) -> np.ndarray:
    """The colours of the palette in RGB; the indices behind its end are black."""
    step = 3 if header.size == _CORE else 4
    start = _FILE_HEADER + header.size
    count = min(header.colours or 256, (header.place - start) // step, 256)
    found = np.zeros((256, 3), np.uint8)
    found[:count] = np.frombuffer(data, np.uint8, count * step, start).reshape(count, step)[:, 2::-1]
    return found
