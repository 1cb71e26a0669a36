"""Images with something broken around their pixels, or a part of these missing, are shown as viewers show them."""

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image, ImageDraw, TiffImagePlugin

from embedded.images import photo
from ingest.common.errors import ObjectError
from ingest.common.objects import PARTLY_READ
from ingest.common.square import Square
from ingest.image.decoder import read_image
from ingest.image.opening import prepare_images

SQUARE = Square(64)
CAT = photo("cat.jpg", 128)
SIZE = CAT.size
TURNED = CAT.rotate(90, expand=True)
TURN_RIGHT = 6


@pytest.fixture(scope="module", autouse=True)
def decoders():
    prepare_images()


def saved(kind, image=CAT, **options):
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def read(data, max_pixels=1 << 20):
    return read_image(data, SQUARE, max_pixels)


def difference(picture):
    """The mean difference to the whole picture, in grey values."""
    whole = np.frombuffer(read(saved("PNG")).pixels, np.uint8).astype(int)
    return np.abs(np.frombuffer(picture.pixels, np.uint8) - whole).mean()


def failure(data):
    with pytest.raises(ObjectError) as caught:
        read(data)
    return caught.value


def chunk(kind, data, checksum=None):
    checksum = zlib.crc32(kind + data) if checksum is None else checksum
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", checksum)


def png_with(*chunks, image=CAT):
    data = saved("PNG", image)
    return data[:33] + b"".join(chunks) + data[33:]


def jpeg_with(marker, content, image=CAT):
    data = saved("JPEG", image, quality=95)
    return data[:2] + bytes((0xFF, marker)) + struct.pack(">H", len(content) + 2) + content + data[2:]


def directory(*entries, after=b"", next_offset=0):
    """An Exif directory in little-endian order; entries are tag, type, count and four bytes."""
    packed = b"".join(struct.pack("<HHI", tag, kind, count) + value for tag, kind, count, value in entries)
    return b"II*\0" + struct.pack("<IH", 8, len(entries)) + packed + struct.pack("<I", next_offset) + after


def long(value):
    return struct.pack("<I", value)


ORIENTATION = (0x112, 3, 1, long(TURN_RIGHT))
PNG_CHUNKS = {
    b"tEXt": b"a\0b", b"zTXt": b"a\0\0" + zlib.compress(b"b"), b"iTXt": b"a\0\0\0\0\0b", b"pHYs": bytes(9),
    b"tIME": bytes(7), b"gAMA": long(9), b"cHRM": bytes(32), b"sRGB": b"\0", b"eXIf": directory(ORIENTATION),
    b"prVw": b"private",
}  # fmt: skip


@pytest.mark.parametrize("kind", PNG_CHUNKS, ids=bytes.decode)
@pytest.mark.parametrize("content", ["whole, but with a wrong checksum", "too short"])
def test_a_broken_chunk_that_no_pixel_needs_is_ignored(kind, content):
    data = PNG_CHUNKS[kind]
    broken = chunk(kind, data, 1) if content.startswith("whole") else chunk(kind, data[:1])
    if kind != b"eXIf" or content == "too short":
        assert difference(read(png_with(broken))) == 0
    else:
        assert difference(read(png_with(broken, image=TURNED))) < 1


MEGABYTE = zlib.compress(bytes(1 << 20))


@pytest.mark.parametrize(
    "chunks",
    [
        [chunk(b"zTXt", b"workflow\0\0" + zlib.compress(bytes(2 << 20)))],
        [chunk(b"iTXt", b"workflow\0\1\0\0\0" + zlib.compress(bytes(2 << 20)))],
        [chunk(b"zTXt", b"%d\0\0" % n + MEGABYTE) for n in range(70)],
        [chunk(b"iCCP", b"profile\0\0" + zlib.compress(bytes(20 << 20)))],
        [chunk(b"iCCP", b"profile\0\1none")],
    ],
    ids=["a long text", "a long international text", "many texts", "a profile that is a bomb", "an unknown profile"],
)
def test_texts_and_profiles_of_a_png_are_no_reason_to_refuse_it(chunks):
    picture = read(png_with(*chunks))
    assert difference(picture) == 0
    assert PARTLY_READ not in picture.metadata


