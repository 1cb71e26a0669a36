"""Colours are those that a file declares for its values, also where it is neither RGB nor has a profile."""

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from ingest.common.square import Square
from ingest.image.decoder import read_image
from ingest.image.opening import prepare_images
from ingest.image.picture import NO_LIMIT


@pytest.fixture(autouse=True, scope="module")
def prepared():
    prepare_images()


def colour(data):
    """The colour in the middle of a decoded image."""
    pixels = read_image(data, Square(8), NO_LIMIT).pixels
    return np.frombuffer(pixels, np.uint8).reshape(8, 8, 3)[4, 4].tolist()


def saved(image, format_, **options):
    image.save(content := io.BytesIO(), format_, **options)
    return content.getvalue()


def profile(space, tags, connection=b"XYZ "):
    """An ICC profile (ICC.1:2022, section 7) with these tags."""
    white = struct.pack(">3i", 63190, 65536, 54061)
    tags = {b"desc": b"desc\0\0\0\0\0\0\0\2x\0" + bytes(79), b"wtpt": b"XYZ \0\0\0\0" + white, **tags}
    body, table = b"", struct.pack(">I", len(tags))
    for name, content in tags.items():
        table += name + struct.pack(">II", 132 + 12 * len(tags) + len(body), len(content))
        body += content + bytes(-len(content) % 4)
    head = struct.pack(">I4sI4s4s4s12x4s28x", 0, b"lcms", 0x02400000, b"prtr", space, connection, b"acsp") + white
    head = head.ljust(128, b"\0") + table + body
    return struct.pack(">I", len(head)) + head[4:]


def gamma_profile(gamma):
    return profile(b"GRAY", {b"kTRC": b"curv\0\0\0\0\0\0\0\1" + struct.pack(">Hxx", round(gamma * 256))})


def ink_profile():
    """Of a printer whose cyan ink is red, Lab (40, 60, 45), and whose other inks are as black as nothing."""
    head = b"mft1\0\0\0\0\4\3\2\0" + struct.pack(">9i", 65536, 0, 0, 0, 65536, 0, 0, 0, 65536)
    straight = bytes(range(256))
    corners = {0: (255, 128, 128), 8: (102, 188, 173)}
    grid = b"".join(bytes(corners.get(corner, (0, 128, 128))) for corner in range(16))
    return profile(b"CMYK", {b"A2B0": head + 4 * straight + grid + 3 * straight}, b"Lab ")


@pytest.mark.parametrize("format_", ["JPEG", "TIFF"])
def test_inks_have_the_colours_of_their_profile(format_):
    cyan = Image.new("CMYK", (32, 32), (255, 0, 0, 0))
    red, green, blue = colour(saved(cyan, format_, icc_profile=ink_profile()))
    assert red > 90 > 40 > max(green, blue)
    assert colour(saved(cyan, format_)) == pytest.approx([0, 255, 255], abs=6)


def test_a_profile_for_other_colours_is_ignored():
    cyan = Image.new("CMYK", (32, 32), (255, 0, 0, 0))
    assert colour(saved(cyan, "JPEG", icc_profile=gamma_profile(1))) == pytest.approx([0, 255, 255], abs=6)


@pytest.mark.parametrize("mode", ["L", "LA"])
def test_grey_values_have_the_brightness_of_their_profile(mode):
    grey = Image.new("L", (32, 32), 55).convert(mode)
    assert colour(saved(grey, "PNG", icc_profile=gamma_profile(1))) == pytest.approx([128] * 3, abs=4)


def png(kind, pixel, bits=8, chunks=()):
    """A PNG of one colour (PNG 3, section 11.2)."""

    def chunk(name, content):
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))

    rows = zlib.compress((b"\0" + 16 * pixel) * 16)
    head = struct.pack(">IIBBBBB", 16, 16, bits, kind, 0, 0, 0)
    before = b"".join(chunk(name, content) for name, content in chunks)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + before + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


LINEAR = (b"gAMA", struct.pack(">I", 100_000))


@pytest.mark.parametrize(
    ("kind", "pixel", "bits", "chunks"),
    [
        (2, b"\x37\x37\x37", 8, []),
        (6, b"\x37\x37\x37\xff", 8, []),
        (0, b"\x37", 8, []),
        (0, b"\x37\x37", 16, []),
        (3, b"\0", 8, [(b"PLTE", b"\x37\x37\x37")]),
    ],
    ids=["colour", "transparent", "grey", "deep", "palette"],
)
def test_a_png_has_the_gamma_that_it_declares(kind, pixel, bits, chunks):
    assert colour(png(kind, pixel, bits, [LINEAR, *chunks])) == pytest.approx([127] * 3, abs=2)


@pytest.mark.parametrize("chunk", [(b"sRGB", b"\0"), (b"gAMA", struct.pack(">I", 45_455)), (b"gAMA", bytes(4))])
def test_the_gamma_of_srgb_or_none_changes_nothing(chunk):
    chunks = [chunk, LINEAR] if chunk[0] == b"sRGB" else [chunk]
    assert colour(png(2, b"\x37\x37\x37", 8, chunks)) == [55] * 3


@pytest.mark.parametrize(("layers", "shown"), [(b"", [200, 30, 30]), (struct.pack(">IIh", 8, 2, -1), [255] * 3)])
def test_a_selection_saved_in_a_photoshop_file_is_no_transparency(layers, shown):
    planes = b"".join(256 * bytes([value]) for value in (200, 30, 30, 0))
    sections = bytes(8) + (layers + bytes(2) if layers else bytes(4))
    data = b"8BPS\0\1" + bytes(6) + struct.pack(">HIIHH", 4, 16, 16, 8, 3) + sections + b"\0\0" + planes
    assert colour(data) == shown


@pytest.mark.parametrize("size", [b"\0\0\0\0", b"\xff\xff\xff\x7f"])
def test_a_webp_that_declares_a_wrong_length_is_decoded(size):
    data = saved(Image.new("RGB", (32, 32), (200, 30, 30)), "WEBP", lossless=True)
    assert colour(data[:4] + size + data[8:]) == [200, 30, 30]


def test_a_jpeg_may_tell_its_height_behind_its_pixels():
    data = saved(Image.new("RGB", (32, 32), (200, 30, 30)), "JPEG")
    at = data.index(b"\xff\xc0") + 5
    data = data[:at] + b"\0\0" + data[at + 2 : -2] + b"\xff\xdc\0\4\0\x20\xff\xd9"
    assert colour(data) == pytest.approx([200, 30, 30], abs=3)
