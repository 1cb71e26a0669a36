"""Photoshop files that were saved without their merged picture are shown by their preview."""

import io
import struct

import numpy as np
import pytest

from embedded.images import photo
from ingest.common.errors import ObjectError
from ingest.common.objects import PARTLY_READ
from ingest.image.opening import open_picture, prepare_images

CAT = photo("cat.jpg", 96)
RGB = np.asarray(CAT)
WHITE = np.full_like(RGB, 255)
LIMIT = 1 << 20


@pytest.fixture(scope="module", autouse=True)
def decoders():
    prepare_images()


def resource(number, content):
    return b"8BIM" + struct.pack(">HHI", number, 0, len(content)) + content + bytes(len(content) % 2)


def photoshop(merged, is_merged, has_preview):
    resources = b""
    if has_preview:
        file = io.BytesIO()
        CAT.save(file, "JPEG", quality=95)
        resources += resource(1036, bytes(28) + file.getvalue())
    resources += resource(1057, struct.pack(">IB", 1, is_merged) + bytes(12))
    head = b"8BPS\0\1" + bytes(6) + struct.pack(">HIIHH", 3, RGB.shape[0], RGB.shape[1], 8, 3) + bytes(4)
    planes = np.ascontiguousarray(merged.transpose(2, 0, 1)).tobytes()
    return head + struct.pack(">I", len(resources)) + resources + bytes(4) + b"\0\0" + planes


def test_a_file_without_its_merged_picture_is_shown_by_its_preview():
    picture = open_picture(photoshop(WHITE, False, True), LIMIT, 64)
    assert np.abs(np.asarray(picture.image).astype(int) - RGB).mean() < 4
    assert picture.metadata["format"] == "PSD"
    assert "maximum compatibility" in picture.metadata[PARTLY_READ]


def test_a_file_without_its_merged_picture_and_a_preview_fails_with_advice():
    with pytest.raises(ObjectError, match="without its merged picture") as caught:
        open_picture(photoshop(WHITE, False, False), LIMIT, 64)
    assert caught.value.failure == "UnsupportedImage"


@pytest.mark.parametrize(("merged", "is_merged"), [(RGB, True), (RGB, False), (WHITE, True)])
def test_a_merged_picture_is_shown_whatever_the_preview(merged, is_merged):
    picture = open_picture(photoshop(merged, is_merged, True), LIMIT, 64)
    assert (np.asarray(picture.image) == merged).all()
    assert PARTLY_READ not in picture.metadata
