"""Very wide and very tall images, as panoramas and screenshots of web pages, are seen along their whole length."""

import io

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image

from embedded.images import PHOTOS, photo
from ingest.common.square import Square
from ingest.image.decoder import MAX_SQUARES, crop_to_square, read_image
from ingest.image.opening import prepare_images
from ingest.models.clip_encoder import ClipEncoder, pooled
from ingest.models.clip_model import find_clip_model, input_square
from ingest.stages.images import squares_in

SQUARE = Square(64)


@pytest.fixture(scope="module", autouse=True)
def decoders():
    prepare_images()


def saved(image, kind="PNG", **options):
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def squares(data, square=SQUARE):
    picture = read_image(data, square, 1 << 30)
    return np.frombuffer(picture.pixels, np.uint8).reshape(-1, square.size, square.size, 3)


@pytest.mark.parametrize("size", [(640, 640), (640, 480), (960, 400), (400, 1000), (1080, 2400)])
def test_an_image_of_ordinary_proportions_is_one_square(size):
    image = photo("palace.jpg").resize(size)
    (shown,) = squares(saved(image))
    assert (shown == np.asarray(crop_to_square(image, SQUARE))).all()


@pytest.mark.parametrize("square", [SQUARE, Square(64, squash=True), Square(64, bilinear=True)])
@pytest.mark.parametrize("turned", [False, True])
def test_a_long_image_is_seen_from_end_to_end(square, turned):
    colours = ["red", "lime", "blue", "yellow", "black", "white", "cyan"]
    image = Image.new("RGB", (700, 100))
    for index, colour in enumerate(colours):
        image.paste(colour, (index * 100, 0, index * 100 + 100, 100))
    shown = squares(saved(image.transpose(Image.Transpose.TRANSPOSE) if turned else image), square)
    expected = [Image.new("RGB", (1, 1), colour).getpixel((0, 0)) for colour in colours]
    assert shown[:, 32, 32].tolist() == [list(colour) for colour in expected]


def test_squares_overlap_where_the_length_is_no_multiple_of_them():
    assert len(squares(saved(Image.new("RGB", (100, 251))))) == 3


@pytest.mark.parametrize("size", [(100_000, 1), (2, 30_000)])
def test_a_line_has_no_more_squares_than_the_limit(size):
    assert len(squares(saved(Image.new("RGB", size)))) == MAX_SQUARES


@pytest.mark.nightly
def test_a_long_photo_that_is_decoded_at_a_smaller_scale_has_the_same_squares():
    panorama = Image.new("RGB", (6001, 2003))
    panorama.paste(photo("palace.jpg", 6001).crop((0, 0, 6001, 2003)))
    whole = Image.open(io.BytesIO(saved(panorama, "JPEG", quality=95))).convert("RGB")
    expected = squares(saved(whole)).astype(int)
    shown = squares(saved(panorama, "JPEG", quality=95))
    assert len(shown) == 3
    assert np.abs(shown - expected).mean() < 1


def test_the_vector_of_several_squares_is_their_mean_and_that_of_one_is_unchanged():
    vectors = np.array([[1, 0], [0, 1], [0.6, 0.8], [1, 0]], np.float32)
    found = pooled(vectors, np.array([2, 1, 1]))
    assert np.allclose(found, [[0.5**0.5, 0.5**0.5], [0.6, 0.8], [1, 0]])
    assert (found[1:] == vectors[2:]).all()
    assert pooled(vectors, np.ones(4, int)) is vectors


def test_the_squares_of_several_images_stay_apart():
    images = [np.full((count, 4, 4, 3), count, np.uint8) for count in (1, 3, 2)]
    table = pa.array([each.tobytes() for each in images], pa.large_binary())
    for part in (slice(0, 3), slice(1, 3), slice(0, 0)):
        found, counts = squares_in(table[part], 4)
        assert counts.tolist() == [len(each) for each in images[part]]
        assert found[:, 0, 0, 0].tolist() == [value for each in images[part] for value in each[:, 0, 0, 0]]


@pytest.mark.tier("parts")
def test_each_photo_of_a_long_screenshot_is_found_by_its_text(clip_path):
    model = find_clip_model(clip_path, "")
    encoder, square = ClipEncoder(model.name, model.pretrained, model.dimension), input_square(model)
    on_page = ["cat.jpg", "rocket.jpg", "palace.jpg", "flower.jpg"]
    page = Image.new("RGB", (480, 480 * len(on_page)), "white")
    for index, name in enumerate(on_page):
        page.paste(photo(name), (0, 480 * index))
    others = [saved(photo(each.file)) for each in PHOTOS if each.file not in on_page]
    seen = [squares(data, square) for data in [saved(page), *others]]
    vectors = pooled(encoder.encode_images(np.concatenate(seen)), np.array([len(each) for each in seen]))
    for each in PHOTOS:
        if each.file in on_page:
            assert int(np.argmax(vectors @ encoder.encode_text(each.text))) == 0
