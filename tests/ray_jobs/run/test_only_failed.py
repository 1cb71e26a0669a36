"""`--only-failed` processes objects that failed before, and touches no other object."""

import numpy as np
import pymupdf
import pytest

from ingest.common.errors import ObjectError
from ingest.common.failures import MAX_ATTEMPTS, Failure
from ingest.ledger.entries import ledger_row
from ingest.milvus.schema import ensure_sources
from ingest.store.object_store import list_objects, normalise_source

SCRIPT = "ingest_pdfs.py"
PREFIX = "only_failed_"
FIELDS = ["source", "version", "status", "rows", "stage", "error_type", "attempts", "run_id"]


def pdf(text):
    with pymupdf.open() as document:
        document.new_page().insert_text((72, 100), text)
        return document.tobytes(no_new_id=True)


def counts(result):
    names = ("listed", "added", "changed", "unchanged", "deleted", "failed")
    return {name: result.report[name] for name in names if result.report[name]}


class Folder:
    """Three good PDFs, two of them failed in the ledger and one unknown to it; and two missing PDFs in the ledger."""

    def __init__(self, path, plain_jobs, client):
        self.path, self.plain_jobs, self.client = path, plain_jobs, client
        self.source = normalise_source(str(path))
        for name in ("crashed", "encrypted", "new"):
            (path / f"{name}.pdf").write_bytes(pdf(f"This is the file {name}."))
        ensure_sources(client, f"{PREFIX}sources", 384)
        fingerprint = self.dry_run().report["fingerprint"]
        objects = {entry.source.rpartition("/")[2]: entry for entry in list_objects(self.source, (".pdf",))}

        def row(name, version, failure, attempts):
            return ledger_row(
                source=f"{self.source}{name}", pipeline="pdfs", version=version, size=1, fingerprint=fingerprint,
                run_id="earlier", attempts=attempts, rows=0, vector=np.zeros(384, np.float32), metadata={},
                failure=failure,
            )  # fmt: skip

        crashed = ObjectError(Failure.CRASHED, "the file crashed its parser")
        encrypted = ObjectError(Failure.ENCRYPTED, "the PDF needs a password")
        client.upsert(
            f"{PREFIX}sources",
            [
                row("crashed.pdf", objects["crashed.pdf"].version, crashed, MAX_ATTEMPTS),
                row("encrypted.pdf", objects["encrypted.pdf"].version, encrypted, 1),
                row("left.pdf", "v1", None, 1),
                row("left-too.pdf", "v1", crashed, MAX_ATTEMPTS),
            ],
        )

    def dry_run(self, *flags):
        """A dry run, which needs no Ray head."""
        return self.plain_jobs.run(SCRIPT, "--source", str(self.path), "--collection", PREFIX, "--dry-run", *flags)

    def ledger(self):
        found = self.client.query(
            f"{PREFIX}sources", filter='source != ""', output_fields=FIELDS, limit=100, consistency_level="Strong"
        )
        return {row.pop("source").removeprefix(self.source): row for row in map(dict, found)}


@pytest.fixture(scope="module")
def folder(plain_jobs, milvus_client, tmp_path_factory):
    return Folder(tmp_path_factory.mktemp("only-failed"), plain_jobs, milvus_client)


def test_a_dry_run_names_only_the_failed_objects(folder):
    result = folder.dry_run("--only-failed")
    assert counts(result) == {"listed": 3, "changed": 2}
    lines = [line for line in result.stdout.splitlines() if line.endswith(".pdf")]
    assert lines == [f"retry    {folder.source}{name}.pdf" for name in ("crashed", "encrypted")]


def test_an_unknown_reason_does_nothing_and_the_output_lists_the_known_ones(folder):
    result = folder.dry_run("--only-failed", "Encripted")
    assert counts(result) == {"listed": 3, "unchanged": 2}
    assert "their failures in the ledger: 1 x parse/Crashed, 1 x parse/Encrypted" in result.stdout


@pytest.mark.nightly
def test_objects_that_failed_for_the_reason_are_processed_and_the_others_are_not(folder, jobs):
    before = folder.ledger()
    flags = ["--source", str(folder.path), "--collection", PREFIX, "--only-failed", "parse/Crashed"]
    result = jobs.run(SCRIPT, *flags, "--run-id", "again")
    assert result.code == 0, result.stderr
    assert counts(result) == {"listed": 3, "changed": 1, "unchanged": 1}
    after = folder.ledger()
    done = after.pop("crashed.pdf")
    assert (done["status"], done["rows"], done["attempts"], done["run_id"]) == ("ok", 1, 1, "again")
    del before["crashed.pdf"]
    assert after == before
