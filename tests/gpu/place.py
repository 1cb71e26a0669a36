"""The parts of the tier `gpu`, and its models: they need no network, and no command on the PATH."""

import io
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest

from embedded.milvus_lite import MilvusLite
from embedded.pdfs import make_pdf
from embedded.processes import base_environment, command_line
from embedded.ray_head import RayHead

RAY_JOBS = Path(__file__).resolve().parents[2] / "ray_jobs"
JOB_SECONDS = 150
DRY = os.environ.get("GPU_DRY") == "1"
LEAST_COSINE = 0.9999

needs_gpu = pytest.mark.skipif("not __import__('torch').cuda.is_available()", reason="this machine has no GPU")


def has_gpu() -> bool:
    import torch

    return torch.cuda.is_available()


def device() -> str:
    return "cuda" if has_gpu() else "cpu"


class Head(RayHead):
    """A Ray head whose command is a module: packages in a folder on the path bring no commands that run there."""

    def command(self) -> list[str]:
        _, *arguments = super().command()
        return [sys.executable, "-m", "ray.scripts.scripts", *arguments]


class Lite(MilvusLite):
    """Milvus Lite, started as a module as well."""

    def command(self) -> list[str]:
        _, *arguments = super().command()
        return [sys.executable, "-c", "import sys; from milvus_lite.cmdline import main; sys.exit(main())", *arguments]


@dataclass
class Place:
    """A Ray head and a Milvus Lite server, and scripts that use both."""

    head: Head
    milvus: Lite
    folder: Path
    gpus: bool

    def run(self, script: str, *flags: str, during: Callable[[subprocess.Popen[str], Path], None] | None = None) -> Any:
        """Run a job script; return the report. `during` is called with its process and the file of its output.

        Raises:
            AssertionError: the script failed; the message is its output.
        """
        log = self.folder / f"{time.time_ns()}.log"
        environment = {**base_environment(), **self.head.client_environment()}
        with log.open("w") as file:
            command = [sys.executable, str(RAY_JOBS / script), "--milvus-uri", self.milvus.uri, *flags]
            process = subprocess.Popen(command, env=environment, stdout=file, stderr=subprocess.STDOUT, text=True)
            try:
                if during is not None:
                    during(process, log)
                code = process.wait(JOB_SECONDS)
            finally:
                process.kill()
        output = log.read_text(errors="replace")
        assert code == 0, output
        print("\n" + "\n".join(re.findall(r"^Ray cluster.*|^REPORT .*", output, re.MULTILINE)))
        return json.loads(re.findall(r"^REPORT (.*)$", output, re.MULTILINE)[-1])

    def actors(self, name: str) -> list[psutil.Process]:
        """The processes of the actors of a class."""
        return [
            process
            for process in self.head.members()
            if (words := command_line(process)) and words[0].startswith("ray::") and name in words[0]
        ]

    def rows(self, collection: str) -> dict[str, list[float]]:
        """The vectors of a collection's rows, by id."""
        sys.path.append(str(RAY_JOBS))
        from ingest.milvus.client import connect, query_pages

        client = connect(self.milvus.uri)
        pages = query_pages(client, collection, 'id != ""', ["id", "embedding"])
        return {row["id"]: row["embedding"] for page in pages for row in page}


def started(folder: Path, gpus: bool) -> Iterator[Place]:
    """The parts, as long as they are needed."""
    with Head(folder / "ray", num_cpus=os.cpu_count() or 2) as head, Lite(folder / "milvus") as milvus:
        yield Place(head, milvus, folder, gpus)


# --- models of production's shapes with random weights: shapes, and not weights, decide their speed


