"""Measures which pixels of a decoded image were not in its file."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np

from ingest.image.loading import again
from ingest.image.repairs import END, MAX_LOST

if TYPE_CHECKING:
    from PIL.ImageFile import ImageFile

GREY = 128
"""The value that libjpeg gives to missing pixels."""

_CORNER = 8
"""Pixels at the end of a JPEG's last row that have one colour if its pixels end early. (The rows above may have a trace
of the colours over them.)"""

_SURPLUS = 64
"""Bytes that no pixel needs and that are more than what cameras leave behind the last one. Of 1,062 real files, none
that is whole had more than 16 (November 2026)."""

_PADDING = 2
"""Different bytes that padding has at most."""

_RESTARTS = re.compile(rb"\xff([\xd0-\xd7])")
"""The marks between parts of a JPEG, which are numbered from 0 to 7 again and again (ITU-T T.81, E.1.4)."""

_MORE = b"\x55" * 256
"""Pixels that a JPEG takes for its own if it ends within a scan, and ignores otherwise."""


def percent(share: float) -> str:
    """Write a share of something lost, which is at least 1%."""
    return f"{max(share, 0.01):.0%}"


def partly(losses: str) -> str:
    """Write the sentence about an image of which something is lost."""
    return f"{losses}; the rest is kept, and the whole file should be uploaded again"


def missing_part(image: ImageFile, data: bytes, side: int) -> str:
    """Say how much of a decoded image is missing; "" if nothing is.

    Raises:
        ValueError: nearly everything is missing.
    """
    from PIL import Image as images

    bands = len(image.getbands())
    white = images.new(image.mode, image.size, 255 if bands == 1 else (255,) * bands)
    pixels = np.asarray(image)
    # A pixel that the decoder does not reach keeps its colour, whether that is black or white.
    lost = float((again(data, side, white) != pixels).mean())
    grey = np.abs(pixels[-1, -1].astype(int) - GREY).max() <= 1
    fills = image.format == "GIF" or (image.format in ("JPEG", "MPO") and grey)
    if fills:  # the decoder gave them all one colour
        lost = max(lost, float((pixels == pixels[-1, -1]).reshape(len(pixels), -1).all(1).mean()))
    if lost > MAX_LOST:
        raise ValueError(f"{lost:.0%} of its pixels are missing")
    if lost:
        return f"{percent(lost)} of the picture is missing"
    if image.info.get("progressive") and (again(data + _MORE, side) != pixels).any():
        return "its end is missing, and with it some detail"
    return ""


def ends_early(image: ImageFile, data: bytes, side: int) -> bool:
    """Whether a JPEG has fewer pixels than its size demands, as if bytes of it were lost.

    Other pixels would then take the place of those that libjpeg makes up. As these mostly have one colour, only an
    image whose corner has one is decoded again.
    """
    pixels = np.asarray(image)
    corner = pixels[-1, -_CORNER:]
    end = data.rfind(END)
    return bool(
        end > 0 and (corner == corner[-1]).all() and (again(data[:end] + _MORE + data[end:], side) != pixels).any()
    )


def is_torn(scan: bytes, surplus: int, parts: int) -> bool:
    """Whether the pixels of a JPEG are not those that were written, as if other bytes had taken the place of some.

    Args:
        scan: its pixels, from their mark to their end; empty if they cannot be found.
        surplus: how many of their last bytes were not needed.
        parts: into how many the marks between them should divide the pixels; 0 if that is not known.
    """
    marks = [mark[1][0] % 8 for mark in _RESTARTS.finditer(scan)]
    is_followed = parts and len(marks) >= parts and not _is_doubled(scan, len(marks) + 1 - parts)
    if not is_followed and surplus > _SURPLUS and len(set(scan[-surplus:])) > _PADDING:
        return True
    needed = marks[: parts - 1] if is_followed else marks
    return needed != [number % 8 for number in range(len(needed))]


def _is_doubled(scan: bytes, more: int) -> bool:
    """Whether so many more parts than there should be are there since some were written twice.

    The marks behind these are in order if they are a multiple of eight. Otherwise, and where none is as one before, a
    scanner has gone on behind the last row of its picture.
    """
    parts = _RESTARTS.split(scan)[::2]
    return more % 8 == 0 and any(
        part == other and len(set(part)) > _PADDING for part, other in zip(parts, parts[more:], strict=False)
    )
