"""A CLIP model is found by name or folder, embeds images and texts, and halves batches that exceed a GPU's memory."""

import io
import random

import numpy as np
import pytest
from PIL import Image

from embedded.images import PHOTOS, make_photos
from ingest.common.errors import ConfigurationError, JobError
from ingest.common.gpu_memory import AdaptiveBatches
from ingest.common.square import Square
from ingest.image.decoder import read_image
from ingest.image.opening import prepare_images
from ingest.models.clip_encoder import ClipEncoder
from ingest.models.clip_model import find_clip_model, input_square

# Each test loads torch, and most load open_clip.
pytestmark = [pytest.mark.tier("parts"), pytest.mark.xdist_group("models")]


@pytest.fixture(scope="module")
def model(clip_path):
    return find_clip_model(clip_path, "")


@pytest.fixture(scope="module")
def encoder(model):
    return ClipEncoder(model.name, model.pretrained, model.dimension, threads=1, batch_size=3)


@pytest.fixture(scope="module")
def photos(model):
    prepare_images()
    square = input_square(model)
    made = [read_image(data, square, 1 << 30).pixels for data in make_photos().values()]
    return np.frombuffer(b"".join(made), np.uint8).reshape(len(made), square.size, square.size, 3)


@pytest.fixture(scope="module")
def vectors(encoder, photos):
    return encoder.encode_images(photos)


def test_a_folder_is_described_with_and_without_its_schema(clip_path, model):
    assert find_clip_model(f"local-dir:{clip_path}", "whatever") == model
    assert (model.dimension, model.pretrained) == (384, None)
    assert model.weight_bytes > 50_000_000
    assert input_square(model) == Square(240)


def test_the_default_model_is_described_without_loading_it():
    model = find_clip_model("ViT-B-32", "laion2b_s34b_b79k")
    assert (model.dimension, model.identity) == (512, "ViT-B-32/laion2b_s34b_b79k")
    assert input_square(model) == Square(224)


def test_other_weights_of_the_same_architecture_are_another_model():
    assert find_clip_model("ViT-B-32", "openai").identity != find_clip_model("ViT-B-32", "laion2b_s34b_b79k").identity


def test_a_model_that_squashes_its_images_has_a_squashed_input():
    assert input_square(find_clip_model("ViT-SO400M-14-SigLIP-384", "webli")) == Square(384, squash=True)


@pytest.mark.parametrize(
    ("name", "pretrained", "words"),
    [
        ("ViT-Z-99", "x", "no architecture that open_clip knows"),
        ("/no/such/folder", "x", "there is no such folder"),
        ("local-dir:nowhere", "x", "there is no such folder"),
        ("ViT-B-32", "", "needs --clip-pretrained"),
        ("hf-hub:no/such-model", "x", "was not found"),
    ],
)
def test_a_missing_model_is_reported_in_one_sentence(name, pretrained, words):
    with pytest.raises(ConfigurationError, match=words):
        find_clip_model(name, pretrained)


def test_unknown_weights_are_reported_in_one_sentence():
    with pytest.raises(ConfigurationError, match=r"no such weights of ViT-B-32; it knows .*laion2b_s34b_b79k"):
        input_square(find_clip_model("ViT-B-32", "nobody"))


def test_a_folder_without_an_open_clip_model_is_refused(tmp_path):
    with pytest.raises(ConfigurationError, match=r"it needs open_clip_config\.json"):
        find_clip_model(str(tmp_path), "")


def test_vectors_equal_those_of_open_clip(model, vectors):
    import open_clip
    import torch

    by_hand, _, preprocess = open_clip.create_model_and_transforms(model.name)
    images = torch.stack([preprocess(Image.open(io.BytesIO(data))) for data in make_photos().values()])
    with torch.inference_mode():
        theirs = by_hand.eval().encode_image(images, normalize=True).numpy()
    assert (vectors * theirs).sum(axis=1).min() > 0.9999


def test_a_text_finds_its_photo(encoder, vectors):
    found = [int(np.argmax(vectors @ encoder.encode_text(photo.text))) for photo in PHOTOS]
    assert found == list(range(len(PHOTOS)))


def test_vectors_have_length_one(encoder, vectors):
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    assert np.isclose(np.linalg.norm(encoder.encode_text("a cat")), 1, atol=1e-5)


def test_no_image_gives_no_vector(encoder):
    assert encoder.encode_images(np.empty((0, 240, 240, 3), np.uint8)).shape == (0, 384)


def test_an_unexpected_dimension_is_an_error(model):
    with pytest.raises(ValueError, match="has vectors of 384 dimensions, but 512 were expected"):
        ClipEncoder(model.name, model.pretrained, 512)


# --- batches


def too_large_above(limit, seen):
    import torch

    def function(batch):
        if batch.stop - batch.start > limit:
            raise torch.cuda.OutOfMemoryError("CUDA out of memory")
        seen.append((batch.start, batch.stop))
        return list(range(batch.start, batch.stop))

    return function


def test_a_batch_that_exceeds_the_memory_is_halved_and_no_input_is_lost():
    seen = []
    batches = AdaptiveBatches(16)
    found = [item for _, items in batches.map(too_large_above(5, seen), 21) for item in items]
    assert found == list(range(21))
    assert batches.size == 4
    assert seen[0] == (0, 4)


def test_a_single_input_that_exceeds_the_memory_is_a_job_error():
    with pytest.raises(JobError, match="not enough memory for this model and a single input"):
        list(AdaptiveBatches(4).map(too_large_above(0, []), 4))


def test_other_errors_are_raised_unchanged():
    def function(batch):
        raise ValueError("wrong")

    with pytest.raises(ValueError, match="wrong"):
        list(AdaptiveBatches(4).map(function, 4))


def test_texts_have_the_vectors_of_open_clip(model, encoder):
    from ingest.models.torch_clip import TorchClip

    theirs = TorchClip(model.name, model.pretrained, 1, "cpu")
    assert [encoder.encode_text(photo.text) @ theirs.embed_text(photo.text) for photo in PHOTOS] == pytest.approx(
        [1.0] * len(PHOTOS), abs=1e-5
    )


def test_the_tokens_of_the_default_model_are_those_of_open_clip():
    import open_clip
    from tokenizers import Tokenizer

    from ingest.models.cpu_clip_texts import cleaned, tokenizer_settings

    theirs = open_clip.get_tokenizer("ViT-B-32")
    settings = tokenizer_settings(theirs)
    ours = Tokenizer.from_str(settings["tokenizer"])
    letters = "abcdefgh KLMNO'stvell 0123456789.,!?-_\"éüß中文日本語русский🙂\t\n<>&;"
    choice = random.Random(1)
    texts = ["", "don't we'll", "word " * 100, *("".join(choice.choices(letters, k=60)) for _ in range(300))]
    assert [ours.encode(cleaned(text, settings["lower"])).ids for text in texts] == theirs(texts).tolist()
