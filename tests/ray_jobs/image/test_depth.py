"""Values of more than eight bits: the data decides how bright they are shown, and noise stays dark."""

import io

import cv2
import numpy as np
import pytest
from PIL import Image

from embedded.images import photo
from ingest.common.square import Square
from ingest.image.decoder import read_image
from ingest.image.opening import prepare_images
from ingest.image.picture import to_rgb

SQUARE = Square(64)
COLOUR = np.asarray(photo("cat.jpg", 128))
GREY = np.asarray(photo("cat.jpg", 128).convert("L"))


@pytest.fixture(scope="module", autouse=True)
def decoders():
    prepare_images()


def saved(values, kind, **options):
    file = io.BytesIO()
    Image.fromarray(values).save(file, kind, **options)
    return file.getvalue()


def encoded(values, suffix):
    return cv2.imencode(suffix, values[..., ::-1] if values.ndim == 3 else values)[1].tobytes()


def in_bits(values, bits):
    return (values.astype(np.uint32) * ((1 << bits) - 1) // 255).astype(np.uint16)


def shown(data):
    return np.frombuffer(read_image(data, SQUARE, 1 << 30).pixels, np.uint8).reshape(64, 64, 3)


def likeness(data, values=GREY):
    """The correlation of what is shown with an 8-bit picture."""
    expected = shown(saved(values, "PNG"))
    return np.corrcoef(shown(data).ravel(), expected.ravel())[0, 1]


FORMS = {
    "png": lambda values: saved(values, "PNG"),
    "tiff": lambda values: saved(values, "TIFF"),
    "tiff of motorola": lambda values: saved(values.astype(">u2"), "TIFF"),
    "jpeg 2000": lambda values: saved(values, "JPEG2000"),
    "pgm": lambda values: b"P5 %d %d 65535\n" % values.shape[::-1] + values.astype(">u2").tobytes(),
    "signed tiff": lambda values: encoded(values.astype(np.int32), ".tiff"),
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("bits", [9, 10, 12, 14])
def test_few_bits_in_sixteen_are_as_bright_as_in_eight(form, bits):
    data = FORMS[form](in_bits(GREY, bits))
    assert shown(data).max() > 200
    assert likeness(data) > 0.99


@pytest.mark.parametrize("suffix", [".png", ".tiff", ".ppm"])
@pytest.mark.parametrize("bits", [10, 12, 14])
def test_few_bits_in_sixteen_of_each_colour_are_as_bright_as_in_eight(suffix, bits):
    data = encoded(in_bits(COLOUR, bits), suffix)
    assert shown(data).max() > 200
    assert likeness(data, COLOUR) > 0.99


def test_sixteen_bits_of_which_all_are_used_are_not_stretched():
    assert np.abs(shown(saved(GREY.astype(np.uint16) * 257, "PNG")).astype(int) - shown(saved(GREY, "PNG"))).max() <= 1


@pytest.mark.parametrize("dark", [np.zeros((96, 96)), np.full((96, 96), 700), "noise"])
def test_a_dark_photo_without_a_picture_stays_dark(dark):
    values = np.random.default_rng(1).normal(300, 80, (96, 96)) if isinstance(dark, str) else dark
    assert shown(saved(values.astype(np.uint16), "PNG")).max() < 10


def test_a_dark_photo_of_eight_bits_stays_dark_in_sixteen():
    dark = GREY // 24
    assert np.abs(shown(saved(dark.astype(np.uint16) * 257, "PNG")).astype(int) - shown(saved(dark, "PNG"))).max() <= 1


@pytest.mark.parametrize("mark", [0, 65535])
def test_pixels_without_data_do_not_count(mark):
    values = 20_000 + GREY.astype(np.uint16) * 10  # such as temperatures
    values[:20, :20] = mark
    data = saved(values, "PNG")
    assert likeness(data) > 0.8
    assert shown(data)[20:].min() < 50
    assert shown(data)[20:].max() > 200


def test_the_transparent_value_of_a_grey_png_of_sixteen_bits_shows_white():
    values = np.maximum(GREY, 9).astype(np.uint16) * 257
    values[:40] = 0
    assert shown(saved(values, "PNG", transparency=0))[:20].min() > 250
    assert shown(saved(values, "PNG"))[:20].max() < 5


REAL = GREY / np.float32(255)


@pytest.mark.parametrize(
    "values",
    [REAL, REAL * 255, REAL * 65535, REAL * 1e-7, REAL * 1e12 - 5e11, REAL - 0.5, np.where(REAL > 0.7, np.nan, REAL),
     np.where(REAL > 0.7, np.inf, REAL), np.where(REAL < 0.1, -9999, REAL * 500),
     np.where(REAL < 0.1, np.float32(-3.4e38), REAL * 500), GREY.astype(np.int32) * 70_000 - 100],
)  # fmt: skip
def test_a_picture_of_floats_or_large_integers_is_shown(values):
    data = saved(values if values.dtype == np.int32 else values.astype(np.float32), "TIFF")
    assert likeness(data) > 0.85
    assert shown(data).max() > 170


@pytest.mark.parametrize(
    "values", [COLOUR / np.float32(255), COLOUR / 255.0, COLOUR.astype(np.float32), COLOUR.astype(np.uint32) * 16843009]
)
def test_a_tiff_whose_colours_are_not_of_eight_or_sixteen_bits_is_shown(values):
    assert likeness(encoded(values, ".tiff"), COLOUR) > 0.99


def test_an_image_without_one_number_is_black():
    assert not shown(saved(np.full((80, 80), np.nan, np.float32), "TIFF")).any()


def test_colours_of_another_profile_are_shown_in_srgb():
    from PIL import ImageCms

    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    swapped = profile.replace(b"\0s\0R\0G\0B", b"\0x\0R\0G\0B")
    swapped = swapped.replace(b"rXYZ", b"????").replace(b"bXYZ", b"rXYZ").replace(b"????", b"bXYZ")
    image = Image.new("RGB", (8, 8), (200, 40, 40))
    image.info["icc_profile"] = swapped
    red, _, blue = to_rgb(image).getpixel((0, 0))
    assert blue > 190 and red < 50
    image.info["icc_profile"] = b"broken"
    assert to_rgb(image).getpixel((0, 0)) == (200, 40, 40)


def test_a_tga_whose_alpha_nobody_set_is_opaque():
    file = io.BytesIO()
    Image.new("RGBA", (8, 8), (200, 40, 40, 0)).save(file, "TGA")
    assert to_rgb(Image.open(file)).getpixel((0, 0)) == (200, 40, 40)
