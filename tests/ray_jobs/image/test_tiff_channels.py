"""TIFFs with more channels than colours are shown in their colours."""

import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from embedded.images import photo
from embedded.tiffs import described, directory, tiff
from ingest.image.opening import open_picture, prepare_images

PHOTOMETRIC, PREDICTOR, EXTRA = 262, 317, 338
LIMIT = 1 << 20

PHOTO = photo("cat.jpg", 96)
RGB, GREY = np.asarray(PHOTO), np.asarray(PHOTO.convert("L"))
INK = np.dstack([255 - RGB, np.zeros(GREY.shape, np.uint8)])
KINDS = {"CMYK": (5, INK, RGB), "RGB": (2, RGB, RGB), "grey": (1, GREY, GREY), "inverted": (0, 255 - GREY, GREY)}
FULL = np.full(GREY.shape, 255, np.uint8)


@pytest.fixture(scope="module", autouse=True)
def decoders():
    prepare_images()


def planes(values, more, order):
    """A TIFF with a plane for each channel."""
    count = values.shape[2]
    data = np.ascontiguousarray(values.transpose(2, 0, 1)).astype(values.dtype.newbyteorder(order)).tobytes()
    size = len(data) // count
    tags = {**described(values, 8, more), 273: [8 + size * index for index in range(count)], 279: [size] * count}
    header = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(f"{order}I", 8 + len(data))
    return header + data + directory({**tags, 284: 2}, 8 + len(data), order)


def difference(data, expected):
    shown = np.asarray(open_picture(data, LIMIT, 64).image).astype(int)
    expected = np.dstack([expected] * 3) if expected.ndim == 2 else expected
    return np.abs(shown - expected).max()


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("count", [1, 2, 3])
@pytest.mark.parametrize("extra", [None, 0, 1, 2])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("made", [tiff, planes])
def test_further_channels_do_not_change_the_colours(made, kind, extra, count, order):
    photometric, values, expected = KINDS[kind]
    more = {PHOTOMETRIC: photometric} | ({} if extra is None else {EXTRA: [extra] + [0] * (count - 1)})
    assert difference(made(np.dstack([values, *[FULL] * count]), more, order), expected) <= 2


@pytest.mark.parametrize("kind", ["CMYK", "RGB"])
@pytest.mark.parametrize("made", [tiff, planes])
def test_many_further_channels_do_not_change_the_colours(made, kind):
    photometric, values, expected = KINDS[kind]
    data = made(np.dstack([values, *[FULL] * 9]), {PHOTOMETRIC: photometric, EXTRA: [0] * 9}, "<")
    assert difference(data, expected) <= 2


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("extra", [None, 0, 1, 2])
@pytest.mark.parametrize("kind", KINDS)
def test_further_channels_of_sixteen_bits_do_not_change_the_colours(kind, extra, order):
    photometric, values, expected = KINDS[kind]
    more = {PHOTOMETRIC: photometric} | ({} if extra is None else {EXTRA: [extra, 0]})
    deep = np.dstack([values, FULL, FULL]).astype(np.uint16) * 257
    data = tiff(deep, more, order)
    shown = np.asarray(open_picture(data, LIMIT, 64).image, float)
    expected = np.dstack([expected] * 3) if expected.ndim == 2 else expected
    assert np.corrcoef(shown.ravel(), expected.ravel())[0, 1] > 0.98


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("kind", ["16 bits", "floats"])
@pytest.mark.parametrize("channels", [3, 4])
def test_a_plane_of_more_than_eight_bits_for_each_colour_is_shown(kind, channels, order):
    values = RGB.astype(np.uint16) * 257 if kind == "16 bits" else RGB.astype(np.float32) / 255
    values = np.dstack([values, values[:, :, :1]])[:, :, :channels]
    shown = np.asarray(open_picture(planes(values, {EXTRA: 0} if channels > 3 else {}, order), LIMIT, 64).image, float)
    assert np.corrcoef(shown.ravel(), RGB.astype(float).ravel())[0, 1] > 0.98


LAB = np.array([[[53, 67, 55], [88, -86, 83]], [[32, 79, -108], [96, 0, 0]]]).repeat(32, 0).repeat(32, 1)
"""Red, green, blue and nearly white."""


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize(
    ("photometric", "scales", "offset", "kind"),
    [(8, (655.35, 256), 0, np.int16), (9, (652.8, 256), 128, np.uint16), (9, (2.55, 1), 128, np.uint8)],
)
def test_cielab_is_shown_in_its_colours(photometric, scales, offset, kind, order):
    lightness, colours = LAB[:, :, :1] * scales[0], (LAB[:, :, 1:] + offset) * scales[1]
    values = np.rint(np.dstack([lightness, colours])).astype(np.int64).astype(kind)
    shown = np.asarray(open_picture(tiff(values, {PHOTOMETRIC: photometric}, order), LIMIT, 64).image)
    assert [int(shown[row, column].argmax()) for row, column in ((9, 9), (9, 50), (50, 9))] == [0, 1, 2]
    assert shown[50, 50].min() > 230


def test_transparency_beside_further_channels_shows_white():
    alpha = FULL.copy()
    alpha[:, :48] = 0
    values = np.dstack([RGB, alpha, *[FULL] * 5])
    shown = np.asarray(open_picture(tiff(values, {EXTRA: [2, 0, 0, 0, 0, 0]}), LIMIT, 64).image)
    assert (shown[:, :48] == 255).all()
    assert (shown[:, 48:] == RGB[:, 48:]).all()


def test_pixels_that_are_stored_as_differences_are_added_up():
    values = np.dstack([INK, FULL])
    stored = values.copy()
    stored[:, 1:] -= values[:, :-1]
    assert difference(deflated(stored, {PHOTOMETRIC: 5, EXTRA: 1, PREDICTOR: 2}), RGB) <= 2


def deflated(values, more):
    """A TIFF with compressed pixels."""
    stream = zlib.compress(values.tobytes())
    start = 8 + len(stream) + len(stream) % 2
    tags = {**described(values, 8, more), 259: 8, 279: len(stream)}
    return b"II*\0" + struct.pack("<I", start) + stream.ljust(start - 8, b"\0") + directory(tags, start)


def test_a_picture_of_further_channels_is_upright():
    picture = open_picture(tiff(np.dstack([INK, FULL]), {PHOTOMETRIC: 5, EXTRA: 1, 274: 6}), LIMIT, 64)
    assert (picture.width, picture.height) == PHOTO.size[::-1]
    assert (np.asarray(picture.image) == np.asarray(PHOTO.transpose(Image.Transpose.ROTATE_270))).all()
