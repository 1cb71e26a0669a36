"""Mutated files through the real parsers in their sandbox, as the stages call them.

uv run pytest -n 0 -s -m chaos tests/ray_jobs/stages/test_fuzz.py

Each mutant has a seed of its own, so that one of them can be made again: `mutant(files, "pdf", 17)`.
"""

import contextlib
import os
import random
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cache, partial
from pathlib import Path
from typing import Any

import psutil
import pytest

from embedded.images import make_odd_images
from embedded.pdfs import DAYS, make_pdfs
from embedded.videos import BREAKFAST, Film, Scene, make_films
from ingest.common.errors import ObjectError
from ingest.common.failures import Stage
from ingest.common.limits import Limits
from ingest.common.objects import PARTLY_READ
from ingest.common.sandbox import Sandbox
from ingest.common.square import Square
from ingest.image.decoder import read_image
from ingest.image.opening import prepare_images
from ingest.media.extraction import MediaSettings, extract
from ingest.media.shared_film import prepare_media
from ingest.pdf.chunking import ChunkSettings
from ingest.pdf.document import DocumentSettings, prepare_documents, read_document

SEED = 20260101
COUNTS = {"pdf": 3000, "image": 3000, "media": 1000}
FEW = {"pdf": 8, "image": 24, "media": 8}
WORKERS = os.cpu_count() or 1
LIMITS = Limits(seconds=60)
LATE_SECONDS = 30
"""Within which a parser is ended after its limit, on a busy machine."""

MAX_SOURCE_BYTES = {"pdf": 60_000, "image": 60_000, "media": 200_000}
WARM_FILES = 50
MAX_GROWTH_BYTES = 3 << 29
"""By which the memory of a process may grow after its first WARM_FILES files. OCR takes most of it, up to 1.2 GB."""

OCR_EVERY = 50
"""Of so many PDFs, two are read by OCR, which takes seconds for each page."""

FOLDERS = {"pdf": ("pdf", "bad/pdf", "cases/pdf"), "image": ("image", "bad/image", "cases/image"),
           "media": ("audio", "video", "bad/video", "cases/media")}  # fmt: skip
CUTS = (Scene("cat.jpg", 0.5), Scene("rocket.jpg", 0.5))
FILMS = (
    Film("tiny.mp4", "mp4", CUTS),
    Film("tiny.mkv", "matroska", CUTS, (BREAKFAST,), audio_codec="libopus"),
    Film("tiny.avi", "avi", CUTS, video_codec="mpeg4"),
    Film("tiny.ts", "mpegts", CUTS),
    Film("tiny.webm", "webm", CUTS, video_codec="libvpx-vp9"),
    Film("tiny.mp3", "mp3", sound=(BREAKFAST,), audio_codec="libmp3lame"),
    Film("tiny.wav", "wav", sound=(BREAKFAST,), audio_codec="pcm_s16le"),
    Film("tiny.flac", "flac", sound=(BREAKFAST,), audio_codec="flac"),
    Film("tiny.ogg", "ogg", sound=(BREAKFAST,), audio_codec="libopus"),
)


@cache
def made(kind: str) -> dict[str, bytes]:
    """Self-made files by name."""
    if kind == "pdf":
        return {name: data for day in DAYS for name, data in make_pdfs(day).items()}
    if kind == "media":
        return make_films(FILMS)
    return {name: odd.data for name, odd in make_odd_images().items() if odd.shown}


def of_corpus(corpus: Path, kind: str) -> dict[str, bytes]:
    """Small files of the corpus by path."""
    files = sorted(file for folder in FOLDERS[kind] for file in (corpus / folder).rglob("*") if file.is_file())
    return {
        str(file.relative_to(corpus)): file.read_bytes()
        for file in files
        if 0 < file.stat().st_size <= MAX_SOURCE_BYTES[kind]
    }


# --- Mutations


def flipped(data: bytearray, chance: random.Random) -> bytearray:
    for _ in range(chance.choice((1, 4, 32, 256))):
        data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
    return data


def cut(data: bytearray, chance: random.Random) -> bytearray:
    return data[: chance.randrange(1, len(data) + 1)]


def block(data: bytearray, chance: random.Random) -> slice:
    start = chance.randrange(len(data))
    return slice(start, start + chance.choice((1, 16, 512, 4096)))


def repeated(data: bytearray, chance: random.Random) -> bytearray:
    chosen = block(data, chance)
    return data[: chosen.stop] + data[chosen] * chance.choice((1, 2, 30)) + data[chosen.stop :]


def removed(data: bytearray, chance: random.Random) -> bytearray:
    del data[block(data, chance)]
    return data


def swapped(data: bytearray, chance: random.Random) -> bytearray:
    one, other = sorted((block(data, chance), block(data, chance)), key=lambda chosen: chosen.start)
    length = min(512, other.start - one.start, len(data) - other.start)
    a, b = slice(one.start, one.start + length), slice(other.start, other.start + length)
    data[a], data[b] = data[b], data[a]
    return data


def zeroed(data: bytearray, chance: random.Random) -> bytearray:
    chosen = block(data, chance)
    data[chosen] = bytes(len(data[chosen]))
    return data


