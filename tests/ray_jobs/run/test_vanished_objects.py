"""An object leaves the store, and its task's process dies after it gave the object's rows: no other object is lost.

Ray repeats such a task and leaves out as many tables as it has got before. Without the object, others are in these.
"""

import contextlib
import subprocess
import sys
from pathlib import Path

import psutil
import pymupdf
import pytest

from embedded.pdfs import make_pdf
from embedded.processes import base_environment, command_line, ended_at_last, poll
from ingest.milvus.client import connect

RAY_JOBS = Path(__file__).parents[3] / "ray_jobs"
BUCKET, COLLECTION = "vanished", "vanished_"
LONG, SCANNED, SMALL = 6, 4, 30
PAGES = 30

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(900)]


def long_pdf(number):
    """A document whose rows are more than a table."""
    words = " ".join(f"Sentence {n} of the report speaks of tides, boats and weather." for n in range(60))
    return make_pdf(*(f"Document {number}, page {page}. {words}" for page in range(PAGES)))


def scanned_pdf(number):
    """Pages that OCR reads for some seconds each."""
    with pymupdf.open(stream=long_pdf(number)) as printed, pymupdf.open() as scan:
        for page in printed.pages(0, 4):
            sheet = scan.new_page(width=page.rect.width, height=page.rect.height)
            sheet.insert_image(sheet.rect, pixmap=page.get_pixmap(dpi=150))
        return scan.tobytes()


@pytest.fixture
def names(object_store):
    client = object_store.client()
    object_store.bucket(BUCKET)
    makers = [long_pdf] * LONG + [scanned_pdf] * SCANNED + [lambda number: make_pdf(f"Small report {number}.")] * SMALL
    found = [f"{number:03}.pdf" for number in range(len(makers))]
    for number, (name, make) in enumerate(zip(found, makers, strict=True)):
        client.put_object(Bucket=BUCKET, Key=f"pdfs/{name}", Body=make(number))
    return found


def test_objects_beside_one_that_vanished_are_not_lost(names, object_store, milvus, ray_head, minilm_path, tmp_path):
    source, client = f"s3://{BUCKET}/pdfs/", connect(milvus.uri)

    def rows(name):
        """The number of rows of an object."""
        with contextlib.suppress(Exception):  # the collection does not exist yet
            found = client.query(
                f"{COLLECTION}documents", filter=f"source == '{source}{name}'", output_fields=["id"], limit=10_000
            )
            return len(found)
        return 0

    with (tmp_path / "output").open("w") as output:
        job = subprocess.Popen(
            [sys.executable, str(RAY_JOBS / "ingest_pdfs.py"), "--source", source, "--milvus-uri", milvus.uri,
             "--collection", COLLECTION, "--embedding-model", minilm_path],
            env={**base_environment(), **object_store.environment(), **ray_head.client_environment()},
            stdout=output, stderr=subprocess.STDOUT,
        )  # fmt: skip
    with ended_at_last(job):
        poll(lambda: any(map(rows, names[:LONG])) or job.poll() is not None, 300, "no row was written")
        vanished = next(name for name in names if rows(name))
        object_store.client().delete_object(Bucket=BUCKET, Key=f"pdfs/{vanished}")
        tasks = [process for process in ray_head.members() if is_parser(process)]
        for process in tasks:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        code = job.wait(600)
    said = (tmp_path / "output").read_text()
    assert (code, bool(tasks)) == (0, True), said
    ledger = {
        row["source"].removeprefix(source): row["rows"]
        for row in client.query(
            f"{COLLECTION}sources", filter='source != ""', output_fields=["source", "rows"], limit=1000
        )
    }
    assert sorted(ledger) == names, said
    kept = [name for name in names if name != vanished]
    assert {name: rows(name) for name in kept} == {name: ledger[name] for name in kept}
    assert all(ledger[name] for name in kept), said
    print(f"\n{vanished} vanished; {said.count('processing them again')} times objects were processed again")


def is_parser(process):
    words = command_line(process)
    return bool(words) and words[0].startswith("ray::") and "parse_documents" in words[0]
