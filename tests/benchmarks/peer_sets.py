"""The sets of objects that test_peers.py compares programs on."""

import random
from collections.abc import Iterator
from pathlib import Path

from embedded.pdfs import LIBRARY, make_pdf

SETS = {
    "clean": (
        "pdfs",
        "pdf/clean/*.pdf",
        "30 PDFs of the corpus, 380 pages; MiniLM, chunks of 200 tokens.",
    ),
    "big": ("pdfs", "pdf/big/*.pdf", "3 books of the corpus as PDFs, 1,256 pages; MiniLM, chunks of 200 tokens."),
    "mixed": ("pdfs", "pdf/[bc]*/*.pdf", "The 33 PDFs of both, of 1 to 619 pages; MiniLM, chunks of 200 tokens."),
    "many": ("pdfs", "", "1,500 PDFs of one page, made by the benchmark; MiniLM, chunks of 200 tokens."),
    "photos": ("images", "image/coco/*.*", "101 photos of the corpus; the tests' stand-in for CLIP."),
    "album": ("images", "image/coco/*.*", "The same photos 20 times: 2,020; the tests' stand-in for CLIP."),
    "speech": ("audio", "audio/*/*.*", "44 recordings of the corpus; Whisper tiny.en with int8, MiniLM."),
}
"""By name, the kind of the files, their place in the corpus (`many` are made here), and a sentence for people."""

COPIES = {"album": 20}
"""How many times a set has each file of the corpus, if not once."""


def corpus_files(corpus: Path, name: str) -> dict[str, bytes]:
    """The files of a set of the corpus, by names of one level."""
    files = [file for file in sorted(corpus.glob(SETS[name][1])) if file.is_file()]
    copies = COPIES.get(name, 1)
    return {
        f"{file.parent.name}-{copy}-{file.name}" if copies > 1 else f"{file.parent.name}-{file.name}": file.read_bytes()
        for copy in range(copies)
        for file in files
    }


def one_page_pdfs(count: int) -> Iterator[tuple[str, bytes]]:
    """PDFs of 60 to 400 words of the demo's texts, in another order in each: about 1.3 chunks each."""
    texts = [file.read_text("utf-8") for file in sorted(LIBRARY.rglob("*.txt"))]
    words = [word for text in texts if text.isascii() for word in text.split()]
    chance = random.Random(1)
    for number in range(count):
        page = f"Report {number}. " + " ".join(chance.choices(words, k=chance.randint(60, 400)))
        yield f"{number:05}.pdf", make_pdf(page)
