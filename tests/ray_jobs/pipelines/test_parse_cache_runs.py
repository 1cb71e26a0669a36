"""Whole runs with a parse cache: other chunks without OCR or transcription, and nothing kept of what was removed."""

import subprocess
import sys

import pymupdf
import pytest

from embedded.processes import poll
from embedded.videos import film, make_films

pytestmark = [pytest.mark.nightly, pytest.mark.timeout(600)]

BUCKET = "parse-cache-runs"
SENTENCE = "The keeper of the lighthouse counts ships every morning, and writes their names into a book. "


def scan():
    """A page that only OCR can read."""
    with pymupdf.open() as drawn, pymupdf.open() as made:
        page = drawn.new_page(width=400, height=300)
        page.insert_textbox(pymupdf.Rect(20, 20, 380, 280), SENTENCE * 3, fontsize=12)
        made.new_page(width=400, height=300).insert_image(pymupdf.Rect(0, 0, 400, 300), pixmap=page.get_pixmap(dpi=150))
        return made.tobytes()


class Runs:
    """Runs of a script over one prefix, into collections of any prefix, and what is kept."""

    def __init__(self, jobs, store, client, script, place, files):
        self.jobs, self.s3, self.client, self.script, self.place = jobs, store.client(), client, script, place
        self.source = f"{store.bucket(BUCKET)}/{self.place}/"
        for name, data in files.items():
            self.s3.put_object(Bucket=BUCKET, Key=f"{self.place}/{name}", Body=data)

    def run(self, collection, *flags, cached=True):
        cache = ["--parse-cache", f"s3://{BUCKET}/kept-{self.place}"] if cached else []
        flags = ["--source", self.source, "--collection", collection, *cache, *flags]
        result = self.jobs.run(self.script, *flags, "--max-deleted-fraction", "1")
        assert (result.code, result.report["failed"]) == (0, 0), result.stderr
        return result.report

    def launch(self, collection):
        """The same in a process that a test may kill."""
        flags = [
            "--source",
            self.source,
            "--collection",
            collection,
            "--parse-cache",
            f"s3://{BUCKET}/kept-{self.place}",
        ]
        command = [sys.executable, *self.jobs._command(self.script, flags)]
        return subprocess.Popen(command, env=self.jobs.environment, stdout=subprocess.DEVNULL)

    def kept(self):
        return self.s3.list_objects_v2(Bucket=BUCKET, Prefix=f"kept-{self.place}/").get("Contents", [])

    def rows(self, name):
        rows = self.client.query(
            name, filter='id != ""', output_fields=["id", "text", "metadata"], limit=1000, consistency_level="Strong"
        )
        return {row["id"]: (row["text"], row["metadata"]) for row in rows}


def test_other_chunks_of_a_scan_cost_no_ocr(jobs, object_store, milvus_client):
    runs = Runs(jobs, object_store, milvus_client, "ingest_pdfs.py", "chunks", {"a.pdf": scan(), "b.pdf": scan()})
    assert runs.run("cached_")["stages"]["parse"]["items"] == 2
    assert len(runs.kept()) == 2

    again = runs.run("cached_", "--chunk-tokens", "30")
    assert (again["changed"], again["stages"].get("parse")) == (2, None)
    runs.run("fresh_", "--chunk-tokens", "30", cached=False)
    assert runs.rows("cached_documents") == runs.rows("fresh_documents")

    refreshed = runs.run("cached_", "--chunk-tokens", "30", "--full-refresh")
    assert refreshed["stages"]["parse"]["items"] == 2

    runs.s3.delete_object(Bucket=BUCKET, Key=f"{runs.place}/a.pdf")
    assert runs.run("cached_", "--chunk-tokens", "30")["deleted"] == 1
    assert len(runs.kept()) == 1


def test_other_passages_of_speech_cost_no_transcription(jobs, object_store, milvus_client):
    name = "speech.flac"
    runs = Runs(jobs, object_store, milvus_client, "ingest_videos.py", "passages", make_films([film(name)]))
    assert runs.run("heard_")["stages"]["transcribe"]["items"] > 0

    again = runs.run("heard_", "--passage-tokens", "12")
    assert (again["changed"], again["stages"].get("transcribe")) == (1, None)
    runs.run("fresh_heard_", "--passage-tokens", "12", cached=False)
    assert runs.rows("heard_video_segments") == runs.rows("fresh_heard_video_segments")

    runs.s3.delete_object(Bucket=BUCKET, Key=f"{runs.place}/{name}")
    runs.run("heard_", "--passage-tokens", "12")
    assert runs.kept() == []


def test_a_run_that_is_killed_leaves_what_it_has_read_to_the_next_one(jobs, object_store, milvus_client):
    files = {f"{number}.pdf": scan() for number in range(6)}
    runs = Runs(jobs, object_store, milvus_client, "ingest_pdfs.py", "killed", files)
    run = runs.launch("killed_")
    try:
        poll(runs.kept, 120, "nothing was kept")
    finally:
        run.kill()
        run.wait()
    done = len(runs.kept())
    report = runs.run("killed_")
    assert report["added"] + report["changed"] + report["unchanged"] == 6
    assert report["stages"].get("parse", {"items": 0})["items"] <= 6 - done
    runs.run("calm_", cached=False)
    assert runs.rows("killed_documents") == runs.rows("calm_documents")
    assert len(runs.kept()) == 6
