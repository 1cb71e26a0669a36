"""A picture that is white on a transparent ground is shown on black, all others on white."""

import io

import numpy as np
import pytest
from PIL import Image, ImageDraw

from ingest.image.opening import open_picture, prepare_images
from ingest.image.picture import NO_LIMIT


@pytest.fixture(scope="module", autouse=True)
def decoders():
    prepare_images()


def logo(colour, ground=(0, 0, 0, 0)):
    """A ring with soft edges."""
    mask = Image.new("L", (640, 640))
    ImageDraw.Draw(mask).ellipse((80, 80, 560, 560), outline=255, width=80)
    image = Image.new("RGBA", mask.size, ground)
    image.paste(colour, mask=mask)
    return image.resize((160, 160))


def palette(image):
    indexed = Image.fromarray((np.asarray(image)[..., 3] > 127).astype(np.uint8))
    indexed.putpalette([0, 0, 0, *np.asarray(image)[80, 30, :3].tolist()])
    return indexed


FORMS = {
    "RGBA": lambda image: (image, "PNG", {}),
    "LA": lambda image: (image.convert("LA"), "PNG", {}),
    "palette": lambda image: (palette(image), "PNG", {"transparency": 0}),
    "GIF": lambda image: (palette(image), "GIF", {"transparency": 0}),
    "lossless WebP": lambda image: (image, "WEBP", {"lossless": True}),
    "WebP": lambda image: (image, "WEBP", {"quality": 60}),
    "AVIF": lambda image: (image, "AVIF", {"quality": 60}),
    "TIFF": lambda image: (image, "TIFF", {}),
    "ICO": lambda image: (image, "ICO", {"sizes": [image.size]}),
}


def shown(image, form="RGBA"):
    image, kind, options = FORMS[form](image)
    file = io.BytesIO()
    image.save(file, kind, **options)
    return np.asarray(open_picture(file.getvalue(), NO_LIMIT, 64).image)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("ground", [(0, 0, 0, 0), (255, 255, 255, 0)], ids=["on zeros", "on white"])
def test_a_white_picture_on_a_transparent_ground_is_shown_on_black(form, ground):
    found = shown(logo((255, 255, 255), ground), form)
    assert found[80, 80].max() < 8
    assert found[80, 30].min() > 247


@pytest.mark.parametrize("form", FORMS)
def test_a_dark_picture_on_a_transparent_ground_is_shown_on_white(form):
    found = shown(logo((40, 40, 40)), form)
    assert found[80, 80].min() > 247
    assert found[80, 30].max() < 60


def test_white_with_a_word_in_colour_is_shown_on_white():
    image = logo((255, 255, 255))
    image.paste((200, 30, 30, 255), (60, 70, 100, 90))
    assert shown(image)[5, 5].tolist() == [255, 255, 255]


@pytest.mark.parametrize("opacity", [0, 255])
def test_a_picture_that_is_clear_or_opaque_everywhere_stays_white(opacity):
    assert (shown(Image.new("RGBA", (64, 64), (255, 255, 255, opacity))) == 255).all()
