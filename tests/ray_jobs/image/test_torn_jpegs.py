"""JPEGs of which bytes were lost or replaced are named, although their decoder finds pixels in whatever it reads."""

import io
import re

import pytest
from PIL import Image, ImageDraw

from embedded.images import photo
from ingest.common.errors import ObjectError
from ingest.common.objects import PARTLY_READ
from ingest.common.square import Square
from ingest.image.decoder import read_image
from ingest.image.opening import prepare_images

CAT = photo("cat.jpg", 128)


@pytest.fixture(scope="module", autouse=True)
def decoders():
    prepare_images()


def saved(image, **options):
    file = io.BytesIO()
    image.save(file, "JPEG", **options)
    return file.getvalue()


def read(data):
    return read_image(data, Square(64), 1 << 23)


def screenshot():
    image = Image.new("RGB", (800, 600), "white")
    for top in range(10, 590, 20):
        ImageDraw.Draw(image).text((10, top), "The quick brown fox jumps over the lazy dog " * 2, fill=(60, 0, 0))
    return image


PICTURES = {
    "cat": lambda: photo("cat.jpg", 640), "coffee": lambda: photo("coffee.jpg", 900), "screenshot": screenshot,
    "palace": lambda: photo("palace.jpg", 2000),
}  # fmt: skip


@pytest.mark.parametrize("name", PICTURES)
@pytest.mark.parametrize("place", [0.3, 0.6, 0.9])
@pytest.mark.parametrize("loss", ["lost", "zeros"])
def test_a_jpeg_of_which_bytes_are_missing_is_read_in_part(name, place, loss):
    data = saved(PICTURES[name](), quality=90)
    start, length = int(place * len(data)), len(data) // 40
    rest = data[start + length :]
    assert PARTLY_READ in read(data[:start] + (bytes(length) if loss == "zeros" else b"") + rest).metadata


@pytest.mark.parametrize("place", [0.3, 0.5])
def test_a_jpeg_with_bytes_of_another_place_is_read_in_part(place):
    data = saved(PICTURES["palace"](), quality=90)
    start, length = int(place * len(data)), len(data) // 40
    assert PARTLY_READ in read(data[:start] + data[start - length : start] + data[start + length :]).metadata


def test_a_jpeg_with_restarts_that_lost_one_is_read_in_part():
    data = saved(PICTURES["cat"](), restart_marker_rows=1)
    start = data.index(b"\xff\xd3") - 8
    assert PARTLY_READ not in read(data).metadata
    assert PARTLY_READ in read(data[:start] + data[start + 16 :]).metadata


@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"restart_marker_blocks": 2}, {"subsampling": 0}])
@pytest.mark.parametrize("name", PICTURES)
def test_a_whole_jpeg_is_whole(name, options):
    assert PARTLY_READ not in read(saved(PICTURES[name](), **options)).metadata


@pytest.mark.parametrize("between", [bytes(500), b"\xff" * 500], ids=["zeros", "ones"])
def test_padding_behind_the_pixels_is_no_loss(between):
    data = saved(PICTURES["cat"]())
    assert PARTLY_READ not in read(data[:-2] + between + data[-2:]).metadata


@pytest.mark.parametrize("mode", ["RGB", "L"])
@pytest.mark.parametrize("subsampling", [0, 1, 2])
@pytest.mark.parametrize("rows", [1, 3, 8])
def test_rows_that_a_scanner_adds_behind_the_last_one_of_its_picture_are_no_loss(mode, subsampling, rows):
    image = PICTURES["cat"]().convert(mode)
    row = 16 if mode == "RGB" and subsampling == 2 else 8
    image = image.crop((0, 0, image.width, image.height // row * row))
    data = saved(image, restart_marker_rows=1, subsampling=subsampling)
    frame = data.index(b"\xff\xc0")
    height = (image.height - rows * row).to_bytes(2, "big")
    assert PARTLY_READ not in read(data[: frame + 5] + height + data[frame + 7 :]).metadata


@pytest.mark.parametrize("place", [0.3, 0.6])
@pytest.mark.parametrize("rows", [3, 8])
@pytest.mark.parametrize("inside", [0, 40], ids=["whole", "torn"])
def test_a_jpeg_with_restarts_of_which_rows_are_doubled_is_read_in_part(place, rows, inside):
    data = saved(PICTURES["cat"](), restart_marker_rows=1)
    marks = [mark.start() for mark in re.finditer(rb"\xff[\xd0-\xd7]", data)]
    first = int(place * (len(marks) - 8))
    start, end = marks[first] + inside, marks[first + rows] + inside
    assert PARTLY_READ in read(data[:end] + data[start:]).metadata


@pytest.mark.parametrize("size", [(64, 64), (1000, 700), (63, 65)])
@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"restart_marker_blocks": 2}, {"subsampling": 0}])
def test_a_jpeg_whose_corner_has_one_colour_is_whole(size, options):
    picture = Image.new("RGB", size, "white")
    picture.paste(CAT.crop((0, 0, 32, 32)))
    assert PARTLY_READ not in read(saved(picture, **options)).metadata


def test_a_jpeg_of_twelve_bits_is_to_be_exported_with_eight():
    data = saved(CAT)
    frame = data.index(b"\xff\xc0")
    with pytest.raises(ObjectError, match=r"a JPEG of 12 bits for each colour.* 8 bits; export it as an ordinary"):
        read(data[: frame + 4] + b"\x0c" + data[frame + 5 :])
