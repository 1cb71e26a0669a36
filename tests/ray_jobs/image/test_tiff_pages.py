"""The picture of a file with several pages or sizes is none of its thumbnails."""

import io

import cv2
import numpy as np
import pytest
from PIL.TiffImagePlugin import AppendingTiffWriter

from embedded.images import photo
from ingest.image.opening import open_picture, prepare_images

CAT = photo("cat.jpg", 128)
THUMBNAIL = CAT.resize((32, 24)).convert("L").convert("RGB")
MASK = CAT.convert("1")
REDUCED, IS_MASK, OLD_REDUCED = {254: 1}, {254: 4}, {255: 2}


@pytest.fixture(scope="module", autouse=True)
def decoders():
    prepare_images()


def saved(image, kind="TIFF", **options):
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def joined(*pages):
    file = io.BytesIO()
    with AppendingTiffWriter(file) as writer:
        for page in pages:
            writer.write(page)
            writer.newFrame()
    return file.getvalue()


def likeness(data):
    """Cosine similarity of the picture and the photo, without their means."""
    shown = np.asarray(open_picture(data, 1 << 20, 64).image, float)
    if shown.shape[:2] != CAT.size[::-1]:
        return 0.0
    a, b = (values.ravel() - values.mean() for values in (shown, np.asarray(CAT, float)))
    return float(a @ b / np.linalg.norm(a) / np.linalg.norm(b))


@pytest.mark.parametrize(
    "before",
    [
        [saved(THUMBNAIL, tiffinfo=REDUCED)],
        [saved(THUMBNAIL, tiffinfo=OLD_REDUCED)],
        [saved(MASK, tiffinfo=IS_MASK)],
        [saved(THUMBNAIL, tiffinfo=REDUCED), saved(MASK, tiffinfo=IS_MASK)],
    ],
    ids=["thumbnail", "old thumbnail", "mask", "both"],
)
@pytest.mark.parametrize("after", [[], [saved(THUMBNAIL)]], ids=["alone", "another page"])
def test_a_thumbnail_or_mask_before_the_picture_is_not_the_picture(before, after):
    assert likeness(joined(*before, saved(CAT), *after)) > 0.99


def test_the_picture_behind_a_thumbnail_is_as_bright_as_any():
    dark = (np.asarray(CAT)[:, :, ::-1].astype(np.uint16) << 4) | 5
    page = cv2.imencode(".tiff", dark)[1].tobytes()
    assert likeness(joined(saved(THUMBNAIL, tiffinfo=REDUCED), page)) > 0.99


def test_the_picture_behind_a_thumbnail_is_found_without_pillow():
    floats = cv2.imencode(".tiff", np.asarray(CAT)[:, :, ::-1].astype(np.float32) / 255)[1].tobytes()
    assert likeness(joined(saved(THUMBNAIL, tiffinfo=REDUCED), floats)) > 0.99


@pytest.mark.parametrize("pages", [1, 2])
def test_if_all_pages_are_thumbnails_the_first_one_is_shown(pages):
    picture = open_picture(joined(*[saved(THUMBNAIL, tiffinfo=REDUCED)] * pages), 1 << 20, 64)
    assert (picture.width, picture.height) == THUMBNAIL.size


@pytest.mark.filterwarnings("ignore:Corrupt EXIF data")
def test_if_the_picture_behind_a_thumbnail_is_cut_off_before_its_tags_the_thumbnail_is_shown():
    thumbnail = saved(THUMBNAIL, tiffinfo=REDUCED)
    picture = open_picture(joined(thumbnail, saved(CAT))[: len(thumbnail) + 30], 1 << 20, 64)
    assert (picture.width, picture.height) == THUMBNAIL.size


def test_the_first_of_several_pages_is_the_picture():
    assert likeness(joined(saved(CAT), saved(THUMBNAIL), saved(THUMBNAIL, tiffinfo=REDUCED))) > 0.99


def test_an_icon_is_shown_in_its_largest_size():
    data = saved(CAT, "ICO", sizes=[(16, 16), CAT.size, (32, 32)])
    assert likeness(data) > 0.99


def test_the_primary_image_of_a_heif_file_is_shown():
    pillow_heif = pytest.importorskip("pillow_heif")
    heif = pillow_heif.HeifFile()
    for image in (THUMBNAIL, CAT):
        heif.add_from_pillow(image)
    file = io.BytesIO()
    heif.save(file, primary_index=1)
    assert likeness(file.getvalue()) > 0.99
