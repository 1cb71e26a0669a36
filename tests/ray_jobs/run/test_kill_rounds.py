"""SIGKILL at random moments, round after round: the next run leaves the rows of a clean one and repeats no work."""

import contextlib
import json
import os
import random
import subprocess
import sys
import threading
import time
from collections import Counter
from pathlib import Path

import psutil
import pymupdf
import pytest

from embedded.milvus_server import TOKEN
from embedded.object_store import ObjectStore
from embedded.processes import base_environment, command_line
from embedded.ray_head import RayHead
from ingest.ledger.entries import UNFINISHED
from ingest.ledger.writer import INTERRUPTED
from ingest.milvus.client import connect
from ingest.models.text_model import find_text_model
from ingest.pdf.document import prepare_documents
from ingest.run.report import REPORT_PREFIX
from pdf_rows import expected_ids, stored_ids

RAY_JOBS = Path(__file__).parents[3] / "ray_jobs"
BUCKET, COLLECTION = "kill-rounds", "kill_"
TOKENS = 12
LONG_PAGES = 300  # more chunks than one part of an object has
TARGETS = ("parse", "sandbox", "embed", "write", "shared", "driver", "raylet", "milvus", "store")
ROUNDS = 7 * len(TARGETS)
TRIES = 4
"""Runs after a kill, of which one must succeed: the first may meet a service that is still starting."""


def pdf(*pages):
    with pymupdf.open() as document:
        for text in pages:
            document.new_page().insert_textbox(pymupdf.Rect(50, 50, 550, 800), text, fontsize=9)
        return document.tobytes(no_new_id=True)