@pytest.mark.parametrize(
    "exif",
    [
        directory(ORIENTATION, (0x8769, 4, 1, long(0xFFFFFFFF))),
        directory(ORIENTATION, (0x8769, 4, 1, long(8))),
        directory(ORIENTATION, (0x8769, 2, 4, b"abc\0")),
        directory(ORIENTATION, (0x8825, 4, 1, long(0x7FFFFFFF))),
        directory(ORIENTATION, next_offset=0xFFFFFFFF),
        directory((0x10F, 2, 0xFFFFFFF0, long(16)), ORIENTATION),
        directory((0x10F, 99, 1, long(0)), ORIENTATION),
        directory((0x112, 4, 1, long(6))),
        directory((0x112, 1, 1, long(6))),
        directory((0x112, 2, 2, b"6\0\0\0")),
        directory((0x112, 7, 1, long(6))),
        directory((0x112, 3, 2, struct.pack("<HH", 6, 6))),
        directory((0x112, 5, 1, long(26)), after=long(6) + long(1)),
    ],
    ids=["negative directory", "directory in itself", "text for a directory", "GPS outside", "thumbnail outside",
         "endless maker", "unknown type", "long", "byte", "text", "undefined", "twice", "fraction"],
)  # fmt: skip
def test_an_image_with_broken_exif_is_upright(exif):
    picture = read(jpeg_with(0xE1, b"Exif\0\0" + exif, TURNED))
    assert (picture.width, picture.height) == SIZE
    assert difference(picture) < 3


@pytest.mark.parametrize(
    ("marker", "content"),
    [
        (0xE1, b"Exif\0\0"),
        (0xE1, b"Exif\0\0" + bytes(range(40))),
        (0xE1, b"Exif\0\0" + directory((0x112, 3, 1, long(9)))),
        (0xE1, b"Exif\0\0" + directory((0x112, 5, 1, long(26)), after=long(6) + long(0))),
        (0xE1, b"http://ns.adobe.com/xap/1.0/\0<x:xmpmeta \xff tiff:Orientation='six'"),
        (0xE0, b"JFIF\0"),
        (0xE2, b"MPF\0" + b"II*\0\xff\xff\xff\x7f"),
        (0xE2, b"ICC_PROFILE\0"),
        (0xE2, b"ICC_PROFILE\0\2\5profile"),
        (0xED, b"Photoshop 3.0\x008BIM\3\xed\0\0\0\0\0\3abc"),
        (0xEE, b"Adobe"),
    ],
)
def test_a_broken_marker_of_a_jpeg_is_ignored(marker, content):
    picture = read(jpeg_with(marker, content))
    assert (picture.width, picture.height) == SIZE
    assert difference(picture) < 3


def test_a_jpeg_with_broken_markers_is_upright_too():
    exif = b"Exif\0\0" + directory(ORIENTATION)
    data = jpeg_with(0xE1, exif, TURNED)
    picture = read(data[:2] + b"\xff\xe0\0\x07JFIF\0" + data[2:])
    assert (picture.width, picture.height) == SIZE
    assert difference(picture) < 3


