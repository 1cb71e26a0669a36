"""The speed of the models and of a large job on a GPU, against the limit of each: ratios in one run, as tables."""

import multiprocessing
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from itertools import repeat

import numpy as np
import pytest

from gpu.place import DRY, busy_share, device, has_gpu, sampled_use, table, texts, write_pdf

TEXTS = 256 if DRY else 4096
LARGE_JOB = (8, 4) if DRY else (500, 40)
"""PDFs, and pages of each."""

ANSWER_TOKENS = 100
"""Tokens that people say in 30 s."""

SPOKEN_SECONDS = 300

pytestmark = [pytest.mark.gpu, pytest.mark.timeout(600)]


def median_rate(work: Callable[[], object], count: int) -> float:
    """The median of three rates, in things per second, of work that does `count` things."""
    rates = []
    for _ in range(3):
        began = time.perf_counter()
        work()
        rates.append(count / (time.perf_counter() - began))
    return float(np.median(rates))


def compare(title: str, limits: dict[str, float], name: str, unit: str, work: Callable[[], object], count: int) -> None:
    """Print the rates of some bare loops and of our own work, and their ratio, as a table."""
    rate = median_rate(work, count)
    rows = [(f"bare loop, {loop}", f"{limit:.0f} {unit}/s") for loop, limit in limits.items()]
    rows += [(name, f"{rate:.0f} {unit}/s"), ("T*/T", f"{rate / max(limits.values()):.2f}")]
    if has_gpu():
        rows.append(("share of time in which the GPU computes", f"{busy_share(work):.2f}"))
    table(title, rows)


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
    limits = {f"{budget} tokens a pass": max(loop(budget) for _ in range(2)) for budget in budgets}
    encoder = TextEncoder(str(bge), dimension, 2, device=device())
    encoder.encode(some[:64])
    compare("BGE-M3's shape", limits, "TextEncoder", "texts", lambda: encoder.encode(some), len(some))


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
    limits = {f"batches of {batch}": max(loop(batch) for _ in range(2)) for batch in batches}
    encoder = ClipEncoder(described.name, described.pretrained, described.dimension, 2, device=device())
    encoder.encode_images(pixels[:32])
    compare("ViT-L/14's shape", limits, "ClipEncoder", "images", lambda: encoder.encode_images(pixels), len(pixels))


def test_clips_of_speech_by_batch(large_whisper):
    """Encoder and decoder of Whisper large's shape, by clips per pass: which batch is worth its memory."""
    import ctranslate2

    model = ctranslate2.models.Whisper(str(large_whisper), device=device(), compute_type="default")
    chance = np.random.default_rng(0)

    def rate(batch: int) -> float:
        features = ctranslate2.StorageView.from_array(chance.normal(size=(batch, 128, 3000)).astype(np.float32))
        prompt = [[50258, 50259, 50360]] * batch

        def transcribe() -> None:
            tokens = 8 if DRY else ANSWER_TOKENS
            model.generate(model.encode(features, to_cpu=False), prompt, beam_size=5, max_length=tokens)

        transcribe()
        return median_rate(transcribe, batch)

    batches = (1, 2) if DRY else (1, 8, 16, 32)
    table("Whisper large's shape", [(f"batches of {batch}", f"{rate(batch):.1f} clips/s") for batch in batches])


def test_speech_reaches_its_limit(whisper, recordings):
    """The limit is faster-whisper's own pipeline at the best of some batches, over the same recording."""
    from faster_whisper import BatchedInferencePipeline, WhisperModel, decode_audio

    from ingest.models.transcriber import Transcriber

    files = sorted(file for file in recordings.rglob("*") if file.is_file())
    once = np.concatenate([decode_audio(str(file)) for file in files])
    samples = np.tile(once, 1 if DRY else -(-SPOKEN_SECONDS * 16_000 // len(once)))
    seconds = len(samples) / 16_000
    precision = "float16" if has_gpu() else "int8"
    bare = BatchedInferencePipeline(WhisperModel(str(whisper), device=device(), compute_type=precision))

    def loop(batch: int) -> float:
        began = time.perf_counter()
        found, _ = bare.transcribe(samples, language="en", batch_size=batch, without_timestamps=False)
        assert list(found)
        return seconds / (time.perf_counter() - began)

    batches = (4,) if DRY else (8, 16, 32, 64)
    loop(batches[0])
    rates = {batch: loop(batch) for batch in batches}
    pcm = (samples * 32_767).astype(np.int16)
    rows = [(f"faster-whisper, batches of {batch}", f"{each:.0f} s of speech/s") for batch, each in rates.items()]
    for batch in (4,) if DRY else (8, 32):
        transcriber = Transcriber(str(whisper), 2, device(), batch)
        transcriber.transcribe(pcm[: 60 * 16_000])
        began = time.perf_counter()
        assert transcriber.transcribe(pcm).segments
        rate = seconds / (time.perf_counter() - began)
        rows.append((f"Transcriber, batches of {batch}", f"{rate:.0f} s of speech/s"))
        rows.append(("T*/T", f"{rate / max(rates.values()):.2f}"))
    table("Whisper tiny.en", rows)


def test_a_large_job_keeps_the_gpu_at_work(place, bge, tmp_path):
    """All of a job: Ray, parsing on the CPUs, Milvus Lite, and a model for which the GPU is there."""
    count, pages = LARGE_JOB
    files = [tmp_path / f"{number}.pdf" for number in range(count)]
    with ProcessPoolExecutor(mp_context=multiprocessing.get_context("spawn")) as pool:
        list(pool.map(write_pdf, files, repeat(pages), range(1, count + 1)))
    flags = ["--source", str(tmp_path), "--embedding-model", str(bge), "--collection", "large_"]
    if not has_gpu():
        place.run("ingest_pdfs.py", *flags)
        return
    with sampled_use() as use:
        report = place.run("ingest_pdfs.py", *flags)
    embed = report["stages"]["embed"]
    rows = [
        ("rows", str(report["rows_written"])),
        ("job", f"{report['seconds']:.0f} s"),
        ("the model's own work", f"{embed['seconds']:.0f} s, {embed['items'] / embed['seconds']:.0f} chunks/s"),
        ("share of time with a kernel, from the first to the last", f"{use[0]:.2f}"),
    ]
    table("A large job with BGE-M3's shape", rows)
    assert report["failed"] == 0
