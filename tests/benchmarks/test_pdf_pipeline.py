"""How close the warm pipeline comes to its limit, and how it compares with a loop, all in one run on one machine.

    uv run pytest -n 0 -m benchmark -s tests/benchmarks/test_pdf_pipeline.py

T* is the limit: what decoding, embedding and inserting cost when each is done alone and at its best (decoding and
embedding in a process of one thread on every core, since cores of one machine slow each other down; all texts at
once, sorted by length, in the fastest form of the model), added up as if nothing else ever took a core. T is the
pipeline's wall time from the moment its model is loaded; start-up is reported apart. The loop does the same work with
the same libraries, one object after the other, its start-up not counted either.

The answers are checked too: a fast pipeline that finds nothing is of no use.
"""

import json
import multiprocessing
import os
import subprocess
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
import pytest

REPOSITORY = Path(__file__).parents[2]
CORES = os.cpu_count() or 1
CHUNK_TOKENS = 200
BATCH = 32

pytestmark = [pytest.mark.benchmark, pytest.mark.timeout(3600)]


@pytest.fixture(scope="module")
def papers(corpus, object_store):
    """The corpus' PDFs in a bucket; yields the prefix and the local files."""
    files = sorted((corpus / "pdf").rglob("*.pdf"))
    client = object_store.client()
    object_store.bucket("benchmark")
    for file in files:
        client.upload_file(str(file), "benchmark", f"pdf/{file.relative_to(corpus / 'pdf')}")
    return "s3://benchmark/pdf/", files


@pytest.fixture(scope="module")
def limit(papers, minilm_path, tmp_path_factory):
    """Seconds of each part done alone; returns them with the number of chunks."""
    return json.loads(_alone("limit", papers[1], minilm_path, tmp_path_factory.mktemp("limit")))


@pytest.fixture(scope="module")
def loop(papers, minilm_path, tmp_path_factory):
    """Seconds of the serial loop."""
    return json.loads(_alone("loop", papers[1], minilm_path, tmp_path_factory.mktemp("loop")))


@pytest.fixture(scope="module")
def report(papers, object_store, milvus, ray_head, minilm_path):
    """The report of the real job on a running Ray head."""
    job = subprocess.run(
        [sys.executable, str(REPOSITORY / "ray_jobs" / "ingest_pdfs.py"), "--source", papers[0],
         "--milvus-uri", milvus.uri, "--collection", "bench_", "--embedding-model", minilm_path,
         "--chunk-tokens", str(CHUNK_TOKENS)],
        env={**os.environ, **object_store.environment(), **ray_head.client_environment()},
        stdout=subprocess.PIPE, text=True, check=True,
    )  # fmt: skip
    print(job.stdout)
    return json.loads(job.stdout.splitlines()[-1].removeprefix("REPORT "))


def test_the_pipeline_is_near_its_limit_and_ahead_of_a_loop(limit, loop, report):
    best = (limit["decode"] + limit["insert"]) / CORES + limit["embed"]
    start = report["stages"]["start"]["seconds"]
    warm = report["seconds"] - start
    print(
        f"\n{report['listed']} PDFs, {report['rows_written']} chunks, {CORES} cores"
        f"\nalone, CPU seconds: decode {limit['decode']:.1f}, insert {limit['insert']:.1f}; "
        f"embed on all cores {limit['embed']:.1f} s"
        f"\nT* {best:.1f} s   T {warm:.1f} s   T*/T {best / warm:.3f}   start-up {start:.1f} s"
        f"\nloop {loop['seconds']:.1f} s   loop/T {loop['seconds'] / warm:.2f}"
    )
    assert report["rows_written"] == limit["chunks"] == loop["chunks"]
    assert best / warm > 0.85
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


def _alone(what: str, files: list[Path], model: str, folder: Path) -> str:
    """Run `what` in a process of its own, so that nothing else is warm in it or competes with it."""
    command = [sys.executable, __file__, what, model, str(folder), *map(str, files)]
    path = os.pathsep.join([str(REPOSITORY / "ray_jobs"), str(REPOSITORY / "tests")])
    done = subprocess.run(
        command, env={**os.environ, "PYTHONPATH": path}, stdout=subprocess.PIPE, text=True, check=True
    )
    return done.stdout.splitlines()[-1]


