"""How fast PDFs are parsed, and whether the questions of the corpus find their pages in Milvus Lite, without Ray.

    uv run pytest -m benchmark -s tests/benchmarks/test_pdf_answers.py

The second embeds the files that the corpus' questions refer to, and some more: ten minutes on two busy cores, a third
of it for OCR.
"""

import json
import os
import time
from collections import defaultdict
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import pytest

from ingest.milvus.client import connect
from ingest.milvus.schema import DOCUMENTS, ensure_rows
from ingest.pdf.chunking import ChunkSettings
from ingest.pdf.document import DocumentSettings, parse_pdf, prepare_documents, read_document
from ingest.quality.command_line import measure
from ingest.quality.results import read_result
from ingest.quality.tables import table

pytestmark = [pytest.mark.benchmark, pytest.mark.timeout(3600)]

HITS = 5
PREFIX = "answers_"
ROWS_PER_WRITE = 1000
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


def test_questions_find_their_page_among_the_first_hits(corpus, minilm_path, milvus, tmp_path):
    """Every question counts whose page is among the first five by meaning; the table has all ways of searching."""
    from ingest.models.text_encoder import TextEncoder
    from ingest.models.text_model import find_text_model

    truth = [json.loads(line) for line in (corpus / "truth_pdf.jsonl").read_text().splitlines()]
    asked = {answer["file"] for question in truth for answer in question["answers"]}
    others = sorted(str(file.relative_to(corpus)) for file in corpus.glob("pdf/*/*.pdf") if "big" not in file.parts)
    files = sorted(asked.union([name for name in others if name not in asked][::EVERY]))
    prepare_documents((Path(minilm_path) / "tokenizer.json").read_text())
    settings = DocumentSettings(ChunkSettings(200, 0), 20_000)
    rows: list[dict[str, Any]] = []
    for name in files:
        for chunk in read_document((corpus / name).read_bytes(), settings).chunks:
            number = len(rows)
            rows.append(
                {"id": str(number), "source": f"file:///{name}", "version": "v", "ordinal": number, "page": chunk.page,
                 "kind": "text", "text": chunk.text, "metadata": {}}
            )  # fmt: skip
    dimension = find_text_model(minilm_path).dimension
    vectors = TextEncoder(minilm_path, dimension, threads=os.cpu_count() or 1).encode([row["text"] for row in rows])
    client = connect(milvus.uri)
    ensure_rows(client, DOCUMENTS, PREFIX + DOCUMENTS, dimension, model=minilm_path)
    for start in range(0, len(rows), ROWS_PER_WRITE):
        part = slice(start, start + ROWS_PER_WRITE)
        embedded = [{**row, "embedding": vector} for row, vector in zip(rows[part], vectors[part], strict=True)]
        client.upsert(PREFIX + DOCUMENTS, embedded)
    print(f"\n{len(files)} files, {len(rows)} chunks")

    questions, output = tmp_path / "questions.jsonl", tmp_path / "result.json"
    lines = [
        {"question": question["query"], "source": answer["file"], "page": answer["page"], "language": _group(question)}
        for question in truth
        for answer in question["answers"]
    ]
    questions.write_text("\n".join(json.dumps(line) for line in lines))
    with output.open("w") as out, redirect_stdout(out):
        flags = ["--milvus-uri", milvus.uri, "--questions", str(questions), "--collection", PREFIX, "--json"]
        assert measure(flags, "") == 0
    result = read_result(str(output))
    print(table(result))
    found = defaultdict(list)
    for question in result.questions:
        found[question.language].append(question.scores["dense"]["MRR@10"] >= 1 / HITS)
    shares = {group: sum(among) / len(among) for group, among in found.items()}
    assert shares["OCR"] >= 0.6
    assert shares["English"] >= 0.98
    assert shares["other languages"] >= 0.66


def _group(question):
    if question["needs_ocr"]:
        return "OCR"
    return "English" if question["lang"] == "en" else "other languages"
