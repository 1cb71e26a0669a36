"""When the first row of a prefix of a million keys is in Milvus, and what the driver and Ray hold by then.

    uv run pytest -n 0 -m benchmark -s tests/benchmarks/test_first_row.py

FIRST_ROW_OBJECTS is another number of objects. All objects are the same PDF of one page, from a store that lists 1,000
keys per page as fast as it can; parsing, the model and Milvus are real. The run is ended after FIRST_ROW_SECONDS.
"""

import os
import subprocess
import sys
import time

import psutil
import pytest

from benchmarks.test_sweep_cost import SOURCE, TESTS, serve
from embedded.milvus_server import TOKEN, MilvusServer, only_one
from embedded.pdfs import make_pdf
from embedded.processes import base_environment
from embedded.ray_head import RayHead
from ingest.milvus.client import connect

OBJECTS = int(os.environ.get("FIRST_ROW_OBJECTS", "1000000"))
SECONDS = float(os.environ.get("FIRST_ROW_SECONDS", "120"))

pytestmark = [pytest.mark.benchmark, pytest.mark.timeout(3600)]


def test_the_first_row_comes_while_the_prefix_is_listed(tmp_path, minilm_path):
    environment = base_environment() | {"PYTHONPATH": f"{TESTS}:{TESTS.parent / 'ray_jobs'}"}
    store_command = [sys.executable, __file__, str(OBJECTS)]
    with subprocess.Popen(store_command, env=environment, stdout=subprocess.PIPE, text=True) as store, only_one():
        keys = {
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{store.stdout.readline().strip()}", "AWS_ACCESS_KEY_ID": "a",
            "AWS_SECRET_ACCESS_KEY": "s", "AWS_DEFAULT_REGION": "us-east-1", "MILVUS_TOKEN": TOKEN,
        }  # fmt: skip
        with MilvusServer(tmp_path / "milvus") as milvus, RayHead(tmp_path / "ray", keys) as head:
            command = [
                *(sys.executable, str(TESTS.parent / "ray_jobs" / "ingest_pdfs.py"), "--source", SOURCE),
                *("--milvus-uri", milvus.uri, "--embedding-model", minilm_path, "--ocr", "off"),
            ]
            os.environ["MILVUS_TOKEN"] = TOKEN
            client = connect(milvus.uri)
            began = time.monotonic()
            with subprocess.Popen(
                command, env=environment | keys | head.client_environment(), stdout=subprocess.PIPE, text=True
            ) as run:
                driver, first = psutil.Process(run.pid), None
                while time.monotonic() - began < SECONDS and run.poll() is None:
                    time.sleep(0.5)
                    if first is None and rows(client):
                        first = time.monotonic() - began
                        print(f"\n{OBJECTS} objects: the first row after {first:.1f} s, load {os.getloadavg()[0]:.1f}")
                print(
                    f"after {time.monotonic() - began:.0f} s: {rows(client)} rows; the driver has "
                    f"{driver.memory_info().rss >> 20} MiB and took {sum(driver.cpu_times()[:2]):.1f} CPU s"
                )
                run.terminate()
                print(run.stdout.read())
        store.terminate()
    assert first is not None


def rows(client):
    """The number of rows that searches see."""
    if not client.has_collection("documents"):
        return 0
    return client.query("documents", filter='id != ""', output_fields=["count(*)"], consistency_level="Strong")[0][
        "count(*)"
    ]


if __name__ == "__main__":
    serve(int(sys.argv[1]), make_pdf("A small page about honey and bees."))