def _rows(sources: list[tuple[str, int, str]], vectors: np.ndarray) -> list[dict]:
    return [
        {"id": f"{index:032d}", "source": source, "version": "1", "ordinal": index, "page": page, "kind": "text",
         "text": text, "embedding": vector, "metadata": {}}
        for index, ((source, page, text), vector) in enumerate(zip(sources, vectors, strict=True))
    ]  # fmt: skip


def _share_barrier(barrier) -> None:
    global _together
    _together = barrier


def _decode(content: bytes) -> tuple[float, list]:
    """CPU seconds of parsing a file, and its pages."""
    from ingest.pdf.document import parse_pdf

    started = time.process_time()
    pages = parse_pdf(content)[0]
    return time.process_time() - started, pages


def _embed(model_path: str, texts: list[str]) -> tuple[float, np.ndarray]:
    """Wall seconds of embedding texts, which all processes begin at once, and their vectors."""
    from ingest.models.text_encoder import TextEncoder
    from ingest.models.text_model import find_text_model

    encoder = TextEncoder(model_path, find_text_model(model_path).dimension)
    encoder.encode(["warm up"] * BATCH)
    _together.wait()
    started = time.perf_counter()
    vectors = encoder.encode(texts)
    return time.perf_counter() - started, vectors


def _measure_limit(model_path: str, folder: Path, files: list[Path]) -> dict:
    import psutil

    from embedded.milvus_lite import MilvusLite
    from ingest.milvus.client import connect
    from ingest.milvus.schema import DOCUMENTS, ensure_rows
    from ingest.models.text_model import find_text_model
    from ingest.pdf.chunking import ChunkSettings, chunk_pages

    model = find_text_model(model_path)
    context = multiprocessing.get_context("spawn")
    contents = [file.read_bytes() for file in files]
    with ProcessPoolExecutor(CORES, context) as pool:
        parsed = list(pool.map(_decode, contents))
    decode = sum(seconds for seconds, _ in parsed)
    settings = ChunkSettings(CHUNK_TOKENS, 0)
    chunks = [
        (str(file), chunk.page, chunk.text)
        for file, (_, pages) in zip(files, parsed, strict=True)
        for chunk in chunk_pages(pages, model.tokenizer_json, settings)
    ]
    chunks.sort(key=lambda chunk: -len(chunk[2]))
    texts = [text for _, _, text in chunks]
    together = context.Barrier(CORES)
    with ProcessPoolExecutor(CORES, context, _share_barrier, (together,)) as pool:
        done = list(pool.map(_embed, [model_path] * CORES, [texts[core::CORES] for core in range(CORES)]))
    embed = max(share[0] for share in done)
    vectors = np.empty((len(texts), model.dimension), np.float32)
    for core, share in enumerate(done):
        vectors[core::CORES] = share[1]
    rows = _rows(chunks, vectors)
    with MilvusLite(folder) as server:
        client = connect(server.uri)
        ensure_rows(client, DOCUMENTS, "documents", model.dimension)
        processes = [psutil.Process(), *psutil.Process().children(recursive=True)]
        before = sum(sum(process.cpu_times()[:2]) for process in processes)
        for start in range(0, len(rows), 500):
            client.upsert("documents", rows[start : start + 500])
        insert = sum(sum(process.cpu_times()[:2]) for process in processes) - before
    return {"decode": decode, "embed": embed, "insert": insert, "chunks": len(chunks)}


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
            rows = _rows([(str(file), chunk.page, chunk.text) for chunk in chunks], vectors)
            for row in rows:
                row["id"] = f"{written:032d}"
                written += 1
            for start in range(0, len(rows), 500):
                client.upsert("documents", rows[start : start + 500])
        seconds = time.perf_counter() - started
    return {"seconds": seconds, "chunks": written}


if __name__ == "__main__":
    measure = {"limit": _measure_limit, "loop": _measure_loop}[sys.argv[1]]
    print(json.dumps(measure(sys.argv[2], Path(sys.argv[3]), [Path(name) for name in sys.argv[4:]])))
