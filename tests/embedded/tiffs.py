"""Writes TIFFs with any tags, as cameras and instruments do and image libraries do not."""

import struct
from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np

FORMS = {"u": 1, "i": 2, "f": 3}
"""Values of SampleFormat."""

Tags = Mapping[int, int | bytes | Sequence[int]]


def directory(tags: Tags, at: int, order: str = "<") -> bytes:
    """A directory of tags that begins at the byte `at` of its file."""
    entries, more = b"", b""
    for tag, value in sorted(tags.items()):
        if isinstance(value, bytes):
            kind, count, packed = 2, len(value), value
        else:
            values = [value] if isinstance(value, int) else value
            kind, form = (3, "H") if max(values) < 1 << 16 else (4, "I")
            count, packed = len(values), struct.pack(f"{order}{len(values)}{form}", *values)
        if len(packed) > 4:
            offset = at + 2 + 12 * len(tags) + 4 + len(more)
            more += packed + b"\0" * (len(packed) % 2)
            packed = struct.pack(f"{order}I", offset)
        entries += struct.pack(f"{order}HHI", tag, kind, count) + packed.ljust(4, b"\0")
    return struct.pack(f"{order}H", len(tags)) + entries + bytes(4) + more


def described(values: np.ndarray, at: int, more: Tags) -> Tags:
    """The tags of uncompressed pixels of shape (height, width) or (height, width, channels) at the byte `at`."""
    channels = values.shape[2] if values.ndim == 3 else 1
    return {
        256: values.shape[1], 257: values.shape[0], 258: [8 * values.itemsize] * channels, 259: 1,
        262: 2 if channels > 2 else 1, 273: at, 277: channels, 278: values.shape[0], 279: values.nbytes,
        339: [FORMS[values.dtype.kind]] * channels, **more,
    }  # fmt: skip


def tiff(values: np.ndarray, more: Tags, order: Literal["<", ">"] = "<") -> bytes:
    """A TIFF of one page, uncompressed, in the byte order `<` or `>`."""
    data = values.astype(values.dtype.newbyteorder(order)).tobytes()
    data += b"\0" * (len(data) % 2)
    header = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(f"{order}I", 8 + len(data))
    return header + data + directory(described(values, 8, more), 8 + len(data), order)
