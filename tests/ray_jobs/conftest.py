"""Job scripts as processes on the shared Ray head, and one library of PDFs that several modules look at."""

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from embedded.milvus_server import MilvusServer, only_one
from embedded.pdfs import DAYS, make_pdf, make_pdfs
from embedded.processes import base_environment
from embedded.s3_stub import S3Stub
from embedded.script_runner import ScriptRunner
from store_client import store_client

RAY_JOBS = Path(__file__).parents[2] / "ray_jobs"
TOKEN = "token-that-no-one-may-see"
LIBRARY_BUCKET = "ray-jobs-library"


@dataclass
class Result:
    """A finished script."""

    code: int
    stdout: str
    stderr: str

    @property
    def report(self) -> dict[str, Any]:
        """What the last line of the output says."""
        prefix, _, text = self.stdout.splitlines()[-1].partition(" ")
        assert prefix == "REPORT", self.stdout + self.stderr
        return json.loads(text)

    @property
    def error(self) -> str:
        """The one sentence behind `ERROR: `."""
        (line,) = [line for line in self.stderr.splitlines() if line.startswith("ERROR: ")]
        return line


@dataclass
class Jobs:
    """Runs scripts with `environment`; no output may hold one of `secrets` or a traceback.

    `models` are the flags of each script beside the common `flags`.
    """

    runner: ScriptRunner
    environment: dict[str, str]
    secrets: tuple[str, ...]
    flags: list[str]
    models: dict[str, list[str]]

    def run(self, script: str, *flags: str, **environment: str) -> Result:
        """In a process that has imported the libraries already."""
        return self._checked(self.runner.run(self._command(script, flags), {**self.environment, **environment}))

    def run_by_python(self, script: str, *flags: str, **environment: str) -> Result:
        """In a process of Python's, as a user starts it: for one test of each exit code."""
        finished = subprocess.run(
            [sys.executable, *self._command(script, flags)],
            env={**self.environment, **environment},
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        return self._checked(finished)

    def _command(self, script: str, flags: Sequence[str]) -> list[str]:
        return [str(RAY_JOBS / script), *self.flags, *self.models.get(script, []), *flags]

    def _checked(self, finished: subprocess.CompletedProcess[str]) -> Result:
        output = finished.stdout + finished.stderr
        assert "Traceback" not in output, output
        assert "Warning" not in output, output  # of a library, of which an operator understands nothing
        assert not [secret for secret in self.secrets if secret in output], output
        return Result(finished.returncode, finished.stdout, finished.stderr)


@pytest.fixture(scope="session")
def milvus_client(milvus) -> Any:
    """One client for all tests: a second one would share its connection, and fail while that is being made anew."""
    from ingest.milvus.client import connect

    return connect(milvus.uri)


@pytest.fixture(scope="module")
def milvus_server(tmp_path_factory) -> Iterator[MilvusServer]:
    """It limits the rate of upserts, as hosted ones do. It ends with its module: another process may wait for it."""
    with only_one(), MilvusServer(tmp_path_factory.mktemp("milvus-server"), upsert_rate=1.0) as running:
        yield running


@pytest.fixture(scope="session")
def script_runner(tmp_path_factory) -> Iterator[ScriptRunner]:
    """Launched, and not waited for: it imports while other parts start."""
    runner = ScriptRunner(tmp_path_factory.mktemp("scripts"))
    runner.launch()
    yield runner
    runner.stop()


@pytest.fixture(scope="session")
def plain_jobs(script_runner, object_store, milvus, minilm_path, clip_path, whisper_path) -> Jobs:
    """Scripts for the real stores, without a Ray head: for what ends before any work is done."""
    environment = {**base_environment(), **object_store.environment(), "MILVUS_TOKEN": TOKEN}
    environment |= {"AWS_EC2_METADATA_DISABLED": "true", "RAY_ADDRESS": "127.0.0.1:1"}
    text, clip = ["--embedding-model", minilm_path], ["--clip-model", clip_path]
    models = {
        "ingest_pdfs.py": text,
        "ingest_images.py": clip,
        "ingest_videos.py": [*text, *clip, "--whisper-model", whisper_path],
        "search.py": [*text, *clip],
    }
    return Jobs(script_runner, environment, (TOKEN, object_store.secret_key), ["--milvus-uri", milvus.uri], models)


@pytest.fixture(scope="session")
def jobs(plain_jobs, ray_head) -> Jobs:
    """Scripts for the real stores on the shared Ray head."""
    return replace(plain_jobs, environment={**plain_jobs.environment, **ray_head.client_environment()})


BAD = {"encrypted.pdf": "Encrypted", "empty.pdf": "Empty", "page.pdf": "NotAPdf"}
"""The failures of the library's bad files."""


OWNERS = {"good.PDF": {"year": "1999"}, "long.pdf": {"department": "Sales"}}
"""User metadata of the library's files; tests put the first of them again, without."""

SIDECAR = b'{"department": "Finance", "year": 2026}'
"""Its sidecar."""


def library_files() -> dict[str, bytes]:
    """The demo's PDFs, a long one, two that tests change, and odd ones."""
    import pymupdf

    with pymupdf.open() as document:
        document.new_page().insert_text((72, 100), "secret")
        encrypted = document.tobytes(encryption=pymupdf.PDF_ENCRYPT_AES_256, user_pw="u", owner_pw="o")
    numbers = range(1, 301)
    return {
        **{name: data for day in DAYS for name, data in make_pdfs(day).items()},
        "long.pdf": make_pdf(*(f"Page {n} of the long report: ship {n} reached its harbour." for n in numbers)),
        "edited.pdf": make_pdf("The first page of this file stays.", "Its second page goes."),
        "gone.pdf": make_pdf("Someone will delete this file."),
        "good.PDF": make_pdf("The lamp is lit at dusk.", "", "It is put out at dawn."),
        "blank.pdf": make_pdf("", ""),
        "encrypted.pdf": encrypted,
        "empty.pdf": b"",
        "page.pdf": b"<html><body>Not found</body></html>",
    }


@dataclass
class Library:
    """Generated PDFs under a prefix of the object store, the first run over them, and what is in Milvus."""

    store: Any
    client: Any
    source: str
    collection: str
    files: dict[str, bytes]
    bad: dict[str, str]
    first: Result
    report_file: str
    after_first: tuple[dict[str, Any], dict[str, Any]] = ({}, {})

    def put(self, name: str, data: bytes, **metadata: str) -> None:
        self.store.put_object(Bucket=LIBRARY_BUCKET, Key=f"library/{name}", Body=data, Metadata=metadata)

    def delete(self, name: str) -> None:
        self.store.delete_object(Bucket=LIBRARY_BUCKET, Key=f"library/{name}")

    def rows(self, collection: str = "") -> tuple[dict[str, Any], dict[str, Any]]:
        """Both collections without times and run ids: rows by id, ledger entries by source."""
        prefix = collection or self.collection
        rows = self.client.query(
            f"{prefix}documents", filter='id != ""', limit=10_000, consistency_level="Strong",
            output_fields=["id", "source", "version", "ordinal", "page", "kind", "text", "metadata"],
        )  # fmt: skip
        ledger = self.client.query(
            f"{prefix}sources", filter='source != ""', limit=10_000, consistency_level="Strong",
            output_fields=["source", "version", "size", "status", "rows", "stage", "error_type", "attempts",
                           "fingerprint", "metadata"],
        )  # fmt: skip
        return {row.pop("id"): row for row in rows}, {row.pop("source"): row for row in ledger}


@pytest.fixture(scope="session")
def library(jobs, object_store, milvus_client, tmp_path_factory) -> Library:
    """Generated PDFs under one prefix, ingested once. The tests of its changes leave the demo's PDFs as they are."""
    bucket = object_store.bucket(LIBRARY_BUCKET)
    source, collection = f"{bucket}/library/", "library_"
    files = library_files()
    made = Library(object_store.client(), milvus_client, source, collection, files, BAD, Result(0, "", ""), "")
    for name, data in {**files, "notes.txt": b"no PDF", "good.PDF.json": SIDECAR}.items():
        made.put(name, data, **OWNERS.get(name, {}))
    report = tmp_path_factory.mktemp("report") / "report.json"
    made.first = jobs.run("ingest_pdfs.py", "--source", source, "--collection", collection, "--report", str(report))
    made.report_file = report.read_text() if report.exists() else ""
    made.after_first = made.rows()
    return made


@pytest.fixture(scope="module")
def s3_stub() -> Iterator[S3Stub]:
    """A stub that the code under test takes for the store. Requests are not retried, so that no test waits."""
    with S3Stub() as stub, store_client(stub.environment(), REQUEST_ATTEMPTS=1):
        yield stub


@pytest.fixture
def make_tables(milvus_client) -> Iterator[Any]:
    """Makes `Tables`, as many as a test asks for."""
    from writer_tables import Tables

    made: list[Tables] = []

    def make() -> Tables:
        made.append(Tables(milvus_client))
        return made[-1]

    yield make
    for tables in made:
        milvus_client.drop_collection(tables.rows_name)
        milvus_client.drop_collection(tables.ledger_name)


@pytest.fixture
def tables(make_tables) -> Any:
    return make_tables()


@pytest.fixture
def short_folder() -> Iterator[Path]:
    """A temporary folder for a Ray of the test's own, whose sockets' paths may have 107 bytes."""
    with tempfile.TemporaryDirectory(prefix="ray-", dir="/tmp", ignore_cleanup_errors=True) as folder:
        yield Path(folder)


class Clock:
    """A clock that stands still until a test sets `now`, in seconds."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()
