"""Texts are embedded in smaller batches when a batch exceeds the GPU's memory, which the test simulates."""

import numpy as np
import pytest

from ingest.models.text_encoder import TextEncoder

TEXTS = [f"text number {number} " * (number % 9 + 1) for number in range(40)]


@pytest.mark.nightly
def test_a_batch_that_exceeds_the_memory_is_halved_and_every_text_has_its_vector(minilm_path, monkeypatch):
    import torch

    encoder = TextEncoder(minilm_path, 384, batch_size=8)
    whole = encoder.encode(TEXTS)
    embed = encoder._model.embed

    def small(texts, kind, batch_size):
        if len(texts) > 10:
            raise torch.cuda.OutOfMemoryError("CUDA out of memory")
        return embed(texts, kind, batch_size)

    monkeypatch.setattr(encoder._model, "embed", small)
    done = []
    halved = encoder.encode(TEXTS, lambda indices, vectors: done.extend(indices))
    assert np.abs(whole - halved).max() < 1e-5
    assert sorted(done) == list(range(len(TEXTS)))
    assert encoder._batches.size == 10


@pytest.mark.nightly
def test_the_tokens_are_those_that_the_model_has_read(minilm_path):
    from tokenizers import Tokenizer

    encoder = TextEncoder(minilm_path, 384, batch_size=8)
    tokenizer = Tokenizer.from_file(f"{minilm_path}/tokenizer.json")
    tokenizer.no_padding()
    tokenizer.enable_truncation(256)
    counted = []
    encoder.encode(TEXTS, lambda indices, vectors: counted.append((list(indices), encoder.take_tokens())))
    for indices, tokens in counted:
        assert tokens == sum(len(tokenizer.encode(TEXTS[index]).ids) for index in indices)
    assert encoder.take_tokens() == 0
