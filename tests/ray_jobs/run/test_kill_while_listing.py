"""A run that is killed while it processes the first objects of a prefix that is still being listed."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from threading import Event

import pytest
from pymilvus.exceptions import MilvusException

from embedded.pdfs import make_pdf
from embedded.processes import base_environment, poll
from embedded.ray_head import RayHead
from ingest.milvus.client import connect
from ingest.models.text_model import find_text_model
from ingest.pdf.document import prepare_documents
from ingest.run.report import REPORT_PREFIX
from pdf_rows import expected_ids, stored_ids

RAY_JOBS = Path(__file__).parents[3] / "ray_jobs"
COLLECTION, SOURCE = "midway_", "s3://bucket/midway/"
OBJECTS, PAGE, LISTED, EARLY = 120, 20, 80, 40
PROGRAM = f"""
import sys
from ingest.run import run
run.EARLY_OBJECTS = {EARLY}
import ingest_pdfs
from ingest.run.script import end
end(ingest_pdfs.main(sys.argv[1:]))
"""


@pytest.fixture
def launch(s3_stub, milvus, minilm_path, tmp_path):
    flags = ["--source", SOURCE, "--milvus-uri", milvus.uri, "--collection", COLLECTION, "--lease-seconds", "5"]

    with RayHead(tmp_path / "ray", s3_stub.environment()) as head:
        environment = {**base_environment(), **s3_stub.environment(), **head.client_environment()}
        command = [sys.executable, "-c", PROGRAM, *flags, "--embedding-model", minilm_path]
        yield lambda: subprocess.Popen(
            command, env=environment | {"PYTHONPATH": str(RAY_JOBS)}, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip


@pytest.mark.chaos
@pytest.mark.timeout(1800)
def test_the_next_run_leaves_the_rows_of_a_clean_one_and_repeats_no_work(launch, s3_stub, milvus, minilm_path):
    s3_stub.reset()
    s3_stub.page = PAGE
    contents = {f"midway/{number:03}.pdf": make_pdf(f"Report {number} on bees.") for number in range(OBJECTS)}
    for key, content in contents.items():
        s3_stub.put(key, content)
    goes_on = Event()
    s3_stub.before_page = lambda start: None if start < LISTED or goes_on.wait(600) else (500, "Stuck", "stuck")
    client = connect(milvus.uri)

    def done():
        """The number of objects that are written; none as long as there is no ledger."""
        try:
            return sum(entry["status"] == "ok" for entry in stored_ids(client, COLLECTION)[1].values())
        except MilvusException:
            return 0

    run = launch()
    assert poll(lambda: done() >= EARLY or run.poll() is not None, 600, "the first objects were not written")
    os.kill(run.pid, signal.SIGKILL)
    output = run.communicate()[0]
    assert run.returncode == -signal.SIGKILL, output
    assert "while the listing goes on" in output
    goes_on.set()
    s3_stub.before_page = lambda start: None
    del s3_stub.objects["midway/000.pdf"], contents["midway/000.pdf"]  # in the ledger, and now missing
    run = launch()
    output = run.communicate()[0]
    assert run.returncode == 0, output
    counts = json.loads(output.splitlines()[-1].removeprefix(REPORT_PREFIX))
    assert (counts["listed"], counts["deleted"]) == (OBJECTS - 1, 1)
    assert counts["unchanged"] >= EARLY - 1
    prepare_documents(find_text_model(minilm_path).tokenizer_json)
    sources = {f"s3://bucket/{key}": content for key, content in contents.items()}
    versions = {f"s3://bucket/{key}": s3_stub.objects[key].etag.strip('"') for key in contents}
    ids, ledger = stored_ids(client, COLLECTION)
    assert {source: found for source, found in ids.items() if found} == expected_ids(
        sources, versions, counts["fingerprint"]
    )
    assert {entry["status"] for entry in ledger.values()} == {"ok"}
