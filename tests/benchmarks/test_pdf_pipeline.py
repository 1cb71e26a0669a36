"""How the warm pipeline compares with a loop over all PDFs of the corpus, in one run on one machine.

    uv run pytest -n 0 -m benchmark -s tests/benchmarks/test_pdf_pipeline.py

The loop does the same work with the same libraries, one object after the other; start-up counts for neither.

The answers are checked too: a fast pipeline that finds nothing is of no use.
"""

import json
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from benchmarks.limits import CHUNK_TOKENS, CORES
from benchmarks.pipeline_runs import printed_by, report_of, uploaded

BATCH = 32

pytestmark = [pytest.mark.benchmark, pytest.mark.timeout(3600)]


@pytest.fixture(scope="module")
def papers(corpus, object_store):
    """The corpus' PDFs in a bucket: the source and the local files."""
    files = sorted((corpus / "pdf").rglob("*.pdf"))
    return uploaded(object_store, files, corpus / "pdf", "pdf"), files


@pytest.fixture(scope="module")
def loop(papers, minilm_path, tmp_path_factory):
    """Seconds of the serial loop."""
    return printed_by(__file__, minilm_path, tmp_path_factory.mktemp("loop"), *papers[1])


@pytest.fixture(scope="module")
def report(papers, object_store, milvus, ray_head, minilm_path):
    """The report of the real job on a running Ray head."""
    flags = ["--embedding-model", minilm_path, "--chunk-tokens", str(CHUNK_TOKENS), "--collection", "bench_"]
    return report_of("pdfs", papers[0], flags, object_store, milvus, ray_head)


def test_the_pipeline_is_ahead_of_a_loop(loop, report):
    warm = report["seconds"] - report["stages"]["start"]["seconds"]
    print(f"\nloop {loop['seconds']:.1f} s, pipeline {warm:.1f} s, loop/pipeline {loop['seconds'] / warm:.2f}")
    assert report["rows_written"] == loop["chunks"]
    assert loop["seconds"] / warm > 1


def test_questions_find_their_page(corpus, milvus, minilm_path, report):
    """Share of questions whose page is among the first five hits (chunks, not pages: the harder count)."""
    from pymilvus import AnnSearchRequest, RRFRanker

    from ingest.milvus.client import connect
    from ingest.models.text_encoder import TextEncoder
    from ingest.models.text_model import find_text_model

    model = find_text_model(minilm_path)
    encoder = TextEncoder(model.name, model.dimension, threads=CORES)
    client = connect(milvus.uri)

    def found(question: dict, hybrid: bool) -> bool:
        vector = encoder.encode_query(question["query"])
        if hybrid:
            requests = [
                AnnSearchRequest([vector], "embedding", {"metric_type": "COSINE"}, 20),
                AnnSearchRequest([question["query"]], "sparse", {"metric_type": "BM25"}, 20),
            ]
            hits = client.hybrid_search(
                "bench_documents", requests, RRFRanker(60), limit=5, output_fields=["source", "page"]
            )
        else:
            hits = client.search(
                "bench_documents", [vector], anns_field="embedding", limit=5, output_fields=["source", "page"]
            )
        pages = {(hit["entity"]["source"].removeprefix("s3://benchmark/"), hit["entity"]["page"]) for hit in hits[0]}
        return any((answer["file"], answer["page"]) in pages for answer in question["answers"])

    questions = [json.loads(line) for line in (corpus / "truth_pdf.jsonl").read_text().splitlines()]
    shares = {}
    for name, chosen in (
        ("English", [q for q in questions if q["lang"] == "en" and not q["needs_ocr"]]),
        ("other languages", [q for q in questions if q["lang"] != "en" and not q["needs_ocr"]]),
    ):
        for hybrid in (True, False):
            hits = [found(question, hybrid) for question in chosen]
            shares[name, hybrid] = np.mean(hits)
            missed = [question["id"] for question, hit in zip(chosen, hits, strict=True) if not hit]
            print(f"{name:<16} {'hybrid' if hybrid else 'dense '} {sum(hits)}/{len(hits)}  missed {missed}")
    assert shares["English", True] >= 0.95


def _measure_loop(model_path: str, folder: Path, files: list[Path]) -> dict:
    from sentence_transformers import SentenceTransformer

    from embedded.milvus_lite import MilvusLite
    from ingest.milvus.client import connect
    from ingest.milvus.schema import DOCUMENTS, ensure_rows
    from ingest.models.text_model import find_text_model
    from ingest.pdf.chunking import ChunkSettings, chunk_pages
    from ingest.pdf.document import parse_pdf

    model = find_text_model(model_path)
    encoder = SentenceTransformer(model_path, device="cpu")
    encoder.encode(["warm up"] * BATCH)
    settings = ChunkSettings(CHUNK_TOKENS, 0)
    written = 0
    with MilvusLite(folder) as server:
        client = connect(server.uri)
        ensure_rows(client, DOCUMENTS, "documents", model.dimension)
        started = time.perf_counter()
        for file in files:
            chunks = list(chunk_pages(parse_pdf(file.read_bytes())[0], model.tokenizer_json, settings))
            if not chunks:
                continue
            vectors = encoder.encode([chunk.text for chunk in chunks], batch_size=BATCH, normalize_embeddings=True)
            rows = [
                {"id": f"{written + number:032d}", "source": str(file), "version": "1", "ordinal": number,
                 "page": chunk.page, "kind": "text", "text": chunk.text, "embedding": vector, "metadata": {}}
                for number, (chunk, vector) in enumerate(zip(chunks, vectors, strict=True))
            ]  # fmt: skip
            written += len(rows)
            for start in range(0, len(rows), 500):
                client.upsert("documents", rows[start : start + 500])
        seconds = time.perf_counter() - started
    return {"seconds": seconds, "chunks": written}


if __name__ == "__main__":
    print(json.dumps(_measure_loop(sys.argv[1], Path(sys.argv[2]), [Path(name) for name in sys.argv[3:]])))
