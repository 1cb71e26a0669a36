"""The models on a GPU: half precision keeps the vectors, and passes that exceed its memory are halved."""

from contextlib import suppress

import numpy as np
import pytest

from gpu.place import LEAST_COSINE, cosines, needs_gpu, table, texts

pytestmark = [pytest.mark.gpu, pytest.mark.timeout(600)]


@needs_gpu
def test_half_precision_keeps_the_vectors_of_texts(minilm):
    from ingest.models.text_encoder import TextEncoder

    some = texts(256)
    half = TextEncoder(str(minilm), 384, device="cuda").encode(some)
    full = TextEncoder(str(minilm), 384, threads=4, device="cpu").encode(some)
    found = cosines(half, full)
    table("MiniLM, half precision on the GPU against CPUs", [("least cosine", f"{found.min():.7f}")])
    assert found.min() >= LEAST_COSINE
    assert np.allclose(np.linalg.norm(half, axis=1), 1, atol=1e-5)


@needs_gpu
def test_half_precision_keeps_the_vectors_of_images(clip):
    from ingest.models.clip_encoder import ClipEncoder
    from ingest.models.clip_model import find_clip_model

    model = find_clip_model(str(clip), "")
    pixels = np.random.default_rng(0).integers(0, 255, (16, 224, 224, 3), np.uint8)
    vectors = [
        ClipEncoder(model.name, model.pretrained, model.dimension, 4, device=kind).encode_images(pixels)
        for kind in ("cuda", "cpu")
    ]
    found = cosines(*vectors)
    table("ViT-L/14's shape, half precision against CPUs", [("least cosine", f"{found.min():.7f}")])
    assert found.min() >= LEAST_COSINE


@needs_gpu
def test_passes_that_exceed_the_memory_are_halved_and_go_on(bge):
    import torch

    from ingest.common.errors import JobError
    from ingest.models.text_encoder import TextEncoder

    some = texts(2048)
    encoder = TextEncoder(str(bge), 1024, device="cuda")
    wanted = encoder.encode(some)
    limit = torch.cuda.memory_allocated() + 800_000_000
    torch.cuda.empty_cache()
    torch.cuda.set_per_process_memory_fraction(limit / torch.cuda.get_device_properties(0).total_memory)
    try:
        passes = encoder._model._passes
        before = passes.tokens
        found = encoder.encode(some)
        rows = [("tokens of a pass before", str(before)), ("with 0.8 GB beside the model", str(passes.tokens))]
        table("Memory", rows)
        assert passes.tokens < before
        assert cosines(found, wanted).min() >= LEAST_COSINE
        torch.cuda.empty_cache()
        nothing = torch.cuda.memory_allocated() + 1_000_000
        torch.cuda.set_per_process_memory_fraction(nothing / torch.cuda.get_device_properties(0).total_memory)
        taken = []
        for size in (1 << 24, 1 << 20, 1 << 12):  # what the allocator keeps free would do for short texts
            with suppress(torch.cuda.OutOfMemoryError):
                while True:
                    taken.append(torch.empty(size, dtype=torch.uint8, device="cuda"))
        with pytest.raises(JobError, match="not enough memory for this model and a single input"):
            encoder.encode(some[:4])
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)