def miscounted(data: bytearray, chance: random.Random) -> bytearray:
    """Overwrite what may be a length: a number in the text, or four bytes among the first ones."""
    digits = [place for place, byte in enumerate(data[:20_000]) if 48 <= byte <= 57]
    if digits and chance.random() < 0.5:
        data[chance.choice(digits)] = chance.choice(b"0123456789-")
    else:
        start = chance.randrange(min(len(data), 2000))
        data[start : start + 4] = chance.choice((b"\0\0\0\0", b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff", b"\0\0\0\1"))
    return data


MUTATIONS = (flipped, cut, repeated, removed, swapped, zeroed, miscounted)


def mutant(files: Mapping[str, bytes], kind: str, number: int) -> tuple[str, bytes]:
    """The name of a source, and the bytes of a mutant of it."""
    chance = random.Random(f"{SEED} {kind} {number}")
    name = chance.choice(sorted(files))
    data = bytearray(files[name])
    for mutate in chance.choices(MUTATIONS, k=chance.choice((1, 1, 2, 3))):
        if data:  # else an earlier mutation has removed all of it
            data = mutate(data, chance) or data
    return name, bytes(data)


# --- The parsers, as the stages call them


def open_sandbox(kind: str, tokenizer: str) -> Sandbox:
    if kind == "pdf":
        return Sandbox(prepare_documents, LIMITS, tokenizer)
    return Sandbox(prepare_images if kind == "image" else prepare_media, LIMITS)


def parse(kind: str, sandbox: Sandbox, name: str, data: bytes, ocr: bool) -> Mapping[str, Any]:
    """The metadata of what is read."""
    if kind == "pdf":
        settings = DocumentSettings(ChunkSettings(200, 20), LIMITS.pages, ocr)
        return sandbox.run(read_document, data, settings).metadata
    if kind == "image":
        return sandbox.run(read_image, data, Square(224), LIMITS.pixels).metadata
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"object{Path(name).suffix}"
        path.write_bytes(data)
        return sandbox.run(extract, str(path), folder, MediaSettings(max_seconds=LIMITS.media_seconds)).metadata


@dataclass
class Outcomes:
    """Counts by outcome with the first mutant of each; faults; and the memory of each process, file by file."""

    counts: Counter[str] = field(default_factory=Counter)
    first: dict[str, str] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)
    memory: dict[int, list[int]] = field(default_factory=dict)
    slowest: float = 0.0

    def growth(self) -> int:
        """The most by which a process has grown after its first files, in bytes."""
        return max(max(sizes[WARM_FILES:], default=0) - max(sizes[:WARM_FILES]) for sizes in self.memory.values())

    def __str__(self) -> str:
        lines = [f"{count:6} {name:28} e.g. {self.first[name]}" for name, count in self.counts.most_common()]
        return "\n".join([*lines, f"slowest {self.slowest:.1f} s, growth {max(self.growth(), 0) / 1e6:.0f} MB"])


def outcome_of(read: Callable[[], Mapping[str, Any]]) -> tuple[str, str]:
    """The outcome by stage and type, and its sentence."""
    try:
        metadata = read()
    except ObjectError as error:
        assert error.failure.stage == Stage.PARSE
        assert error.message.endswith(error.failure.advice)
        return f"{error.failure.stage}/{error.failure}", error.message
    message = metadata.get(PARTLY_READ, "")
    return ("partly" if message else "ok"), message


def fuzz(kind: str, files: Mapping[str, bytes], count: int, workers: int, tokenizer: str) -> Outcomes:
    """Parse mutants, each worker with a sandbox of its own."""
    outcomes = Outcomes()

    def work(worker: int) -> None:
        with open_sandbox(kind, tokenizer) as sandbox:
            for number in range(worker, count, workers):
                name, data = mutant(files, kind, number)
                started = time.monotonic()
                ocr = number % OCR_EVERY < 2
                outcome, message = outcome_of(partial(parse, kind, sandbox, name, data, ocr))
                seconds = time.monotonic() - started
                outcomes.slowest = max(outcomes.slowest, seconds)
                outcomes.counts[outcome] += 1
                outcomes.first.setdefault(outcome, f"{number} {name}: {message}")
                if seconds > LIMITS.seconds + LATE_SECONDS:
                    outcomes.faults.append(f"{number} {name}: took {seconds:.0f} s")
                if len(message) > 500 or not message.isprintable() or "Traceback" in message or 'File "' in message:
                    outcomes.faults.append(f"{number} {name}: {message}")
                for process in (psutil.Process(), *psutil.Process().children()):
                    with contextlib.suppress(psutil.NoSuchProcess):
                        outcomes.memory.setdefault(process.pid, []).append(process.memory_info().rss)

    with ThreadPoolExecutor(workers) as pool:
        list(pool.map(work, range(workers)))
    return outcomes


def check(kind: str, files: Mapping[str, bytes], count: int, workers: int, minilm_path: str) -> None:
    tokenizer = (Path(minilm_path) / "tokenizer.json").read_text()
    started = time.monotonic()
    outcomes = fuzz(kind, files, count, workers, tokenizer)
    print(f"\n{count} mutants of {len(files)} {kind} files in {time.monotonic() - started:.0f} s\n{outcomes}")
    assert sum(outcomes.counts.values()) == count
    assert outcomes.faults == []
    assert outcomes.growth() < MAX_GROWTH_BYTES


@pytest.mark.parametrize("kind", FEW)
def test_a_few_mutants_end_with_a_sentence(kind, minilm_path):
    check(kind, made(kind), FEW[kind], 1, minilm_path)


@pytest.mark.chaos
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("kind", COUNTS)
def test_mutants_of_made_files_end_with_a_sentence(kind, minilm_path):
    check(kind, made(kind), COUNTS[kind] // 5, WORKERS, minilm_path)


@pytest.mark.chaos
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("kind", COUNTS)
def test_mutants_of_the_corpus_end_with_a_sentence(kind, corpus, minilm_path):
    check(kind, of_corpus(corpus, kind), COUNTS[kind], WORKERS, minilm_path)
