"""Images of every form become the square that a CLIP model takes, or are refused in a sentence."""

import io

import numpy as np
import pytest
from PIL import Image

from embedded.images import BOMB_SIDE, make_odd_images, make_photos
from ingest.common.errors import ObjectError
from ingest.common.square import Square
from ingest.image.decoder import FOREIGN, SUFFIXES, cut, prepare, read_image, to_rgb

SQUARE = Square(64)
MAX_PIXELS = 200_000_000
ODD = make_odd_images()


@pytest.fixture(scope="module", autouse=True)
def decoders():
    prepare()


def pixels(picture, square=SQUARE):
    return np.frombuffer(picture.pixels, np.uint8).reshape(square.size, square.size, 3)


def saved(image, kind="PNG", **options):
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


@pytest.mark.parametrize("name", [name for name, odd in ODD.items() if odd.shown])
def test_an_odd_image_is_read_with_the_size_that_it_is_looked_at_in(name):
    picture = read_image(ODD[name].data, SQUARE, MAX_PIXELS)
    assert (picture.width, picture.height) == ODD[name].shown
    assert pixels(picture).shape == (64, 64, 3)


@pytest.mark.parametrize(
    "name", ["turned-by-exif.jpg", "cmyk.jpg", "photo.webp", "photo.avif", "photo.heic", "scan.tif"]
)
def test_the_same_photo_in_another_form_gives_the_same_pixels(name):
    photo = pixels(read_image(ODD["progressive.jpg"].data, SQUARE, MAX_PIXELS)).astype(int)
    assert np.abs(pixels(read_image(ODD[name].data, SQUARE, MAX_PIXELS)) - photo).mean() < 8


def test_sixteen_bits_are_scaled_and_not_cut_off():
    deep, gray = (pixels(read_image(ODD[name].data, SQUARE, MAX_PIXELS)) for name in ("sixteen-bits.png", "gray.jpg"))
    assert np.abs(deep.astype(int) - gray).mean() < 8


@pytest.mark.parametrize(("low", "high"), [(0, 1), (0, 255), (0, 65535), (-1000, 70000)])
def test_floats_are_taken_in_the_range_that_they_seem_to_be_meant_in(low, high):
    ramp = np.linspace(low, high, 64, dtype=np.float32)[None].repeat(64, 0)
    shown = np.asarray(to_rgb(Image.fromarray(ramp)))[0, :, 0]
    assert (shown[0], shown[-1]) == (0, 255)
    assert (np.diff(shown.astype(int)) >= 0).all()


def test_what_is_transparent_is_white():
    clear = Image.new("RGBA", (80, 80), (0, 0, 0, 0))
    assert (pixels(read_image(saved(clear), SQUARE, MAX_PIXELS)) == 255).all()


def test_of_an_animation_the_first_frame_is_taken():
    first, second = Image.new("RGB", (80, 80), "red"), Image.new("RGB", (80, 80), "blue")
    data = saved(first, "GIF", save_all=True, append_images=[second])
    picture = read_image(data, SQUARE, MAX_PIXELS)
    assert pixels(picture)[32, 32].tolist() == [255, 0, 0]
    assert picture.metadata["frames"] == 2


def test_camera_and_time_are_in_the_metadata():
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
def test_what_is_no_image_is_refused_in_a_sentence(name, error_type, words):
    with pytest.raises(ObjectError) as caught:
        read_image(ODD[name].data, SQUARE, MAX_PIXELS)
    assert (caught.value.failure.stage, caught.value.failure) == ("parse", error_type)
    assert words in caught.value.message


def test_a_file_that_another_program_would_have_to_read_is_not_opened():
    postscript = saved(Image.new("RGB", (20, 20)), "EPS")
    with pytest.raises(ObjectError, match="this is not an image"):
        read_image(postscript, SQUARE, MAX_PIXELS)


def test_every_format_that_pillow_reads_by_itself_is_taken():
    formats = {Image.EXTENSION.get(suffix) for suffix in SUFFIXES}
    assert None not in formats
    assert not formats & FOREIGN


def test_the_limit_is_remembered_so_that_a_higher_one_tries_again():
    with pytest.raises(ObjectError) as caught:
        read_image(saved(Image.new("RGB", (20, 20))), SQUARE, 399)
    assert caught.value.limit == 399
    assert read_image(saved(Image.new("RGB", (20, 20))), SQUARE, 400).width == 20


@pytest.mark.parametrize("size", [(480, 320), (33, 500), (224, 224), (301, 200), (90, 100)])
@pytest.mark.parametrize("square", [Square(64), Square(64, squash=True), Square(48, bilinear=True)])
def test_a_photo_is_cut_as_open_clip_cuts_it(size, square):
    from open_clip.transform import image_transform

    photo = Image.open(io.BytesIO(make_photos()["cat.jpg"])).resize(size)
    transform = image_transform(
        square.size, is_train=False, mean=(0, 0, 0), std=(1, 1, 1),
        resize_mode="squash" if square.squash else "shortest",
        interpolation="bilinear" if square.bilinear else "bicubic",
    )  # fmt: skip
    theirs = (transform(photo).permute(1, 2, 0).numpy() * 255).round().astype(np.uint8)
    assert (np.asarray(cut(photo, square)) == theirs).all()


def test_a_strip_is_not_made_larger_than_what_is_left_of_it():
    strip = Image.linear_gradient("L").resize((30_000, 2)).convert("RGB")
    assert cut(strip, SQUARE).size == (64, 64)


def test_a_large_photo_is_decoded_small_and_looks_the_same():
    photo = Image.open(io.BytesIO(make_photos()["palace.jpg"])).resize((2400, 1600))
    drafted = pixels(read_image(saved(photo, "JPEG", quality=95), SQUARE, MAX_PIXELS)).astype(int)
    assert np.abs(drafted - np.asarray(cut(photo, SQUARE))).mean() < 2
