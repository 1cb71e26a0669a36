"""A picture whose pixels are no squares is seen as viewers show it."""

import io

import numpy as np
import pytest
from PIL import Image, ImageDraw

from ingest.common.square import Square
from ingest.image.decoder import read_image
from ingest.image.opening import open_picture, prepare_images

INCH, CENTIMETRE, NONE = 2, 3, 1


@pytest.fixture(scope="module", autouse=True)
def decoders():
    prepare_images()


def circle(width, height, across, down):
    """A black ring in the middle of a white page, which is round on paper."""
    image = Image.new("L", (width, height), 255)
    x, y, radius = width / 2, height / 2, min(width / across, height / down) / 3
    box = (x - radius * across, y - radius * down, x + radius * across, y + radius * down)
    ImageDraw.Draw(image).ellipse(box, fill=0)
    return image


def tiff(image, across, down, unit=INCH, orientation=1, compression="raw"):
    file = io.BytesIO()
    image = image.convert("1") if compression.startswith("group") else image
    tags = {282: float(across), 283: float(down), 296: unit, 274: orientation}
    image.save(file, "TIFF", compression=compression, tiffinfo=tags)
    return file.getvalue()


def proportion(data, size=224):
    """The width of what is dark in the square divided by its height."""
    decoded = read_image(data, Square(size), 1 << 24)
    dark = np.frombuffer(decoded.pixels, np.uint8).reshape(-1, size, size, 3)[0, :, :, 0] < 128
    return np.ptp(np.flatnonzero(dark.any(0))) / np.ptp(np.flatnonzero(dark.any(1)))


@pytest.mark.parametrize(
    ("across", "down", "unit"),
    [(204, 98, INCH), (204, 196, INCH), (204, 391, INCH), (80, 38.5, CENTIMETRE), (600, 300, INCH), (100, 200, INCH)],
)
@pytest.mark.parametrize("compression", ["raw", "group3", "group4"])
def test_a_circle_on_a_fax_is_round(across, down, unit, compression):
    height = round(700 * down / across)
    data = tiff(circle(864, height, across, down), across, down, unit, compression=compression)
    assert proportion(data) == pytest.approx(1, abs=0.03)
    picture = open_picture(data, 1 << 24, 224)
    assert (picture.width, picture.height) == (864, height)


@pytest.mark.parametrize("orientation", [3, 6, 8])
def test_a_fax_that_is_turned_is_scaled_in_the_direction_of_its_lines(orientation):
    assert proportion(tiff(circle(864, 600, 204, 98), 204, 98, orientation=orientation)) == pytest.approx(1, abs=0.03)


@pytest.mark.parametrize(
    ("across", "down", "unit"),
    [(1, 0.5625, INCH), (1, 0.5625, NONE), (204, 98, NONE), (300, 0, INCH), (0, 300, INCH), (300, 3, INCH),
     (72, 600, INCH), (30000, 60000, INCH), (300, 299, INCH), (204, 98, 7)],
)  # fmt: skip
def test_resolutions_that_no_scanner_has_are_not_believed(across, down, unit):
    assert proportion(tiff(circle(300, 200, 1, 1), across, down, unit)) == pytest.approx(1, abs=0.03)


@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
def test_browsers_show_each_pixel_of_jpeg_and_png_as_a_square(kind):
    file = io.BytesIO()
    circle(300, 200, 1, 1).save(file, kind, dpi=(200, 100))
    assert proportion(file.getvalue()) == pytest.approx(1, abs=0.03)


def test_a_long_fax_is_seen_along_its_length_on_paper():
    data = tiff(circle(1728, 3000, 204, 98), 204, 98)
    assert len(read_image(data, Square(32), 1 << 24).pixels) == 4 * 32 * 32 * 3
