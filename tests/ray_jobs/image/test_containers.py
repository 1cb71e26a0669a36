"""Files that hold several pictures, or a picture in another format, are shown as their own format says."""

import io
import struct
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from embedded.images import photo
from ingest.common.errors import ObjectError
from ingest.common.hdr import PQ
from ingest.common.objects import PARTLY_READ
from ingest.common.square import Square
from ingest.image.decoder import read_image
from ingest.image.metadata import transfer_of
from ingest.image.opening import prepare_images

CAT = photo("cat.jpg", 128)
SRGB = 13


@pytest.fixture(scope="module", autouse=True)
def decoders():
    prepare_images()


def saved(image, kind, **options):
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def read(data):
    return read_image(data, Square(64), 1 << 24)


def pixels(data):
    return np.frombuffer(read(data).pixels, np.uint8).astype(int)


def test_a_tiff_whose_first_bytes_are_letters_before_a_jpeg_is_no_text_before_one():
    halves = [CAT.resize((128, 96)).crop(part) for part in ((0, 0, 128, 48), (0, 48, 128, 96))]
    strips = [saved(half, "JPEG", quality=95) for half in halves]
    place, first = 0x2020, 8 + len(strips[0])  # the place of the directory is two blanks and two zeros
    numbers = [8, first, *map(len, strips)]
    directory = [
        (256, 4, 1, 128), (257, 4, 1, 96), (258, 3, 1, 8), (259, 3, 1, 7), (262, 3, 1, 6), (273, 4, 2, place + 200),
        (277, 3, 1, 3), (278, 4, 1, 48), (279, 4, 2, place + 208), (530, 3, 2, 2 | 2 << 16),
    ]  # fmt: skip
    tags = b"".join(struct.pack("<HHII", *entry) for entry in directory)
    data = b"II*\0" + struct.pack("<I", place) + b"".join(strips)
    data = data.ljust(place, b"\0") + struct.pack("<H", len(directory)) + tags + bytes(4)
    data = data.ljust(place + 200, b"\0") + struct.pack("<4I", *numbers)
    assert len(data) < 0x2020 + 300
    picture = read(data)
    assert (picture.width, picture.height) == (128, 96)
    assert np.abs(pixels(data) - pixels(saved(CAT.resize((128, 96)), "PNG"))).mean() < 4


def box(kind, content):
    return struct.pack(">I", len(content) + 8) + kind + content


def heif(primary, version, flags):
    """The boxes of a file whose items 1 and 2 have the colours of sRGB and of PQ."""
    colours = [box(b"colr", b"nclx" + struct.pack(">HHHB", 1, transfer, 6, 128)) for transfer in (PQ, SRGB)]
    number = ">I" if version else ">H"
    associated = b"".join(
        struct.pack(number, item) + b"\2" + (3).to_bytes(1 + flags, "big") + index.to_bytes(1 + flags, "big")
        for item, index in ((1, 2), (2, 1))
    )
    properties = box(b"ipco", b"".join(colours) + box(b"pixi", bytes(8))) + box(
        b"ipma", bytes((version, 0, 0, flags)) + struct.pack(">I", 2) + associated
    )
    main = box(b"pitm", bytes((version, 0, 0, 0)) + struct.pack(number, primary))
    return box(b"ftyp", b"avifmif1") + box(b"meta", bytes(4) + main + box(b"iprp", properties)) + box(b"mdat", b"x")


@pytest.mark.parametrize(("primary", "transfer"), [(1, SRGB), (2, PQ), (3, 0)])
@pytest.mark.parametrize("version", [0, 1])
@pytest.mark.parametrize("flags", [0, 1])
def test_the_colours_of_a_gain_map_are_not_those_of_the_picture(primary, transfer, version, flags):
    assert transfer_of(SimpleNamespace(format="AVIF"), heif(primary, version, flags)) == transfer


def test_an_opaque_channel_that_is_not_compressed_is_no_place_that_was_never_written():
    data = saved(CAT.resize((512, 384)), "WEBP")
    alpha = b"ALPH" + (512 * 384 + 1).to_bytes(4, "little") + b"\0" + b"\xff" * (512 * 384) + b"\0"
    header = b"VP8X" + struct.pack("<IBxxx", 10, 0x10) + b"\xff\x01\0\x7f\x01\0"
    data = (
        b"RIFF"
        + (len(data) + len(header) + len(alpha) - 8).to_bytes(4, "little")
        + b"WEBP"
        + header
        + alpha
        + data[12:]
    )
    assert PARTLY_READ not in read(data).metadata


def test_an_ordinary_picture_that_is_declared_as_signed_is_shown_as_it_is():
    grey = CAT.convert("L")
    plain = saved(grey, "TIFF")
    declared = saved(grey, "TIFF", tiffinfo={339: 2})
    assert Image.open(io.BytesIO(declared)).tag_v2[339] == (2,)
    assert (pixels(declared) == pixels(plain)).all()


def test_the_compact_form_of_heif_is_named():
    with pytest.raises(ObjectError, match="the compact form of HEIF") as caught:
        read(b"\0\0\0\x10ftypmif3heic" + bytes(99))
    assert caught.value.failure == "UnsupportedImage"


@pytest.mark.parametrize("kind", ["GIF", "PNG", "WEBP", "AVIF"])
@pytest.mark.parametrize("ground", ["white", "black", "blue"])
def test_an_animation_that_fades_in_shows_its_picture(kind, ground):
    plain = Image.new("RGB", CAT.size, ground)
    frames = [Image.blend(plain, CAT, share) for share in (0, 0, 0.05, 0.5, 1, 1)]
    data = saved(frames[0], kind, save_all=True, append_images=frames[1:], duration=100)
    shown, whole = (pixels(each).reshape(-1, 3)[:, 1] for each in (data, saved(CAT, "PNG")))
    assert np.corrcoef(shown, whole)[0, 1] > 0.9


def test_an_animation_of_plain_frames_shows_the_first():
    frames = [Image.new("RGB", CAT.size, colour) for colour in ("red", "blue", "lime")]
    data = saved(frames[0], "GIF", save_all=True, append_images=frames[1:], duration=100)
    assert (pixels(data).reshape(-1, 3) == (255, 0, 0)).all()


def test_an_animation_whose_further_frames_are_broken_or_larger_shows_its_first():
    plain = Image.new("RGB", (64, 64), "white")
    data = bytearray(saved(plain, "GIF", save_all=True, append_images=[CAT.resize((64, 64))], duration=100))
    place = data.rfind(b",\0\0\0\0\x40\0\x40\0")
    data[place + 5 : place + 9] = b"\xff\xff\xff\xff"
    assert (pixels(bytes(data)) == 255).all()
    assert (pixels(bytes(data[: place + 30])) == 255).all()


@pytest.mark.parametrize("lossless", [True, False])
def test_a_webp_whose_canvas_is_not_of_the_size_of_its_picture_is_shown(lossless):
    image = CAT.convert("RGBA")
    image.putalpha(CAT.convert("L"))
    data = bytearray(saved(image, "WEBP", lossless=lossless, xmp=b"<x/>"))
    place = data.find(b"VP8X")
    expected = pixels(bytes(data))
    data[place + 12] += 1
    assert (pixels(bytes(data)) == expected).all()
