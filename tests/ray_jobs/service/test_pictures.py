"""Thumbnails and images that are searched for are decoded in a child process, and a bad one costs itself."""

import io

import numpy as np
import pytest
from PIL import Image

from ingest.common.square import Square
from ingest.migration.generations import Names, publish
from ingest.milvus.schema import IMAGES, ensure_rows
from ingest.models.clip_model import find_clip_model
from ingest.search.hits import ImageHit
from ingest.search.query import HitKind, SearchMode
from ingest.service.bodies import Question
from ingest.service.pictures import Pictures
from ingest.service.refused import RefusedError
from ingest.service.searching import SearchService
from ingest.service.settings import ServiceSettings
from ingest.store.local_files import file_version

pytestmark = pytest.mark.nightly


@pytest.fixture(scope="module")
def pictures():
    made = Pictures()
    yield made
    made.close()


def png(colour):
    file = io.BytesIO()
    Image.new("RGB", (640, 480), colour).save(file, "PNG")
    return file.getvalue()


def test_an_image_becomes_the_squares_of_the_model(pictures):
    pixels = pictures.pixels(png("red"), Square(32))
    assert (pixels.shape, pixels.dtype, pixels[0, 0, 0].tolist()) == ((1, 32, 32, 3), np.uint8, [255, 0, 0])


@pytest.mark.parametrize("data", [b"no image", png("red")[:60]])
def test_what_is_no_image_is_refused_and_the_next_one_is_read(pictures, data):
    with pytest.raises(RefusedError, match="the image cannot be read: ") as caught:
        pictures.pixels(data, Square(32))
    assert caught.value.status == 400
    assert pictures.pixels(png("blue"), Square(32))[0, 0, 0].tolist() == [0, 0, 255]


def test_a_thumbnail_is_made_once_and_a_missing_one_is_looked_for_again(pictures, tmp_path):
    path = tmp_path / "photo.png"
    path.write_bytes(png("red"))
    hit = ImageHit(f"file://{path}", file_version(path.stat()), 640, 480, 1.0)
    gone = ImageHit(f"file://{tmp_path}/gone.png", "v", 640, 480, 1.0)
    uri = pictures.thumbnail(hit)
    assert uri.startswith("data:image/jpeg;base64,")
    path.unlink()
    assert pictures.thumbnail(hit) == uri
    assert pictures.thumbnail(gone) == ""


def test_an_image_finds_the_images_like_it(milvus, milvus_client, clip_path):
    """With the stand-in for CLIP, from the bytes of a request to the hits."""
    prefix, model = "service_images_", find_clip_model(clip_path, "")
    names = Names.of(prefix, "images", (IMAGES,), model.identity)
    ensure_rows(milvus_client, IMAGES, names.rows[0], model.dimension, model=model.label)
    publish(milvus_client, names)
    service = SearchService(ServiceSettings(milvus.uri, prefix))
    try:
        (kind,) = service.state()["searched"]
        generation = service._catalogue.searched.generations[HitKind(kind)]
        red, blue = (
            service._embedded(Question("", png(colour), (), 5, SearchMode.HYBRID, False), generation.model)
            for colour in ("red", "blue")
        )
        rows = [
            {"id": name, "source": f"s3://b/{name}.png", "version": "v", "ordinal": 0, "width": 640, "height": 480,
             "embedding": vector, "metadata": {}}
            for name, vector in (("red", red), ("blue", blue))
        ]  # fmt: skip
        milvus_client.upsert(names.rows[0], rows)
        answer = service.search(Question("", png("red"), (), 1, SearchMode.HYBRID, False))
        assert [hit["source"] for hit in answer["images"]] == ["s3://b/red.png"]
        words = service.search(Question("a photo of the sea", b"", (), 2, SearchMode.HYBRID, False))
        assert len(words["images"]) == 2
    finally:
        service.close()
        milvus_client.drop_alias(names.public[0])
        milvus_client.drop_collection(names.rows[0])
