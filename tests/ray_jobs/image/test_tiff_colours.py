"""TIFFs of more than eight bits, and JPEG 2000, are shown in the colours that their tags say, or not at all."""

import io

import cv2
import numpy as np
import pytest

from embedded.images import photo
from embedded.tiffs import tiff
from ingest.common.errors import ObjectError
from ingest.image.opencv import decode_with_opencv
from ingest.image.opening import open_picture, prepare_images

COLOUR = np.asarray(photo("cat.jpg", 96))
GREY = np.asarray(photo("cat.jpg", 96).convert("L"))
PHOTOMETRIC, EXTRA = 262, 338
LIMIT = 1 << 20

ALPHA = np.full(GREY.shape, 255, np.uint8)
ALPHA[:, :32], ALPHA[:, 32:64] = 0, 128
SHARE = ALPHA[:, :, None] / 255
ON_WHITE = COLOUR * SHARE + 255 * (1 - SHARE)
ALPHAS = {"premultiplied": 1, "straight": 2}


@pytest.fixture(scope="module", autouse=True)
def decoders():
    prepare_images()


def likeness(picture, expected):
    """The correlation with what is expected."""
    shown = np.asarray(picture.image, float)
    expected = np.dstack([expected] * 3) if expected.ndim == 2 else expected
    return np.corrcoef(shown.ravel(), expected.ravel())[0, 1]


INVERTED = {
    "16 bits": (255 - GREY).astype(np.uint16) * 257,
    "12 bits in 16": (255 - GREY).astype(np.uint16) * 16,
    "32 bits": (255 - GREY).astype(np.uint32) * 16843009,
    "signed": (255 - GREY).astype(np.int16) * 100 - 9000,
    "float": 1 - GREY / np.float32(255),
    "double": 255 - GREY / 1.0,
    "8 bits": 255 - GREY,
    "8 bits, signed": (127 - GREY.astype(int)).astype(np.int8),
}


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("kind", INVERTED)
def test_an_x_ray_whose_zero_is_white_is_no_negative(kind, order):
    assert likeness(open_picture(tiff(INVERTED[kind], {PHOTOMETRIC: 0}, order), LIMIT, 64), GREY) > 0.98


def test_a_pixel_without_a_number_is_black_also_where_zero_is_white():
    values = INVERTED["float"].copy()
    values[0] = np.nan
    assert not np.asarray(open_picture(tiff(values, {PHOTOMETRIC: 0}), LIMIT, 64).image)[0].any()


@pytest.mark.parametrize(("photometric", "kind"), [(8, np.float32), (9, np.float32), (10, np.float32), (10, np.uint16)])
def test_cielab_of_floats_or_of_itu_fails_with_advice(photometric, kind):
    with pytest.raises(
        ObjectError, match="CIELAB in a form that is not supported; export it as an ordinary JPEG or PNG"
    ) as caught:
        open_picture(tiff(COLOUR.astype(kind), {PHOTOMETRIC: photometric}), LIMIT, 64)
    assert caught.value.failure == "UnsupportedImage"


def test_a_jpeg_2000_in_cielab_fails_with_advice():
    file = io.BytesIO()
    photo("cat.jpg", 96).save(file, "JPEG2000")
    srgb, cielab = b"colr\1\0\0\0\0\0\x10", b"colr\1\0\0\0\0\0\x0e"
    assert srgb in file.getvalue()
    with pytest.raises(ObjectError, match="CIELAB, which is not supported; export it as an ordinary JPEG or PNG"):
        open_picture(file.getvalue().replace(srgb, cielab), LIMIT, 64)


@pytest.mark.parametrize("alpha", ALPHAS)
@pytest.mark.parametrize("dtype", [np.uint16, np.uint32, np.float32])
@pytest.mark.parametrize("dark", [1, 16])
def test_transparent_pixels_are_white(alpha, dtype, dark):
    colours = COLOUR * SHARE if alpha == "premultiplied" else COLOUR
    full = 1 if dtype is np.float32 else np.iinfo(dtype).max
    values = (np.dstack([colours / dark, ALPHA]) / 255 * full).astype(dtype)
    assert likeness(open_picture(tiff(values, {EXTRA: ALPHAS[alpha]}), LIMIT, 64), ON_WHITE) > 0.95


@pytest.mark.parametrize("dtype", [np.uint16, np.uint32, np.float32])
def test_a_channel_that_is_no_alpha_makes_nothing_transparent(dtype):
    values = np.dstack([COLOUR, ALPHA]).astype(dtype) * (16 if dtype is np.uint16 else 1)
    assert likeness(open_picture(tiff(values, {EXTRA: 0}), LIMIT, 64), COLOUR) > 0.98


def test_opencv_premultiplies_eight_bits_by_itself():
    values = np.dstack([COLOUR, ALPHA])
    data = tiff(values, {EXTRA: ALPHAS["straight"]})
    assert not cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)[:, :32].any()
    assert np.abs(np.asarray(decode_with_opencv(data, LIMIT).image) - ON_WHITE).max() <= 2


def test_a_fourth_channel_without_a_name_is_no_transparency():
    """It is infrared light in aerial photos."""
    infrared = np.dstack([COLOUR, np.zeros(GREY.shape, np.uint8)])
    assert likeness(open_picture(tiff(infrared, {}), LIMIT, 64), COLOUR) > 0.98


@pytest.mark.parametrize("scale", [1, 257])
def test_the_palette_of_a_tiff_ends_at_255_or_at_65535(scale):
    colours = np.array([(200, 30, 30), (30, 160, 40), (40, 60, 200), (235, 235, 235)])
    indices = np.arange(4, dtype=np.uint8).reshape(2, 2).repeat(32, 0).repeat(32, 1)
    palette = np.zeros((3, 256), int)
    palette[:, :4] = colours.T * scale
    shown = np.asarray(open_picture(tiff(indices, {PHOTOMETRIC: 3, 320: palette.ravel().tolist()}), LIMIT, 64).image)
    assert np.abs(shown - colours[indices]).max() <= 1
