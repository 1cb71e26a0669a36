"""Image decoding: any image becomes the square that a CLIP model takes, or is refused with an explanation."""

import io

import numpy as np
import pytest
from PIL import Image

from embedded.images import BOMB_SIDE, make_odd_images, make_photos
from ingest.common.errors import ObjectError
from ingest.common.objects import PARTLY_READ
from ingest.common.square import Square
from ingest.image.decoder import SUFFIXES, crop_to_square, read_image
from ingest.image.loading import EXTERNAL_FORMATS
from ingest.image.opening import prepare_images
from ingest.image.picture import to_rgb

SQUARE = Square(64)
MAX_PIXELS = 200_000_000
ODD = make_odd_images()


@pytest.fixture(scope="module", autouse=True)
def decoders():
    prepare_images()


def pixels(picture, square=SQUARE):
    return np.frombuffer(picture.pixels, np.uint8).reshape(-1, square.size, square.size, 3)[0]


def saved(image, kind="PNG", **options):
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


@pytest.mark.parametrize("name", [name for name, odd in ODD.items() if odd.shown])
def test_the_size_of_an_odd_image_is_its_displayed_size(name):
    picture = read_image(ODD[name].data, SQUARE, MAX_PIXELS)
    assert (picture.width, picture.height) == ODD[name].shown
    assert pixels(picture).shape == (64, 64, 3)


@pytest.mark.parametrize(
    "name", ["turned-by-exif.jpg", "cmyk.jpg", "photo.webp", "photo.avif", "photo.heic", "scan.tif"]
)
def test_the_same_photo_in_another_format_has_the_same_pixels(name):
    photo = pixels(read_image(ODD["progressive.jpg"].data, SQUARE, MAX_PIXELS)).astype(int)
    assert np.abs(pixels(read_image(ODD[name].data, SQUARE, MAX_PIXELS)) - photo).mean() < 8


def test_sixteen_bit_values_are_scaled_not_clipped():
    deep, gray = (pixels(read_image(ODD[name].data, SQUARE, MAX_PIXELS)) for name in ("sixteen-bits.png", "gray.jpg"))
    assert np.abs(deep.astype(int) - gray).mean() < 8


@pytest.mark.parametrize(("low", "high"), [(0, 1), (0, 255), (0, 65535), (-1000, 70000)])
def test_float_values_are_scaled_from_their_nominal_range(low, high):
    ramp = np.linspace(low, high, 64, dtype=np.float32)[None].repeat(64, 0)
    shown = np.asarray(to_rgb(Image.fromarray(ramp)))[0, :, 0]
    assert (shown[0], shown[-1]) == (0, 255)
    assert (np.diff(shown.astype(int)) >= 0).all()


def test_transparent_pixels_are_white():
    clear = Image.new("RGBA", (80, 80), (0, 0, 0, 0))
    assert (pixels(read_image(saved(clear), SQUARE, MAX_PIXELS)) == 255).all()


def test_the_first_frame_of_an_animation_is_used():
    first, second = Image.new("RGB", (80, 80), "red"), Image.new("RGB", (80, 80), "blue")
    data = saved(first, "GIF", save_all=True, append_images=[second])
    picture = read_image(data, SQUARE, MAX_PIXELS)
    assert pixels(picture)[32, 32].tolist() == [255, 0, 0]
    assert picture.metadata["frames"] == 2


@pytest.mark.parametrize(("pages", "words"), [(1, None), (2, "its other page "), (3, "its 2 other pages")])
def test_pages_of_a_tiff_that_no_search_finds_are_named(pages, words):
    first, *others = (Image.new("L", (80, 80), 50 * number) for number in range(pages))
    picture = read_image(saved(first, "TIFF", save_all=True, append_images=others), SQUARE, MAX_PIXELS)
    assert picture.metadata.get(PARTLY_READ, "")[: len(words or "")] == (words or "")
    assert (PARTLY_READ in picture.metadata) == (pages > 1)
    assert (pixels(picture) == 0).all()


def test_a_smaller_copy_in_a_tiff_is_no_page_that_is_missing():
    first, copy = Image.new("L", (80, 80), 90), Image.new("L", (20, 20), 90)
    copy.encoderinfo = {"tiffinfo": {254: 1}}
    picture = read_image(saved(first, "TIFF", save_all=True, append_images=[copy]), SQUARE, MAX_PIXELS)
    assert picture.metadata["frames"] == 2
    assert PARTLY_READ not in picture.metadata


@pytest.mark.parametrize("kind", ["GIF", "PNG", "WEBP"])
def test_an_animation_that_begins_with_a_transparent_frame_shows_the_next_one(kind):
    empty, red = Image.new("RGBA", (80, 80)), Image.new("RGBA", (80, 80), "red")
    data = saved(empty, kind, save_all=True, append_images=[red], duration=100)
    assert np.abs(pixels(read_image(data, SQUARE, MAX_PIXELS))[32, 32].astype(int) - [255, 0, 0]).max() < 8


