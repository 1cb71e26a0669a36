"""Whether the memory of a job grows with its prefix: 20,000 small objects, watched while they go through.

uv run pytest -m benchmark -s tests/benchmarks/test_memory.py
"""

import json
import os
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest

REPOSITORY = Path(__file__).parents[2]
OBJECTS = 20_000
SAMPLE_SECONDS = 2.0

pytestmark = [pytest.mark.benchmark, pytest.mark.timeout(3600)]


def small_pdf(number: int) -> bytes:
    import pymupdf

    with pymupdf.open() as document:
        document.new_page().insert_text((72, 72), f"Delivery note {number}: {number % 97} crates of pears, paid.")
        return document.tobytes()


@pytest.fixture(scope="module")
def prefix(object_store):
    """The URI of a prefix with 20,000 one-page PDFs."""
    object_store.bucket("memory")
    client = object_store.client()

    def put(numbers: range) -> None:
        for number in numbers:
            client.put_object(Bucket="memory", Key=f"notes/{number:05d}.pdf", Body=small_pdf(number))

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(put, [range(first, OBJECTS, 4) for first in range(4)]))
    return "s3://memory/notes/"


def resident(process: psutil.Process) -> int:
    """Bytes of the process's own memory: shared pages (Ray's object store) are counted once, elsewhere."""
    info = process.memory_info()
    return info.rss - info.shared


def workers(ray_head) -> list[psutil.Process]:
    """Ray's processes that run the pipeline's stages."""
    return [process for process in ray_head.members() if process.name().startswith("ray::")]


def test_memory_does_not_grow_with_the_prefix(prefix, object_store, milvus, ray_head, minilm_path):
    job = subprocess.Popen(
        [sys.executable, str(REPOSITORY / "ray_jobs" / "ingest_pdfs.py"), "--source", prefix,
         "--milvus-uri", milvus.uri, "--collection", "memory_", "--embedding-model", minilm_path],
        env={**os.environ, **object_store.environment(), **ray_head.client_environment()},
        stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    driver = psutil.Process(job.pid)
    samples: list[tuple[int, int]] = []
    done = threading.Event()

    def watch() -> None:
        while not done.wait(SAMPLE_SECONDS):
            try:
                samples.append((resident(driver), max(map(resident, workers(ray_head)), default=0)))
            except psutil.NoSuchProcess:
                continue  # a worker that ended between being listed and being asked

    watcher = threading.Thread(target=watch)
    watcher.start()
    output = job.communicate()[0].splitlines()
    done.set()
    watcher.join()
    assert job.returncode == 0, "\n".join(output[-20:])
    report = json.loads(output[-1].removeprefix("REPORT "))
    assert report["added"] == report["rows_written"] == OBJECTS
    # The model is loaded and the first objects have gone through after a third of the run.
    third = len(samples) // 3
    for who, index in (("driver", 0), ("largest worker", 1)):
        middle = max(sample[index] for sample in samples[third : 2 * third])
        last = max(sample[index] for sample in samples[2 * third :])
        print(
            f"{who}: {middle / 1e6:.0f} MB in the middle third, {last / 1e6:.0f} MB in the last, {len(samples)} samples"
        )
        assert last < 1.15 * middle + 20e6
    print("\n".join(output[-6:-1]))
