"""Reads what a Photoshop file says about its merged picture (Adobe Photoshop File Formats Specification)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress

_SECTIONS = 26
"""The place of the first section, which is that of colours; resources follow it, and layers."""

_PREVIEW, _VERSION = 1036, 1057
"""Resources: a thumbnail, whose JPEG begins behind a header, and a byte that says whether there is a merged picture."""

_PREVIEW_HEADER = 28


def has_merged_alpha(data: bytes) -> bool:
    """Whether the fourth channel of a Photoshop file is the transparency of its picture, and not a saved selection.

    The number of layers is negative then ("Layer info").
    """
    at = _behind(data, _behind(data, _SECTIONS))
    return (
        int.from_bytes(data[at : at + 4], "big") > 6 and int.from_bytes(data[at + 8 : at + 10], "big", signed=True) < 0
    )


def is_unmerged(data: bytes) -> bool:
    """Whether the file says that it was saved without its merged picture, in place of which it holds white."""
    return dict(_resources(data)).get(_VERSION, b"")[4:5] == b"\0"


def preview(data: bytes) -> bytes:
    """The JPEG of the thumbnail of an unmerged file; b"" if there is none."""
    found = dict(_resources(data)) if data.startswith(b"8BPS") and is_unmerged(data) else {}
    return found.get(_PREVIEW, b"")[_PREVIEW_HEADER:]


def _behind(data: bytes, at: int) -> int:
    return at + 4 + int.from_bytes(data[at : at + 4], "big")


def _resources(data: bytes) -> Iterator[tuple[int, bytes]]:
    """The numbers and contents of the resources, as far as they go."""
    at = _behind(data, _SECTIONS) + 4
    end = _behind(data, at - 4)
    with suppress(IndexError):
        while at < end and data[at : at + 4] == b"8BIM":
            name = data[at + 6] // 2 * 2 + 2  # bytes of its length and its characters, to an even number
            size = int.from_bytes(data[at + 6 + name : at + 10 + name], "big")
            start = at + 10 + name
            yield int.from_bytes(data[at + 4 : at + 6], "big"), data[start : start + size]
            at = start + size + size % 2
