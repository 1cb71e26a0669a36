"""A raw photo is shown by its largest preview, and never silently by its thumbnail."""

import io
import itertools
import struct

import numpy as np
import pytest

from embedded.images import photo
from embedded.tiffs import described, directory
from ingest.common.errors import ObjectError
from ingest.common.objects import PARTLY_READ
from ingest.image.opening import open_picture, prepare_images

CAT = photo("cat.jpg", 300)
THUMBNAIL = np.asarray(CAT.resize((32, 21)).convert("L").convert("RGB"))
SENSOR = np.random.default_rng(1).integers(0, 4000, (240, 360), np.uint16)
SIDE, LIMIT = 128, 1 << 20

KIND, COMPRESSION, PHOTOMETRIC, MAKE, ORIENTATION, SUBDIRECTORIES = 254, 259, 262, 271, 274, 330
JPEG_START, JPEG_BYTES, DNG_VERSION = 513, 514, 50706
CFA, LINEAR, OLD_JPEG, JPEG, RIGHT = 32803, 34892, 6, 7, 6
REDUCED, MASK = 1, 4


@pytest.fixture(scope="module", autouse=True)
def decoders():
    prepare_images()


def jpeg(image=CAT):
    file = io.BytesIO()
    image.save(file, "JPEG", quality=90)
    return file.getvalue()


def values(pixels, kind=REDUCED):
    """A directory of pixels without compression."""
    return lambda at: (pixels.tobytes(), described(pixels, at, {KIND: kind}))


def compressed(data, compression, photometric=6, size=CAT.size, kind=REDUCED):
    """A directory whose only strip is a JPEG."""
    tags = described(np.zeros((size[1], size[0], 3), np.uint8), 0, {})
    own = {KIND: kind, COMPRESSION: compression, PHOTOMETRIC: photometric, 279: len(data)}
    return lambda at: (data, {**tags, **own, 273: at})


def linked(data, kind=REDUCED):
    """A directory that names a JPEG, and may have no other tags."""
    return lambda at: (data, {KIND: kind, COMPRESSION: OLD_JPEG, JPEG_START: at, JPEG_BYTES: len(data)})


def sensor(photometric=CFA, **tags):
    return lambda at: (SENSOR.tobytes(), described(SENSOR, at, {KIND: 0, PHOTOMETRIC: photometric, **tags}))


def written(first, subdirectories=(), pages=(), magic=b"", tags=()):
    """A TIFF with directories in its first one, and pages behind it."""
    body = bytearray(b"II*\0\0\0\0\0" + magic)

    def put(make, more=()):
        body.extend(bytes(len(body) % 2))
        data, own = make(len(body))
        body.extend(data + bytes(len(data) % 2))
        at = len(body)
        body.extend(directory(own | dict(more), at))
        return at

    inner = [put(each) for each in subdirectories]
    more = dict(tags) | ({SUBDIRECTORIES: inner} if inner else {})
    offsets = [put(first, more), *[put(page) for page in pages]]
    body[4:8] = struct.pack("<I", offsets[0])
    for offset, following in itertools.pairwise(offsets):
        end = offset + 2 + 12 * struct.unpack_from("<H", body, offset)[0]
        body[end : end + 4] = struct.pack("<I", following)
    return bytes(body)


def shown(data):
    return open_picture(data, LIMIT, SIDE)


def likeness(picture, expected=CAT):
    assert picture.image.size == expected.size
    return np.corrcoef(np.asarray(picture.image, float).ravel(), np.asarray(expected, float).ravel())[0, 1]


