"""JPEG 2000 is shown with the channels and the kind of YCC that its header declares."""

import io
import struct

import numpy as np
import pytest
from PIL import Image

from embedded.images import photo
from ingest.image.opening import open_picture, prepare_images

CAT = photo("cat.jpg", 96)
RGB = np.asarray(CAT)
LIMIT = 1 << 20
COLOUR, OPACITY, UNKNOWN = 0, 1, 65535


@pytest.fixture(scope="module", autouse=True)
def decoders():
    prepare_images()


def box(kind, content):
    return struct.pack(">I", len(content) + 8) + kind + content


def jp2(values, space, definitions=()):
    """A file of channels, which are stored as they are, with a colour space and the definitions of its channels."""
    file = io.BytesIO()
    Image.fromarray(values).save(file, "JPEG2000", mct=0)
    stream = file.getvalue()[file.getvalue().find(b"\xff\x4f\xff\x51") :]
    height, width, channels = values.shape
    header = box(b"ihdr", struct.pack(">IIHBBBB", height, width, channels, 7, 7, 0, 0))
    header += box(b"colr", b"\1\0\0" + struct.pack(">I", space))
    if definitions:
        packed = b"".join(struct.pack(">HHH", *definition) for definition in definitions)
        header += box(b"cdef", struct.pack(">H", len(definitions)) + packed)
    return box(b"jP  ", b"\r\n\x87\n") + box(b"ftyp", b"jp2 \0\0\0\0jp2 ") + box(b"jp2h", header) + box(b"jp2c", stream)


def difference(data, expected=RGB):
    return np.abs(np.asarray(open_picture(data, LIMIT, 64).image).astype(int) - expected).max()


def test_channels_that_are_stored_from_blue_to_red_are_not_swapped():
    definitions = [(0, COLOUR, 3), (1, COLOUR, 2), (2, COLOUR, 1)]
    assert difference(jp2(RGB[:, :, ::-1].copy(), 16, definitions)) == 0


@pytest.mark.parametrize("first", [True, False])
def test_opacity_is_where_the_file_says(first):
    alpha = np.full(RGB.shape[:2], 255, np.uint8)
    alpha[:, :48] = 0
    expected = RGB.copy()
    expected[:, :48] = 255
    colours = [(number + first, COLOUR, number + 1) for number in range(3)]
    values = np.dstack([alpha, RGB] if first else [RGB, alpha])
    assert difference(jp2(values, 16, [*colours, (0 if first else 3, OPACITY, 0)]), expected) == 0


def test_a_fourth_channel_that_is_not_opacity_makes_nothing_transparent():
    values = np.dstack([RGB, np.zeros(RGB.shape[:2], np.uint8)])
    colours = [(number, COLOUR, number + 1) for number in range(3)]
    assert difference(jp2(values, 16, [*colours, (3, UNKNOWN, 65535)])) == 0


@pytest.mark.parametrize("definitions", [[(0, COLOUR, 1)], [(9, COLOUR, 1), (1, COLOUR, 2), (2, COLOUR, 3)]])
def test_definitions_that_make_no_sense_change_nothing(definitions):
    assert difference(jp2(RGB, 16, definitions)) == 0


@pytest.mark.parametrize("space", [1, 3, 4, 18, 24])
def test_every_kind_of_ycc_is_shown_in_rgb(space):
    assert difference(jp2(np.asarray(CAT.convert("YCbCr")), space)) <= 4