def test_an_animation_without_any_content_is_white():
    empty = Image.new("RGBA", (80, 80))
    mark = Image.new("RGBA", (80, 80), (255, 0, 0, 0))
    data = saved(empty, "PNG", save_all=True, append_images=[mark], duration=100)
    assert (pixels(read_image(data, SQUARE, MAX_PIXELS)) == 255).all()


def test_a_float_map_in_colour_is_decoded():
    ramp = np.linspace(0, 1, 64, dtype=np.float32)[None, :, None].repeat(64, 0).repeat(3, 2) * [1, 0, 0]
    shown = pixels(read_image(b"PF\n64 64\n-1.0\n" + ramp.astype("<f4").tobytes(), SQUARE, MAX_PIXELS))[32]
    assert shown[0].tolist() == [0, 0, 0]
    assert shown[63].tolist() == [255, 0, 0]


def test_metadata_includes_camera_and_time():
    exif = Image.Exif()
    exif[0x010F], exif[0x0110] = "Maker", "Model 1"
    exif.get_ifd(0x8769)[0x9003] = "2026:01:02 03:04:05"
    picture = read_image(saved(Image.new("RGB", (80, 80)), "JPEG", exif=exif), SQUARE, MAX_PIXELS)
    assert picture.metadata == {
        "format": "JPEG", "mode": "RGB", "camera": "Maker Model 1", "taken": "2026:01:02 03:04:05",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("name", "error_type", "words"),
    [
        ("bomb.png", "TooManyPixels", f"{BOMB_SIDE} x {BOMB_SIDE} pixels, over the limit of 200 million"),
        ("truncated.jpg", "Damaged", "cannot be decoded"),
        ("header-only.png", "Damaged", "cannot be decoded"),
        ("empty.jpg", "Empty", "the file is empty"),
        ("text-named.jpg", "NotAnImage", "this is not an image"),
    ],
)
def test_a_bad_file_is_refused_with_an_explanation(name, error_type, words):
    with pytest.raises(ObjectError) as caught:
        read_image(ODD[name].data, SQUARE, MAX_PIXELS)
    assert (caught.value.failure.stage, caught.value.failure) == ("parse", error_type)
    assert words in caught.value.message


def test_a_format_that_needs_another_program_is_refused():
    postscript = saved(Image.new("RGB", (20, 20)), "EPS")
    with pytest.raises(ObjectError, match="the image is in PostScript, which is not supported"):
        read_image(postscript, SQUARE, MAX_PIXELS)


def test_every_suffix_is_of_a_format_that_pillow_decodes_by_itself():
    formats = {Image.EXTENSION.get(suffix) for suffix in SUFFIXES}
    assert None not in formats
    assert not formats & EXTERNAL_FORMATS


def test_the_error_records_the_limit():
    with pytest.raises(ObjectError) as caught:
        read_image(saved(Image.new("RGB", (20, 20))), SQUARE, 399)
    assert caught.value.limit == 399
    assert read_image(saved(Image.new("RGB", (20, 20))), SQUARE, 400).width == 20


@pytest.mark.nightly
@pytest.mark.parametrize("size", [(480, 320), (33, 500), (224, 224), (301, 200), (90, 100)])
@pytest.mark.parametrize("square", [Square(64), Square(64, squash=True), Square(48, bilinear=True)])
def test_the_crop_equals_that_of_open_clip(size, square):
    from open_clip.transform import image_transform

    photo = Image.open(io.BytesIO(make_photos()["cat.jpg"])).resize(size)
    transform = image_transform(
        square.size, is_train=False, mean=(0, 0, 0), std=(1, 1, 1),
        resize_mode="squash" if square.squash else "shortest",
        interpolation="bilinear" if square.bilinear else "bicubic",
    )  # fmt: skip
    theirs = (transform(photo).permute(1, 2, 0).numpy() * 255).round().astype(np.uint8)
    assert (np.asarray(crop_to_square(photo, square)) == theirs).all()


def test_a_large_photo_decoded_at_a_small_scale_looks_the_same():
    photo = Image.open(io.BytesIO(make_photos()["palace.jpg"])).resize((2400, 1600))
    drafted = pixels(read_image(saved(photo, "JPEG", quality=95), SQUARE, MAX_PIXELS)).astype(int)
    assert np.abs(drafted - np.asarray(crop_to_square(photo, SQUARE))).mean() < 2


def test_a_photo_whose_size_no_scale_divides_is_not_stretched():
    photo = Image.open(io.BytesIO(make_photos()["palace.jpg"])).resize((2401, 1603))
    data = saved(photo, "JPEG", quality=95)
    whole = np.asarray(crop_to_square(Image.open(io.BytesIO(data)), SQUARE), int)
    assert np.abs(pixels(read_image(data, SQUARE, MAX_PIXELS)) - whole).mean() < 0.6
