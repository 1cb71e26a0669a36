"""Passes with a budget of tokens, on CPUs: a model in float32 gives the same vectors there as on a GPU."""

import numpy as np
import pytest

from ingest.common.errors import JobError
from ingest.models import token_passes
from ingest.models.token_passes import PADDED_TO, TokenPasses
from ingest.models.torch_texts import TorchTexts

TEXTS = [f"text number {number}, " + "and some more words " * (number * 7 % 31) for number in range(60)]
ALL = len(TEXTS)


@pytest.fixture(scope="module")
def model(minilm_path):
    return TorchTexts(minilm_path, 1, "cpu")


@pytest.fixture
def passes(model):
    """The shapes of the passes that the model makes during the test: texts and tokens."""
    shapes = []
    hook = model.loaded.register_forward_pre_hook(lambda module, given: shapes.append(given[0]["input_ids"].shape))
    yield shapes
    hook.remove()


def test_the_vectors_are_those_of_the_model_in_passes_of_few_tokens(model, passes):
    found = TokenPasses(model.loaded, 500).embed(TEXTS, ALL)
    assert len(passes) > 5
    assert (found * model.embed(TEXTS, "document")).sum(axis=1).min() > 0.99999


@pytest.mark.nightly
def test_texts_that_are_tokenized_in_parts_keep_their_order(model, monkeypatch):
    expected = TokenPasses(model.loaded).embed(TEXTS, ALL)
    monkeypatch.setattr(token_passes, "TOKENIZED_AT_ONCE", 16)
    assert np.abs(TokenPasses(model.loaded, 500).embed(TEXTS, ALL) - expected).max() < 1e-5


def test_a_pass_has_as_many_texts_as_its_tokens_allow(model, passes):
    TokenPasses(model.loaded, 500).embed(TEXTS, ALL)
    assert sum(texts for texts, _ in passes) == ALL
    assert all(texts * tokens <= 500 for texts, tokens in passes)
    # One more text of the same length would have exceeded them; the last pass has those that are left.
    assert all((texts + 1) * tokens > 500 for texts, tokens in passes[:-1])


def test_a_text_with_more_tokens_than_a_pass_has_one_of_its_own(model, passes):
    TokenPasses(model.loaded, 8).embed(TEXTS[:3], ALL)
    assert [texts for texts, _ in passes] == [1, 1, 1]


def test_a_pass_has_no_more_texts_than_allowed(model, passes):
    TokenPasses(model.loaded).embed(TEXTS, 25)
    assert [texts for texts, _ in passes] == [25, 25, 10]


def limited(model, monkeypatch, tokens):
    """The model's GPU has memory for so many tokens."""
    import torch

    forward = model.loaded.forward

    def small(features, *rest, **options):
        if features["input_ids"].numel() > tokens:
            raise torch.cuda.OutOfMemoryError("CUDA out of memory")
        return forward(features, *rest, **options)

    monkeypatch.setattr(model.loaded, "forward", small)


@pytest.mark.nightly
def test_a_pass_that_exceeds_the_memory_is_halved_for_good(model, monkeypatch, caplog):
    expected = TokenPasses(model.loaded).embed(TEXTS, ALL)
    limited(model, monkeypatch, 900)
    halved = TokenPasses(model.loaded, 4_000)
    assert np.abs(halved.embed(TEXTS, ALL) - expected).max() < 1e-5
    assert 450 < halved.tokens <= 900
    assert f"passes have at most {halved.tokens} tokens now" in caplog.text
    caplog.clear()
    halved.embed(TEXTS, ALL)
    assert caplog.text == ""


def test_a_single_text_that_exceeds_the_memory_ends_the_job(model, monkeypatch):
    limited(model, monkeypatch, PADDED_TO)
    with pytest.raises(JobError, match="not enough memory for this model and a single input"):
        TokenPasses(model.loaded).embed(["one two three four five six seven eight nine ten"], ALL)


def test_a_model_is_run_by_tokens_only_where_the_vectors_agree(model, monkeypatch):
    assert model._token_passes() is not None
    monkeypatch.setattr(TokenPasses, "embed", lambda self, texts, most: np.eye(len(texts), 384, dtype=np.float32))
    assert model._token_passes() is None
