"""How long a job over one small PDF takes to its first row in Milvus, with a Ray head that runs, and without one.

    uv run pytest -n 0 -s -m benchmark tests/benchmarks/test_start_up.py

It is compared with what a plain program needs before it can embed a text: two imports, and the loading of its model.
"""

import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import nullcontext, suppress
from pathlib import Path
from statistics import median

import pytest

from benchmarks.pipeline_runs import REPOSITORY, uploaded
from embedded.pdfs import make_pdf
from embedded.processes import base_environment, ended_at_last, poll
from embedded.ray_head import RayHead
from ingest.milvus.client import connect

ROUNDS = 3
IMPORTS = "import torch, transformers; transformers.AutoModel.from_pretrained({!r})"

pytestmark = [pytest.mark.benchmark, pytest.mark.timeout(1200)]


def first_row(milvus, collection: str, start: Callable[[], subprocess.Popen]) -> tuple[float, float]:
    """Seconds until a job that `start` begins has written a row, and until it has ended."""
    client, began = connect(milvus.uri), time.perf_counter()

    def is_there() -> bool:
        with suppress(Exception):  # the collection does not exist yet
            return bool(client.query(collection, filter="", limit=1, output_fields=["id"]))
        return False

    with start() as job, ended_at_last(job):
        poll(is_there, 120, "no row was written")
        there = time.perf_counter() - began
        assert job.wait(120) == 0
    return there, time.perf_counter() - began


@pytest.mark.parametrize("running", [True, False], ids=["head running", "no head"])
def test_one_small_pdf(running, figures, object_store, milvus, minilm_path, tmp_path):
    (tmp_path / "one.pdf").write_bytes(make_pdf("The fog signal sounds twice a minute."))
    source = uploaded(object_store, [tmp_path / "one.pdf"], tmp_path, f"start-{running}")
    with RayHead(tmp_path / "ray", object_store.environment()) if running else nullcontext() as head:
        environment = {
            **base_environment(),
            **object_store.environment(),
            **(head.client_environment() if head else {}),
        }
        if head:
            in_use = Path(__file__).with_name("peers") / "head_in_use.py"
            subprocess.run([sys.executable, str(in_use)], env=environment, check=True, capture_output=True)
        plain, found = [], []
        for number in range(ROUNDS + 1):
            began = time.perf_counter()
            subprocess.run([sys.executable, "-c", IMPORTS.format(minilm_path)], check=True, capture_output=True)
            plain.append(time.perf_counter() - began)
            prefix = f"start_{int(running)}_{number}_"
            command = [
                *(sys.executable, str(REPOSITORY / "ray_jobs" / "ingest_pdfs.py"), "--source", source),
                *("--milvus-uri", milvus.uri, "--collection", prefix, "--embedding-model", minilm_path),
            ]

            def job(command: list[str] = command) -> subprocess.Popen:
                return subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL)

            found.append(first_row(milvus, f"{prefix}documents", job))
    there, ended = (median(each) for each in zip(*found[1:], strict=True))  # the first round warms up
    bare = median(plain[1:])
    name = "a Ray head that runs" if running else "Ray started by the job"
    figures.note(
        "start", name, there, f"{there / bare:.1f} times importing torch and transformers and loading the model "
        f"({bare:.1f} s); the job ends after {ended:.1f} s"
    )  # fmt: skip
    assert there < 40
