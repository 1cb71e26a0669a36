"""Time and memory of a sweep that finds nothing changed: a million objects in a store that lists at once.

    uv run pytest -n 0 -m benchmark -s tests/benchmarks/test_sweep_cost.py

It is compared with the bare listing: boto3's paginator over the same keys, in the same run. SWEEP_OBJECTS are other
numbers of objects, with commas between them. The store is a process that makes up its listing.
Milvus Lite is not measured: it looks at all rows for each page (24 s to read the entries of 150,000 objects).
"""

import json
import os
import subprocess
import sys
import time
from bisect import bisect_left
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

import pytest

from embedded.milvus_server import TOKEN, MilvusServer, only_one
from embedded.processes import base_environment
from full_ledger import fill_ledger
from ingest.common.objects import StoredObject
from ingest.ledger.alias import ensure_ledger
from ingest.milvus.client import connect
from run_world import DIMENSION

OBJECTS = [int(number) for number in os.environ.get("SWEEP_OBJECTS", "1000000").split(",")]
PAGE, DAYS = 1000, 365
SOURCE = "s3://sweep-cost/pdfs/"
TESTS = Path(__file__).parents[1]
RUN = """
import json, resource, sys
from run_world import pipeline
from ingest.run.flags import FlagParser
from ingest.run.options import run_options_from
from ingest.run.shared_flags import RUN_FLAGS
from ingest.run.run import Run
options = run_options_from(FlagParser("", RUN_FLAGS).parse_args(sys.argv[1:]))
before = resource.getrusage(resource.RUSAGE_SELF)
report = Run(pipeline(), options, lambda line: None).execute()
after = resource.getrusage(resource.RUSAGE_SELF)
cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
print(json.dumps({
    "unchanged": report.unchanged, "seconds": report.seconds, "cpu": cpu,
    "mib_before": before.ru_maxrss / 1024, "mib": after.ru_maxrss / 1024,
}))
"""
LISTING = """
import sys, time
import boto3
began = time.monotonic()
pages = boto3.client("s3").get_paginator("list_objects_v2").paginate(Bucket="sweep-cost", Prefix="pdfs/")
assert sum(len(page.get("Contents", ())) for page in pages) == int(sys.argv[1])
print(time.monotonic() - began)
"""
OF_LISTING, MANY = 1.5, 500_000
"""The longest time of a run over so many objects, as a multiple of the bare listing. (Of the seconds over few, most
pass while Milvus makes and loads the collection of the leases.)"""

pytestmark = [pytest.mark.benchmark, pytest.mark.timeout(3600)]


def key(number, objects):
    """Keys in order: the same number of objects in each day's folder."""
    day = number * DAYS // objects
    return f"pdfs/2026-{1 + day // 31:02}-{1 + day % 31:02}/{number:07}.pdf"


def serve(objects, body=b"%"):
    """Answer ListObjectsV2 with pages of made-up objects, which all consist of `body`; prints the server's port."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self):
            url = urlsplit(self.path)
            query = dict(parse_qsl(url.query))
            if "list-type" not in query:
                self.answer(body, "application/pdf", f'"{int(url.path.rpartition("/")[2].partition(".")[0]):032x}"')
                return
            first, last = (
                bisect_left(range(objects), query["prefix"] + end, key=lambda number: key(number, objects))
                for end in ("", "~")
            )
            start = int(query.get("continuation-token", first))
            end = min(start + PAGE, last)
            entries = "".join(
                f'<Contents><Key>{key(number, objects)}</Key><ETag>"{number:032x}"</ETag><Size>{len(body)}</Size>'
                "<LastModified>2026-01-01T00:00:00.000Z</LastModified></Contents>"
                for number in range(start, end)
            )
            cut = f"<NextContinuationToken>{end}</NextContinuationToken>" if end < last else ""
            page = (
                '<?xml version="1.0" encoding="UTF-8"?><ListBucketResult><Name>sweep-cost</Name>'
                f"<IsTruncated>{str(bool(cut)).lower()}</IsTruncated>{cut}{entries}</ListBucketResult>"
            ).encode()
            self.answer(page, "application/xml")

        def answer(self, content, kind, etag=""):
            self.send_response(200)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(content)))
            if etag:
                self.send_header("ETag", etag)
                self.send_header("Last-Modified", "Thu, 01 Jan 2026 00:00:00 GMT")
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    print(server.server_port, flush=True)
    server.serve_forever()


@pytest.fixture(params=OBJECTS)
def sweep(request, tmp_path, monkeypatch):
    """Runs over the objects, all of which the ledger has as done; returns the figures of a run."""
    objects = request.param
    modules = {"PYTHONPATH": f"{TESTS}:{TESTS.parent / 'ray_jobs'}"}
    environment = base_environment() | modules | {"MILVUS_TOKEN": TOKEN}
    monkeypatch.setenv("MILVUS_TOKEN", TOKEN)
    command = [sys.executable, __file__, str(objects)]
    with (
        subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as store,
        only_one(),
        MilvusServer(tmp_path / "milvus") as milvus,
    ):
        client = connect(milvus.uri)
        ensure_ledger(client, "sources", DIMENSION)
        started = time.monotonic()
        known = (
            StoredObject(f"s3://sweep-cost/{key(number, objects)}", f"{number:032x}", 1) for number in range(objects)
        )
        fill_ledger(client, "sources", known, "f1", DIMENSION)
        print(f"\n{objects} objects: the ledger was filled in {time.monotonic() - started:.0f} s")
        environment |= {
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{store.stdout.readline().strip()}", "AWS_ACCESS_KEY_ID": "a",
            "AWS_SECRET_ACCESS_KEY": "s", "AWS_DEFAULT_REGION": "us-east-1",
        }  # fmt: skip

        def run(*sources):
            flags = [f"--source={source}" for source in sources]
            command = [sys.executable, "-c", RUN, *flags, "--milvus-uri", milvus.uri]
            done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
            assert done.returncode == 0, done.stderr
            return {"objects": objects, **json.loads(done.stdout.splitlines()[-1])}, milvus

        def bare_listing():
            command = [sys.executable, "-c", LISTING, str(objects)]
            return float(subprocess.run(command, env=environment, stdout=subprocess.PIPE, check=True).stdout)

        yield run, bare_listing
        store.terminate()


def test_runs_without_changes(sweep):
    run, bare_listing = sweep
    listing = bare_listing()
    found, milvus = run(SOURCE)
    memory = max(process.memory_info().rss for process in milvus.members()) / 2**20
    print(
        f"{found['objects']} objects: {found['seconds']:.1f} s, {found['seconds'] / listing:.2f} of the bare listing's "
        f"{listing:.1f} s, {found['cpu']:.1f} CPU s in the job; its memory grew from {found['mib_before']:.0f} to "
        f"{found['mib']:.0f} MiB; the Milvus server has {memory:.0f} MiB"
    )
    assert found["unchanged"] == found["objects"]
    for days in (1, 4, 31):
        of_days, _ = run(*(f"{SOURCE}2026-01-{1 + day:02}/" for day in range(days)))
        print(f"  {days} days, {of_days['unchanged']} objects: {of_days['seconds']:.1f} s, {of_days['cpu']:.1f} CPU s")
    assert found["mib"] - found["mib_before"] < 200
    assert found["objects"] < MANY or found["seconds"] < OF_LISTING * listing


if __name__ == "__main__":
    serve(int(sys.argv[1]))