@pytest.mark.parametrize(
    ("kind", "end", "options"),
    [("JPEG", 2, {}), ("JPEG", 2, {"progressive": True}), ("PNG", 12, {}), ("GIF", 1, {})],
)
def test_an_image_that_lacks_nothing_but_its_end_marker_is_whole(kind, end, options):
    assert PARTLY_READ not in read(saved(kind, **options)[:-end]).metadata


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "GIF", "BMP", "PPM", "TGA", "SGI", "PCX", "TIFF", "WEBP"])
def test_half_an_image_is_read_in_part(kind):
    data = saved(kind)
    picture = read(data[: len(data) // 2])
    share = int(picture.metadata[PARTLY_READ].partition("%")[0])
    assert 35 < share < 65
    assert (picture.width, picture.height) == SIZE
    assert difference(picture) < 80


def test_the_beginning_of_a_progressive_jpeg_shows_all_of_it():
    data = saved("JPEG", progressive=True)
    picture = read(data[: len(data) * 3 // 4])
    assert picture.metadata[PARTLY_READ].startswith("its end is missing, and with it some detail")
    assert difference(picture) < 15


@pytest.mark.parametrize("end", [-1, -2, 0.9, 0.5])
def test_a_jpeg_2000_without_its_end_is_shown(end):
    data = saved("JPEG2000")
    picture = read(data[: end if end < 0 else int(end * len(data))])
    assert difference(picture) < 15
    assert (PARTLY_READ in picture.metadata) == (end > 0)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "GIF", "TIFF", "WEBP", "JPEG2000", "AVIF"])
def test_of_a_twentieth_nothing_can_be_shown(kind):
    data = saved(kind)
    error = failure(data[: len(data) // 20])
    assert error.failure == "Damaged"
    assert error.message.startswith("the image cannot be decoded (")


def test_of_a_fax_that_is_cut_off_the_first_page_is_shown():
    pages = [CAT.rotate(angle) for angle in (0, 90, 180, 270)]
    data = saved("TIFF", pages[0], save_all=True, append_images=pages[1:], compression="tiff_lzw")
    picture = read(data[: len(data) * 6 // 10])
    assert difference(picture) == 0
    assert picture.metadata["frames"] == 2
    assert picture.metadata[PARTLY_READ].startswith("only the first 2 of its pages can be read")


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "GIF", "WEBP"])
@pytest.mark.parametrize(
    "before",
    [b"\xef\xbb\xbf", b"\r\n", b"HTTP/1.1 200 OK\r\nContent-Type: image/jpeg\r\n\r\n", b"<br />\n<b>Warning</b>: x\n"],
    ids=["a byte order mark", "a line break", "headers", "a warning"],
)
def test_text_in_front_of_an_image_is_ignored(kind, before):
    assert difference(read(before + saved(kind))) < 10


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "GIF", "BMP", "TIFF", "WEBP", "JPEG2000", "AVIF"])
def test_bytes_after_an_image_are_ignored(kind):
    assert PARTLY_READ not in read(saved(kind) + b"garbage" * 50).metadata


def box(kind, content):
    return struct.pack(">I", len(content) + 8) + kind + content


@pytest.mark.parametrize(
    "name", ["reader requirements", "channel definitions", "a bad resolution", "no header", "lengths"]
)
def test_the_boxes_of_a_jpeg_2000_do_not_matter(name):
    data = saved("JPEG2000")
    start = data.find(b"jp2h") - 4
    (length,) = struct.unpack(">I", data[start : start + 4])
    before, header, after = data[:start], data[start + 8 : start + length], data[start + length :]
    requirements = box(b"rreq", b"\x02\xc0\0\x40\0\0\3\0\5\x80\0\0\x0c\x40\0\0\x2d\x20\0\0\0")
    channels = struct.pack(">H9H", 3, 0, 0, 1, 1, 0, 2, 2, 0, 3)
    made = {
        "reader requirements": before + requirements + box(b"jp2h", header) + after,
        "channel definitions": before + box(b"jp2h", header + box(b"cdef", channels)) + after,
        "a bad resolution": before + box(b"jp2h", header + box(b"res ", box(b"resc", bytes(10)))) + after,
        "no header": before + after,
        "lengths": before + struct.pack(">I", length + 5000) + data[start + 4 :],
    }[name]
    assert difference(read(made)) == 0


@pytest.mark.parametrize(
    ("data", "type_", "words"),
    [
        (b"II*\0\x10\0\0\0CR\2\0" + bytes(99), "UnsupportedImage", "in a camera's raw format"),
        (b"\xff\x0a" + bytes(99), "UnsupportedImage", "JPEG XL"),
        (
            saved("PNG")[:8] + chunk(b"CgBI", long(6)) + saved("PNG")[8:33] + chunk(b"IDAT", zlib.compress(b"")[2:-4]),
            "UnsupportedImage",
            "a PNG in a form of Apple's",
        ),
        (b'<?xml version="1.0"?>\n<svg xmlns="http://www.w3.org/2000/svg"/>', "UnsupportedImage", "an SVG drawing"),
        (b"P7\nWIDTH 1\nHEIGHT 1\nDEPTH 1\nMAXVAL 255\nENDHDR\n\0", "UnsupportedImage", "a format of specialists"),
        (b"BA(\0\0\0\x78" + bytes(99), "UnsupportedImage", "an icon or a list of bitmaps of OS/2"),
        (b"8BPS\0\2" + bytes(99), "UnsupportedImage", "a large document of Photoshop (PSB)"),
        (
            b"BM" + struct.pack("<IIIIiiHHI", 99, 0, 54, 40, 9, 9, 1, 0, 4) + bytes(99),
            "UnsupportedImage",
            "this variant",
        ),
        (b"<!DOCTYPE html><title>Sign in</title>", "NotAnImage", "a web page, perhaps of a login"),
        (
            b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12\n",
            "NotAnImage",
            "a pointer of Git LFS",
        ),
        (b'{"error": "not found"}', "NotAnImage", "a text in JSON"),
        (b"%PDF-1.7\n%\xe2\xe3", "NotAnImage", "a PDF"),
        (bytes(5000), "Damaged", "only zeros"),
        (saved("JPEG").decode("utf-8", "replace").encode(), "Damaged", "stored as a text"),
        (saved("PNG").replace(b"\r\n", b"\n"), "Damaged", "stored as a text"),
    ],
)
def test_a_file_that_cannot_be_shown_says_why(data, type_, words):
    error = failure(data)
    assert error.failure == type_
    assert words in error.message


@pytest.mark.parametrize(("samples", "dtype"), [(5, np.uint8), (12, np.uint8), (3, np.float64), (3, np.uint32)])
def test_a_tiff_of_an_unknown_layout_is_to_be_exported(samples, dtype):
    tifffile = pytest.importorskip("tifffile")
    file = io.BytesIO()
    planes = np.zeros((samples, 64, 64), dtype)
    tifffile.imwrite(file, planes, photometric="minisblack" if samples > 3 else "rgb", planarconfig="separate")
    error = failure(file.getvalue())
    assert error.failure == "UnsupportedImage"
    assert error.message.endswith("; export it as an ordinary JPEG or PNG of 8 bits")


def test_a_limit_holds_for_broken_images_too():
    with pytest.raises(ObjectError, match="over the limit") as caught:
        read(png_with(chunk(b"pHYs", bytes(9), 1)), max_pixels=100)
    assert caught.value.limit == 100


@pytest.mark.parametrize(
    ("kind", "options"), [("WEBP", {"lossless": True}), ("AVIF", {}), ("HEIF", {}), ("JPEG2000", {})]
)
def test_an_image_that_was_given_its_size_before_its_content_is_read_in_part(kind, options):
    noise = Image.fromarray(np.random.default_rng(1).integers(0, 256, (192, 192, 3), np.uint8))
    data = saved(kind, noise, **options)
    half = len(data) // 2
    assert "of its bytes were never written" in read(data[:half] + bytes(len(data) - half)).metadata[PARTLY_READ]
    assert PARTLY_READ not in read(data).metadata
    assert PARTLY_READ not in read(saved(kind, Image.new("RGB", (1024, 1024), "white"), **options)).metadata


def test_a_hole_in_a_jpeg_is_named_and_a_part_of_one_colour_is_none():
    noise = Image.fromarray(np.random.default_rng(1).integers(0, 256, (256, 256, 3), np.uint8))
    data = saved("JPEG", noise)
    third = len(data) // 3
    hole = data[:third] + bytes(third) + data[2 * third :]
    assert "of its bytes were never written" in read(hole).metadata[PARTLY_READ]
    assert PARTLY_READ not in read(data + bytes(len(data))).metadata  # padded to the size of a block
    for optimize in (False, True):
        white = Image.new("RGB", (2048, 2048), "white")
        assert PARTLY_READ not in read(saved("JPEG", white, optimize=optimize), 1 << 23).metadata


@pytest.mark.parametrize("compression", ["tiff_lzw", "tiff_adobe_deflate", "group4"])
def test_a_tiff_of_which_one_strip_is_damaged_is_partly_read(compression, monkeypatch):
    monkeypatch.setattr(TiffImagePlugin, "STRIP_SIZE", 4096)
    picture = Image.effect_noise((400, 400), 90).convert("1" if compression == "group4" else "L")
    data = bytearray(saved("TIFF", picture, compression=compression))
    tags = Image.open(io.BytesIO(data)).tag_v2
    middle = len(tags[273]) // 2
    start, length = tags[273][middle], tags[279][middle]
    data[start : start + length] = bytes(length)
    assert PARTLY_READ in read(bytes(data)).metadata


@pytest.mark.parametrize("compression", ["group3", "group4", "tiff_ccitt"])
def test_a_fax_of_which_nothing_can_be_read_is_damaged(compression):
    data = bytearray(saved("TIFF", Image.effect_noise((400, 400), 90).convert("1"), compression=compression))
    tags = Image.open(io.BytesIO(data)).tag_v2
    start, end = tags[273][0], tags[273][-1] + tags[279][-1]
    data[start:end] = bytes(end - start)
    assert failure(bytes(data)).failure == "Damaged"


def test_a_flipped_bit_in_a_fax_is_noticed_and_an_empty_page_is_none():
    page = Image.new("1", (400, 400), 1)
    assert PARTLY_READ not in read(saved("TIFF", page, compression="group4")).metadata
    ImageDraw.Draw(page).text((20, 20), "\n".join(["The quick brown fox jumps over the lazy dog"] * 20), fill=0)
    data = bytearray(saved("TIFF", page, compression="group4"))
    assert PARTLY_READ not in read(bytes(data)).metadata
    tags = Image.open(io.BytesIO(data)).tag_v2
    middle = tags[273][0] + tags[279][0] // 2
    data[middle] ^= 0x5A
    data[middle + 1] ^= 0xFF
    assert PARTLY_READ in read(bytes(data)).metadata


def test_half_an_icon_is_read_in_part():
    data = saved("ICO", photo("cat.jpg", 640).resize((256, 256)), sizes=[(256, 256)])
    assert PARTLY_READ not in read(data).metadata
    assert PARTLY_READ in read(data[: len(data) // 2]).metadata
