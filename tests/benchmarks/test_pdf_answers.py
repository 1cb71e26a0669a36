"""How fast PDFs are parsed, and whether questions find their page: dense search in a loop, without Ray and Milvus.

    uv run pytest -m benchmark -s tests/benchmarks/test_pdf_answers.py

The second embeds the files that the corpus' questions refer to, and some more: ten minutes on two busy cores, a third
of it for OCR.
"""

import json
import os
import time
from pathlib import Path

import numpy as np
import pytest

from ingest.pdf.chunking import ChunkSettings
from ingest.pdf.document import DocumentSettings, parse_pdf, prepare_documents, read_document

pytestmark = [pytest.mark.benchmark, pytest.mark.timeout(3600)]

HITS = 5
EVERY = 6
"""Of the files that no question is about, so many are skipped for one that is taken."""


def test_pages_per_second(corpus):
    files = [*sorted(corpus.glob("pdf/clean/*.pdf")), *sorted(corpus.glob("pdf/big/*.pdf"))]
    contents = [file.read_bytes() for file in files]
    parse_pdf(contents[0], ocr=False)  # imports
    started = time.process_time()
    pages = sum(len(parse_pdf(content, ocr=False)[0]) for content in contents)
    seconds = time.process_time() - started
    print(f"\n{pages} pages in {seconds:.1f} s of CPU: {pages / seconds:.0f} pages/s on one core")
    assert pages == 1636


def test_questions_find_their_page_among_the_first_hits(corpus, minilm_path):
    from ingest.models.text_encoder import TextEncoder
    from ingest.models.text_model import find_text_model

    questions = [json.loads(line) for line in (corpus / "truth_pdf.jsonl").read_text().splitlines()]
    asked = {answer["file"] for question in questions for answer in question["answers"]}
    others = sorted(str(file.relative_to(corpus)) for file in corpus.glob("pdf/*/*.pdf") if "big" not in file.parts)
    files = sorted(asked.union([name for name in others if name not in asked][::EVERY]))
    prepare_documents((Path(minilm_path) / "tokenizer.json").read_text())
    settings = DocumentSettings(ChunkSettings(200, 0), 20_000)
    places, texts = [], []
    for name in files:
        for chunk in read_document((corpus / name).read_bytes(), settings).chunks:
            places.append((name, chunk.page))
            texts.append(chunk.text)
    encoder = TextEncoder(minilm_path, find_text_model(minilm_path).dimension, threads=os.cpu_count() or 1)
    vectors = encoder.encode(texts)

    def found(question):
        best = np.argsort(-(vectors @ encoder.encode_query(question["query"])))[:HITS]
        return any(
            (answer["file"], answer["page"]) in {places[index] for index in best} for answer in question["answers"]
        )

    print(f"\n{len(files)} files, {len(texts)} chunks")
    shares = {}
    for group, chosen in {
        "OCR": [question for question in questions if question["needs_ocr"]],
        "English": [question for question in questions if not question["needs_ocr"] and question["lang"] == "en"],
        "other languages": [
            question for question in questions if not question["needs_ocr"] and question["lang"] != "en"
        ],
    }.items():
        missed = [question["id"] for question in chosen if not found(question)]
        shares[group] = 1 - len(missed) / len(chosen)
        print(f"{group:<16} {len(chosen) - len(missed)}/{len(chosen)}  missed {missed}")
    assert shares["OCR"] >= 0.6
    assert shares["English"] >= 0.98
    assert shares["other languages"] >= 0.66