LOSSLESS = b"\xff\xd8\xff\xc3\0\x0b\x0e\0\xf0\1\x68\1\1\x11\0" + bytes(64)
DNG = {DNG_VERSION: [1, 4, 0, 0]}
RAW_PHOTOS = {
    "dng": written(values(THUMBNAIL), [sensor(), compressed(jpeg(), JPEG)], tags=DNG),
    "linear dng": written(values(THUMBNAIL), [sensor(LINEAR), compressed(jpeg(), JPEG)], tags=DNG),
    "dng whose preview is not compressed": written(values(THUMBNAIL), [sensor(), values(np.asarray(CAT))], tags=DNG),
    "dng with a mask": written(values(THUMBNAIL), [sensor(), compressed(jpeg(), JPEG), values(SENSOR, MASK)], tags=DNG),
    "dng that begins with the sensor": written(sensor(), pages=[linked(jpeg())]),
    "nef": written(values(THUMBNAIL), [linked(jpeg()), sensor()]),
    "arw": written(linked(jpeg()), [sensor()], [linked(jpeg(CAT.resize((32, 21))))]),
    "cr2": written(
        compressed(jpeg(), OLD_JPEG),
        pages=[linked(jpeg(CAT.resize((32, 21)))), values(THUMBNAIL), compressed(LOSSLESS, OLD_JPEG, size=(360, 240))],
        magic=b"CR\2\0",
    ),
    "tiff/ep": written(values(THUMBNAIL), [values(np.asarray(CAT), 0)]),
    "two previews": written(values(THUMBNAIL), [linked(jpeg(CAT.resize((90, 60)))), linked(jpeg()), sensor()]),
    "the larger preview is broken": written(
        values(THUMBNAIL), [compressed(b"\xff\xd8\xff", JPEG, size=(900, 600)), linked(jpeg()), sensor()]
    ),
}


@pytest.mark.parametrize("kind", RAW_PHOTOS)
def test_a_raw_photo_is_shown_by_its_largest_preview(kind):
    picture = shown(RAW_PHOTOS[kind])
    assert likeness(picture) > 0.98
    assert (picture.width, picture.height) == CAT.size
    assert PARTLY_READ not in picture.metadata


def test_the_preview_is_turned_as_the_photo_and_keeps_its_camera():
    data = written(values(THUMBNAIL), [linked(jpeg()), sensor()], tags={ORIENTATION: RIGHT, MAKE: b"NIKON\0"})
    picture = shown(data)
    assert likeness(picture, CAT.rotate(-90, expand=True)) > 0.98
    assert (picture.width, picture.height) == CAT.size[::-1]
    assert picture.metadata["camera"] == "NIKON"


def test_a_raw_photo_with_no_more_than_a_thumbnail_says_so():
    picture = shown(written(values(THUMBNAIL), [sensor()], tags=DNG))
    assert picture.image.size == (32, 21)
    assert "only a preview of 32 x 21 pixels can be read" in picture.metadata[PARTLY_READ]
    assert "export it as JPEG" in picture.metadata[PARTLY_READ]


@pytest.mark.parametrize("data", [written(sensor()), written(sensor(LINEAR), tags=DNG)], ids=["cfa", "linear"])
def test_a_raw_photo_without_a_preview_fails_by_its_kind(data):
    with pytest.raises(ObjectError, match="in a camera's raw format, which is not supported; export it"):
        shown(data)


def test_pages_and_smaller_versions_of_an_ordinary_tiff_do_not_replace_its_first_page():
    small = np.asarray(CAT.resize((90, 60)))
    data = written(values(np.asarray(CAT.resize((150, 100))), 0), [values(small)], [values(np.asarray(CAT))])
    picture = shown(data)
    assert (picture.width, picture.height, picture.metadata["frames"]) == (150, 100, 2)
    assert PARTLY_READ not in picture.metadata


def test_directories_in_a_circle_come_to_an_end():
    at = struct.unpack_from("<I", written(values(THUMBNAIL)), 4)[0]
    assert shown(written(values(THUMBNAIL), tags={SUBDIRECTORIES: [at]})).image.size == (32, 21)


@pytest.mark.parametrize("size", [CAT.size, CAT.resize((301, 199)).size])
def test_a_grey_tiff_that_is_one_jpeg_as_a_whole_is_shown(size):
    grey = CAT.resize(size).convert("L")
    grey_tags = {PHOTOMETRIC: 1, 277: 1, 258: [8], 530: [2, 2]}

    def directory_of(at):
        data, tags = compressed(jpeg(grey), OLD_JPEG, 1, size, 0)(at)
        return data, {**tags, **grey_tags, JPEG_START: at, JPEG_BYTES: len(data)}

    assert likeness(shown(written(directory_of)), grey.convert("RGB")) > 0.98
