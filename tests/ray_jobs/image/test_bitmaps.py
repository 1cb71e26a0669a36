"""Bitmaps of Windows and OS/2 are shown whatever header and masks they have."""

import io
import struct

import numpy as np
import pytest

from embedded.images import photo
from ingest.common.errors import ObjectError
from ingest.common.objects import PARTLY_READ
from ingest.image.opening import open_picture, prepare_images

CAT = photo("cat.jpg", 96)
RGB = np.asarray(CAT)
LIMIT = 1 << 20
FULL = np.full(RGB.shape[:2], 255, np.uint8)
INDICES = (RGB[:, :, 0] > 128).astype(np.uint8) + 2 * (RGB[:, :, 2] > 96)
COLOURS = np.array([(20, 30, 40), (200, 30, 30), (30, 60, 200), (235, 235, 235)], np.uint8)
PALETTE = np.insert(COLOURS[:, ::-1], 3, 0, axis=1).tobytes()


@pytest.fixture(scope="module", autouse=True)
def decoders():
    prepare_images()


def bitmap(rows, bits, compression=0, header=40, behind=b"", palette=b"", height=0):
    """A bitmap; `behind` stands behind the fields that all headers have, or behind a header of these alone."""
    counts = (0, 0, 0, len(palette) // 4, 0)
    fields = struct.pack("<IiiHHIIiiII", header, RGB.shape[1], height or RGB.shape[0], 1, bits, compression, *counts)
    fields = fields[:header] + behind.ljust(max(header - 40, 0), b"\0")
    place = 14 + len(fields) + len(palette)
    return b"BM" + struct.pack("<IHHI", place + len(rows), 0, 0, place) + fields + palette + rows


def packed(values, masks, kind):
    """Pixels of channels that masks place, from the last row to the first, in rows of four bytes."""
    pixels = np.zeros(values.shape[:2], np.uint64)
    for channel, mask in zip(np.moveaxis(values, 2, 0), masks, strict=True):
        low = (mask & -mask).bit_length() - 1
        pixels |= np.rint(channel * ((mask >> low) / 255)).astype(np.uint64) << np.uint64(low)
    return pixels[::-1].astype(kind).tobytes()


def masks_of(*masks):
    return struct.pack("<4I", *(*masks, 0)[:4])


def difference(data, expected=RGB):
    picture = open_picture(data, LIMIT, 64)
    assert (picture.width, picture.height) == CAT.size
    return np.abs(np.asarray(picture.image).astype(int) - expected).max()


@pytest.mark.parametrize("header", [40, 52, 56, 108, 124])
@pytest.mark.parametrize(
    ("masks", "kind"),
    [
        ((0x3FF00000, 0xFFC00, 0x3FF), "<u4"),
        ((0xFF, 0xFF00, 0xFF0000), "<u4"),
        ((0xF800, 0x7E0, 0x1F), "<u2"),
        ((0xF00, 0xF0, 0xF), "<u2"),
        ((0x1F, 0x3E0, 0x7C00), "<u2"),
    ],
)
def test_masks_say_where_the_colours_are(masks, kind, header):
    bits = 8 * int(kind[-1])
    behind = masks_of(*masks)[: 12 if header == 40 else 16]
    assert difference(bitmap(packed(RGB, masks, kind), bits, 3, header, behind)) <= 255 / 15 / 2 + 1


@pytest.mark.parametrize(("compression", "header"), [(6, 40), (3, 56), (6, 56)])
def test_a_fourth_mask_is_transparency(compression, header):
    alpha = FULL.copy()
    alpha[:, :48] = 0
    masks = (0xFF0000, 0xFF00, 0xFF, 0xFF000000)
    rows = packed(np.dstack([RGB, alpha]), masks, "<u4")
    expected = RGB.copy()
    expected[:, :48] = 255
    assert difference(bitmap(rows, 32, compression, header, masks_of(*masks)), expected) == 0


@pytest.mark.parametrize("header", [16, 20, 24, 36, 64])
def test_a_header_of_os2_may_end_early(header):
    rows = np.ascontiguousarray(RGB[::-1, :, ::-1]).tobytes()
    assert difference(bitmap(rows, 24, header=header)) == 0


def test_two_bits_choose_among_four_colours():
    groups = INDICES[::-1].reshape(INDICES.shape[0], -1, 4)
    rows = np.zeros((INDICES.shape[0], 24), np.uint8)
    rows[:, : groups.shape[1]] = groups @ np.array([64, 16, 4, 1], np.uint8)
    assert difference(bitmap(rows.tobytes(), 2, palette=PALETTE), COLOURS[INDICES]) == 0


def test_a_negative_height_begins_with_the_first_row():
    rows = packed(RGB[::-1], (0x3FF00000, 0xFFC00, 0x3FF), "<u4")
    data = bitmap(rows, 32, 3, 56, masks_of(0x3FF00000, 0xFFC00, 0x3FF), height=-RGB.shape[0])
    assert difference(data) <= 1


@pytest.mark.parametrize(("kind", "compression"), [("JPEG", 4), ("PNG", 5)])
def test_an_embedded_file_is_shown(kind, compression):
    file = io.BytesIO()
    CAT.save(file, kind, quality=95)
    assert difference(bitmap(file.getvalue(), 0, compression)) <= (0 if kind == "PNG" else 60)


RUNS = b"".join(bytes((48, 1, 48, 2, 0, 0)) for _ in range(RGB.shape[0]))


@pytest.mark.parametrize(("bits", "compression"), [(8, 1), (4, 2)])
def test_runs_that_are_cut_off_are_shown_as_far_as_they_go(bits, compression):
    runs = RUNS if bits == 8 else RUNS.replace(b"\x30\1", b"\x30\x11").replace(b"\x30\2", b"\x30\x22")
    picture = open_picture(bitmap(runs[: len(runs) // 2], bits, compression, palette=PALETTE), LIMIT, 64)
    shown = np.asarray(picture.image)
    assert picture.metadata[PARTLY_READ].startswith("50% of the picture is missing")
    assert (shown[-9, 9] == COLOURS[1]).all()
    assert (shown[-9, 60] == COLOURS[2]).all()


def test_a_run_that_is_longer_than_its_row_is_no_loss():
    picture = open_picture(bitmap(b"\xff\3\0\0" * RGB.shape[0] + b"\0\1", 8, 1, palette=PALETTE), LIMIT, 64)
    assert PARTLY_READ not in picture.metadata
    assert (np.asarray(picture.image) == COLOURS[3]).all()


def test_a_limit_holds_for_bitmaps():
    with pytest.raises(ObjectError, match="over the limit"):
        open_picture(bitmap(b"", 24, header=16), 100, 64)


def test_an_unknown_compression_fails_with_advice():
    with pytest.raises(ObjectError) as caught:
        open_picture(bitmap(b"", 24, 11), LIMIT, 64)
    assert caught.value.failure == "UnsupportedImage"