class World:
    """The services of a platform, and the objects in its store."""

    def __init__(self, store, head, milvus, model):
        self.store, self.head, self.milvus = store, head, milvus
        self.model = model
        self.source = f"{store.bucket(BUCKET)}/pdfs/"
        self.random = random.Random(20261125)
        self.contents = {}
        self.versions = {}
        self.fingerprint = ""
        prepare_documents(find_text_model(model).tokenizer_json)

    def change(self, number):
        """Add, change and delete some objects."""
        names = [f"{n:02}.pdf" for n in range(14)]
        for name in self.random.sample(names, 6):
            texts = [f"Round {number} wrote page {page} of {name} anew." for page in range(self.random.randint(1, 4))]
            self._put(name, pdf(*texts, "A page that all of them share."))
        if number % 4 == 0:
            pages = [f"Page {page} of the log, round {number - page % 2}, is quiet." for page in range(LONG_PAGES)]
            self._put("long.pdf", pdf(*pages))
            self._put("broken.pdf", b"%PDF-1.7 round " + str(number).encode())
        self.lose_one()

    def lose_one(self):
        """Delete a random object, or none."""
        if gone := self.random.choice([None, *sorted(self.contents)]):
            self.store.client().delete_object(Bucket=BUCKET, Key=f"pdfs/{gone}")
            del self.contents[gone], self.versions[gone]

    def _put(self, name, data):
        answer = self.store.client().put_object(Bucket=BUCKET, Key=f"pdfs/{name}", Body=data)
        self.contents[name], self.versions[name] = data, answer["ETag"].strip('"')

    def launch(self):
        environment = {**base_environment(), **self.store.environment(), **self.head.client_environment()}
        return subprocess.Popen(
            [
                *(sys.executable, str(RAY_JOBS / "ingest_pdfs.py"), "--source", self.source),
                *("--milvus-uri", self.milvus.uri, "--collection", COLLECTION, "--embedding-model", self.model),
                *("--chunk-tokens", str(TOKENS), "--lease-seconds", "5", "--max-failed-fraction", "1"),
            ],
            env={**environment, "MILVUS_TOKEN": TOKEN},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def expected(self):
        """The row ids by source after a clean run."""
        contents = {self.source + name: data for name, data in self.contents.items()}
        versions = {self.source + name: version for name, version in self.versions.items()}
        return expected_ids(contents, versions, self.fingerprint, TOKENS)

    def found(self):
        """The row ids by source, and the ledger entries by source."""
        return stored_ids(connect(self.milvus.uri, retry_seconds=120), COLLECTION)

    def done(self):
        """The sources that the next run leaves unchanged."""
        _, ledger = self.found()
        return {
            self.source + name
            for name, version in self.versions.items()
            if (entry := ledger.get(self.source + name))
            and (entry["version"], entry["fingerprint"]) == (version, self.fingerprint)
            and UNFINISHED not in entry["metadata"]
            and entry["error_type"] != INTERRUPTED.failure
        }


def victims(target, world, driver):
    """The living processes of a target."""
    if target == "driver":
        return [psutil.Process(driver.pid)]
    members = world.head.members()
    if target == "raylet":
        return [process for process in members if "raylet/raylet" in " ".join(command_line(process)[:1])]
    titles = {
        "parse": "parse_documents", "sandbox": "parse_documents", "embed": "EmbedTexts", "write": "WriteObjects",
        "shared": "SharedState",
    }  # fmt: skip
    found = [
        process
        for process in members
        if (words := command_line(process)) and words[0].startswith("ray::") and titles[target] in words[0]
    ]
    if target == "sandbox":
        children = [child for process in found for child in process.children()]
        return [child for child in children if "sandbox_child" in " ".join(command_line(child))]
    return found


def strike(target, world, driver):
    """Kill a process of the target at a random moment; returns whether one was killed before the run ended."""
    if target in ("milvus", "store"):
        with contextlib.suppress(subprocess.TimeoutExpired):
            driver.wait(world.random.uniform(0, 20))
        part = world.milvus if target == "milvus" else world.store
        hit = driver.poll() is None
        part.kill()
        part.start()
        return hit
    # Soon after the process appears, or, for long-lived ones, at any moment of the run.
    delay = world.random.uniform(0, {"driver": 20, "raylet": 20, "embed": 8, "write": 8}.get(target, 1))
    while driver.poll() is None:
        with contextlib.suppress(psutil.NoSuchProcess):
            if found := victims(target, world, driver):
                with contextlib.suppress(subprocess.TimeoutExpired):
                    driver.wait(delay)
                victim = world.random.choice(victims(target, world, driver) or found)
                victim.kill()
                return driver.poll() is None
        time.sleep(0.02)
    return False


def wait_for_exit(driver, seconds=400):
    """The exit code and output; a run that hangs is killed, and fails the test with its output."""
    hung = threading.Timer(seconds, driver.kill)
    hung.start()
    output = driver.communicate()[0]
    assert hung.is_alive(), f"the run hung\n{output}"
    hung.cancel()
    return driver.returncode, output


def report(output):
    return json.loads(output.splitlines()[-1].removeprefix(REPORT_PREFIX))


@pytest.fixture(scope="module")
def world(milvus_server, minilm_path, tmp_path_factory):
    with pytest.MonkeyPatch.context() as patched, ObjectStore(tmp_path_factory.mktemp("s3")) as store:
        patched.setenv("MILVUS_TOKEN", TOKEN)
        environment = {**store.environment(), "MILVUS_TOKEN": TOKEN}
        with RayHead(tmp_path_factory.mktemp("ray"), environment=environment) as head:
            yield World(store, head, milvus_server, minilm_path)


@pytest.mark.chaos
@pytest.mark.timeout(3 * 3600)
def test_after_any_kill_the_next_run_leaves_the_rows_of_a_clean_one_and_repeats_no_work(world):
    world.change(0)
    code, output = wait_for_exit(world.launch())
    assert code == 0, output
    world.fingerprint = report(output)["fingerprint"]
    hits, survived = Counter(), Counter()
    for number in range(1, int(os.environ.get("KILL_ROUNDS", ROUNDS)) + 1):
        target = TARGETS[number % len(TARGETS)]
        world.change(number)
        driver = world.launch()
        hit = strike(target, world, driver)
        code, output = wait_for_exit(driver)
        hits[target] += hit
        survived[target] += hit and code == 0
        print(f"round {number}: {target} {'killed' if hit else 'missed'}, exit code {code}", flush=True)
        if target == "raylet" and hit:  # also if the run was almost over and succeeded
            world.head.kill()
            world.head.start()
        for _ in range(TRIES):
            if code == 0:
                break
            assert code in (-9, 1, 4), output
            world.lose_one()  # its rows may exist without an entry of the killed run in the ledger
            done = world.done()
            code, output = wait_for_exit(world.launch())
            print(f"  next run: exit code {code}, {len(done)} objects were done before it", flush=True)
            if code == 0:
                assert report(output)["unchanged"] == len(done), output
        assert code == 0, output
        ids, ledger = world.found()
        assert ids == world.expected(), f"after round {number} ({target})"
        assert not [entry for entry in ledger.values() if UNFINISHED in entry["metadata"]]
    print(f"killed {dict(hits)}; the run continued and succeeded after {dict(survived)}")
    assert all(hits[target] for target in TARGETS[: int(os.environ.get("KILL_ROUNDS", ROUNDS))]), hits
