"""The rates of texts and of OCR on CPUs, against the libraries' own calls with the same weights, on all cores at once.

    uv run pytest -n 0 -s -m benchmark tests/benchmarks/test_cpu_models.py

Each core has a process of one thread, and models are loaded before a time counts.
"""

import random

import pytest

from benchmarks.limits import CORES, embed_texts, on_all_cores, prepare_texts
from benchmarks.plain_models import (
    BATCH,
    encode,
    prepare_ocr,
    prepare_rapidocr,
    prepare_sentences,
    read_by_ocr,
    read_by_rapidocr,
)
from embedded.pdfs import LIBRARY

TEXTS = 1024

pytestmark = [pytest.mark.benchmark, pytest.mark.timeout(1200)]


def chunks(count: int) -> list[str]:
    """Texts of the demo's library, of 60 to 140 words: chunks of at most about 200 tokens."""
    words = " ".join(file.read_text("utf-8") for file in sorted(LIBRARY.rglob("*.txt"))).split()
    words = [word for word in words if word.isascii()]
    chance = random.Random(1)
    starts = [chance.randrange(len(words) - 140) for _ in range(count)]
    return [" ".join(words[start : start + chance.randint(60, 140)]) for start in starts]


def test_texts(figures, minilm_path):
    texts = chunks(TEXTS)
    parts = [(texts[number::CORES],) for number in range(CORES)]
    theirs, expected = on_all_cores(encode, parts, prepare_sentences, (minilm_path,))
    ours, vectors = on_all_cores(embed_texts, parts, prepare_texts, (minilm_path,))
    least = min(float((own * other).sum(1).min()) for own, other in zip(vectors, expected, strict=True))
    figures.note(
        "models", "texts", theirs / ours, f"MiniLM, {TEXTS / ours:.1f} against {TEXTS / theirs:.1f} texts a second and "
        f"core of `SentenceTransformer.encode(batch_size={BATCH})`; least cosine {least:.6f}"
    )  # fmt: skip
    assert least >= 0.9999
    assert theirs / ours > 1


def test_scans(figures, corpus):
    files = sorted((corpus / "pdf" / "scan").glob("*.pdf"))
    parts = [(file,) for file in files]
    theirs, expected = on_all_cores(read_by_rapidocr, parts, prepare_rapidocr)
    ours, found = on_all_cores(read_by_ocr, parts, prepare_ocr)
    pages = sum(map(len, found))
    same = shared_words([page for file in expected for page in file], [page for file in found for page in file])
    figures.note(
        "models", "scanned pages", theirs / ours, f"{ours / pages:.2f} instead of {theirs / pages:.2f} s of a core a "
        f"page of `RapidOCR()`, one thread; {same:.1%} of its words are among ours"
    )  # fmt: skip
    assert same > 0.9
    assert theirs / ours > 1


def shared_words(expected: list[str], found: list[str]) -> float:
    """The share of the words of some pages that the same page has elsewhere."""
    shares = [(words := set(page.split())) and (len(words & set(other.split())), len(words))
              for page, other in zip(expected, found, strict=True)]  # fmt: skip
    pairs = [pair for pair in shares if pair]
    return sum(common for common, _ in pairs) / sum(count for _, count in pairs)