def whisper_large(folder: Path, small: bool) -> Path:
    """A folder for CTranslate2 with the shape of Whisper large-v3 (1,550 million parameters; a few when `small`)."""
    import torch
    from ctranslate2.converters.transformers import WhisperLoader
    from transformers import WhisperConfig, WhisperForConditionalGeneration

    width, heads, layers = (64, 4, 2) if small else (1280, 20, 32)
    config = WhisperConfig(
        vocab_size=51_866,
        num_mel_bins=128,
        d_model=width,
        encoder_layers=layers,
        decoder_layers=layers,
        encoder_attention_heads=heads,
        decoder_attention_heads=heads,
        encoder_ffn_dim=4 * width,
        decoder_ffn_dim=4 * width,
    )
    torch.manual_seed(0)
    with torch.device(device()):
        model = WhisperForConditionalGeneration(config)
    model = model.half().to("cpu").eval()
    spec = WhisperLoader().get_model_spec(model)
    words = [f"<{number}>" for number in range(config.vocab_size)]
    special = ("endoftext", "startoftranscript")
    words[50_257:50_259] = [f"<|{name}|>" for name in special]
    special = ("translate", "transcribe", "startoflm", "startofprev", "nospeech", "notimestamps")
    words[50_359:50_365] = [f"<|{name}|>" for name in special]
    spec.register_vocabulary(words)
    spec.config.alignment_heads = [(layers - 1, 0)]
    spec.config.lang_ids = [50259]
    spec.config.suppress_ids, spec.config.suppress_ids_begin = [], []
    spec.validate()
    spec.optimize(quantization="float16")
    folder.mkdir(exist_ok=True)
    spec.save(str(folder))
    return folder


# --- inputs


def texts(count: int, seed: int = 0) -> list[str]:
    """Texts of 20 to 160 words, each of them another one."""
    chance = np.random.default_rng(seed)
    words = ["light", "harbour", "ship", "trace", "cache", "loop", "river", "stone", "letter", "winter", "engine"]
    return [" ".join(chance.choice(words, chance.integers(20, 160))) + f" {seed} {number}." for number in range(count)]


def write_pdf(file: Path, pages: int, seed: int) -> None:
    """Write a PDF of pages that no other seed has."""
    file.write_bytes(make_pdf(*texts(pages, seed)))


def pdf_with_figure(number: int) -> bytes:
    """A PDF of a page with a sentence and a picture."""
    import pymupdf
    from PIL import Image

    pixels = np.random.default_rng(number).integers(0, 255, (200, 300, 3), np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    with pymupdf.open() as document:
        page = document.new_page()
        page.insert_text((72, 72), f"The figure below is number {number} of eight.")
        page.insert_image(pymupdf.Rect(72, 100, 372, 300), stream=file.getvalue())
        data: bytes = document.tobytes()
        return data


# --- measuring


def cosines(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    return (first * second).sum(1) / np.linalg.norm(first, axis=1) / np.linalg.norm(second, axis=1)


def busy_share(function: Callable[[], object]) -> float:
    """The share of the wall time of a call in which a kernel or a copy runs on the GPU, by torch's profiler."""
    import torch
    from torch.profiler import ProfilerActivity, profile

    torch.cuda.synchronize()
    with profile(activities=[ProfilerActivity.CUDA]) as found:
        started = time.perf_counter()
        function()
        torch.cuda.synchronize()
        wall = time.perf_counter() - started
    spans = sorted(
        (event.time_range.start, event.time_range.end)
        for event in found.events()
        if str(event.device_type).endswith("CUDA")
    )
    total, last = 0.0, 0.0
    for start, end in spans:
        total += max(0.0, end - max(start, last))
        last = max(last, end)
    return total / 1e6 / wall


@contextmanager
def sampled_use() -> Iterator[list[float]]:
    """At its end, the list has the share of `nvidia-smi`'s samples with a kernel, from the first to the last such."""
    command = ["nvidia-smi", "--query-gpu=utilization.gpu", "--format=csv,noheader,nounits", "-lms", "200"]
    shares: list[float] = []
    with tempfile.TemporaryFile("w+") as file:
        with subprocess.Popen(command, stdout=file) as process:
            try:
                yield shares
            finally:
                process.terminate()
        file.seek(0)
        busy = np.trim_zeros([int(line) for line in file.read().split()])
        shares.append(float(np.mean(busy)) / 100 if busy else 0.0)


def table(title: str, rows: Sequence[tuple[str, str]]) -> None:
    """Print a table of two columns as Markdown."""
    print(f"\n| {title} | |\n|---|---|")
    for name, value in rows:
        print(f"| {name} | {value} |")
