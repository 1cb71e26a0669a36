"""Maintenance on a real Milvus Lite server: orphans, losses, rows that stay, and leases."""

import contextlib
import threading
import uuid
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from embedded.processes import poll
from ingest.common.errors import ConfigurationError, ObjectError, TooManyFailedError
from ingest.common.failures import MAX_ATTEMPTS, Failure
from ingest.common.objects import StoredObject
from ingest.ledger.diff import Change, diff
from ingest.ledger.entries import read_ledger
from ingest.ledger.lease import LeaseLostError, lease
from ingest.ledger.parts import ObjectPart, Target
from ingest.ledger.writer import ObjectWriter
from ingest.maintenance.maintain import maintain
from ingest.maintenance.report import MaintenanceOptions, Orphan
from ingest.milvus.schema import COLLECTIONS, DOCUMENTS, ensure_rows, ensure_sources

FINGERPRINT = "f1"
ROOT = "s3://bucket/day/"
A, B, C, D = (f"{ROOT}{letter}.pdf" for letter in "abcd")
ENCRYPTED = ObjectError(Failure.ENCRYPTED, "the PDF needs a password")
CRASHED = ObjectError(Failure.CRASHED, "the file crashed its parser")


class Site:
    """The collections of one prefix, and their maintenance."""

    def __init__(self, client, uri):
        self.client = client
        self.prefix = f"maintain_{uuid.uuid4().hex[:8]}_"
        self.rows_name, self.ledger_name = f"{self.prefix}documents", f"{self.prefix}sources"
        self.options = MaintenanceOptions(uri, self.prefix, run_id="maintenance-run")
        self.said = []

    def make(self):
        ensure_rows(self.client, DOCUMENTS, self.rows_name, 2)
        ensure_sources(self.client, self.ledger_name, 2)
        return self

    def write(self, source, version, content, fingerprint=FINGERPRINT, attempts=0, change=Change.NEW, pipeline="pdfs"):
        """Write an object of `content` rows, or its failure, as a run does; CHANGED deletes rows of other versions."""
        failure = content if isinstance(content, ObjectError) else None
        count = 0 if failure else content
        target = Target((self.rows_name,), self.ledger_name, 2, pipeline, fingerprint, "run", clean_new=False)
        part = ObjectPart(
            source, version, 1, attempts, change, totals=(count,),
            rows=[{"page": 1, "kind": "text", "text": f"row {n}", "metadata": {}} for n in range(count)],
            vectors=np.ones((count, 2), np.float32), failure=failure,
        )  # fmt: skip
        ObjectWriter(self.client, target).write([part])

    def forget(self, source):
        self.client.delete(self.ledger_name, filter=f'source == "{source}"')

    def lose(self, source, ordinal):
        self.client.delete(self.rows_name, filter=f'source == "{source}" and ordinal == {ordinal}')

    def maintain(self, **more):
        return maintain(replace(self.options, **more), self.said.append)

    def rows(self):
        """Source, version and ordinal of all rows."""
        found = self.client.query(
            self.rows_name, filter='id != ""', output_fields=["source", "version", "ordinal"], limit=1000,
            consistency_level="Strong",
        )  # fmt: skip
        return sorted((row["source"], row["version"], row["ordinal"]) for row in found)

    def changes(self, *listed):
        """The changes that the next run would find."""
        listing = [StoredObject(source, version, 1) for source, version in sorted(listed)]
        ledger = read_ledger(self.client, self.ledger_name, ROOT, "pdfs")
        return [(d.source, str(d.change)) for d in diff(listing, ledger, FINGERPRINT)]


@pytest.fixture
def site(milvus_client, milvus):
    made = Site(milvus_client, milvus.uri)
    yield made
    for name in milvus_client.list_collections():
        if name.startswith(made.prefix):
            milvus_client.drop_collection(name)


def numbered(source, version, count):
    return [(source, version, ordinal) for ordinal in range(count)]


def test_every_pipeline_that_has_a_script_is_maintained():
    scripts = (Path(__file__).parents[3] / "ray_jobs").glob("ingest_*.py")
    assert {script.stem.removeprefix("ingest_") for script in scripts} == set(COLLECTIONS)


def test_maintenance_without_collections_succeeds(site):
    report = site.maintain()
    assert (report.listed, report.rows_checked, report.orphans, report.rows_deleted) == (0, 0, {}, 0)


def test_rows_written_by_runs_stay(site):
    site.make().write(A, "v1", 3)
    site.write(B, "v1", 0)
    site.write(C, "v1", ENCRYPTED)
    report = site.maintain()
    assert (report.listed, report.rows_checked, report.orphans, report.rows_lost) == (3, 3, {}, 0)
    assert site.rows() == numbered(A, "v1", 3)


def orphans_of_each_kind(site):
    """Write four orphans and five rows that stay; returns the latter."""
    site.make().write(A, "v1", 2)
    site.write(A, "v2", 1)  # NEW: as if the run had been interrupted before it deleted v1
    site.write(B, "v1", 2)
    site.write(B, "v1", 1, fingerprint="f0")
    site.write(B, "v1", 2)
    site.write(C, "v1", 1)
    site.write(C, "v2", ENCRYPTED)
    site.write(f"{ROOT}e.pdf", "v1", 2)
    return numbered(A, "v2", 1) + numbered(B, "v1", 2) + numbered(f"{ROOT}e.pdf", "v1", 2)


EXPECTED = {Orphan.SUPERSEDED: 3, Orphan.FAILED: 1}


@pytest.mark.parametrize("page", [1, 2, 5000])
def test_every_kind_of_orphan_is_deleted_and_nothing_else(site, monkeypatch, page):
    monkeypatch.setattr("ingest.milvus.client.LITE_PAGE", page)
    monkeypatch.setattr("ingest.maintenance.ledger_check.PAGE", page)
    monkeypatch.setattr("ingest.maintenance.ledger_check.BATCH_ROWS", min(page, 2))
    expected = orphans_of_each_kind(site)
    report = site.maintain()
    assert (report.orphans, report.rows_deleted, report.rows_checked) == (EXPECTED, 4, 9)
    assert site.rows() == expected
    again = site.maintain()
    assert (again.orphans, again.rows_deleted, again.rows_lost) == ({}, 0, 0)


def test_a_dry_run_lists_the_orphans_and_changes_nothing(site):
    orphans_of_each_kind(site)
    before = site.rows()
    report = site.maintain(dry_run=True, mend=True)
    assert (report.orphans, report.rows_deleted) == (EXPECTED, 0)
    assert site.rows() == before
    assert f"orphans  {A}: 2 rows of another version or other settings" in site.said
    assert f"{site.prefix}leases" not in site.client.list_collections()
    assert "4 rows (3 of another version" in report.summary()
    assert "to be deleted" in report.summary()


def test_rows_of_an_older_version_stay_while_a_retry_is_due(site):
    site.make().write(A, "v1", 2)
    for attempts in range(MAX_ATTEMPTS):
        site.write(A, "v2", CRASHED, attempts=attempts)  # NEW: the write itself deletes nothing
        site.maintain()
        assert len(site.rows()) == (2 if attempts + 1 < MAX_ATTEMPTS else 0), attempts


def test_rows_of_an_object_of_another_pipeline_stay(site):
    site.make().write(A, "v1", 1)
    site.write(B, "v1", 1, pipeline="others")
    site.write(B, "v2", ENCRYPTED, pipeline="others")
    report = site.maintain()
    assert (report.listed, report.orphans) == (1, {})
    assert len(site.rows()) == 2


@pytest.mark.parametrize("left", ["no ledger", "an empty ledger", "entries of others"])
def test_rows_without_any_entry_are_not_taken_for_orphans(site, left):
    site.make().write(A, "v1", 1)
    site.forget(A)
    if left == "no ledger":
        site.client.drop_collection(site.ledger_name)
    if left == "entries of others":
        site.write(B, "v1", ENCRYPTED, pipeline="others")
    with pytest.raises(ConfigurationError, match="nothing was deleted"):
        site.maintain()
    assert len(site.rows()) == 1


def test_lost_rows_are_reported_with_exit_code_3_until_they_are_restored(site):
    site.make().write(A, "v1", 3)
    site.write(B, "v1", 2)
    site.lose(A, 1)
    with pytest.raises(TooManyFailedError) as caught:
        site.maintain()
    sentence, report = caught.value.args
    assert f"{A}: 2 of 3 rows exist" in sentence
    assert f"the pipeline over {ROOT}" in sentence
    assert (report.failed, report.changed, report.rows_lost, report.lost_under) == (1, 0, 1, ROOT)
    assert site.changes((A, "v1"), (B, "v1")) == [(A, "unchanged"), (B, "unchanged")]


def test_rows_of_other_settings_do_not_count_as_the_lost_rows(site):
    site.make().write(A, "v1", 2)
    site.write(A, "v1", 2, fingerprint="f2")
    site.lose(A, 0)
    report = site.maintain(mend=True)
    assert (report.rows_lost, report.changed, report.orphans) == (1, 1, {Orphan.SUPERSEDED: 1})


def test_without_the_collection_every_row_is_lost(site):
    site.make().write(A, "v1", 3)
    site.client.drop_collection(site.rows_name)
    report = site.maintain(mend=True)
    assert (report.rows_lost, report.changed, report.failed) == (3, 1, 0)


def test_the_next_run_processes_mended_objects_again(site):
    site.make().write(A, "v1", 3)
    site.write(B, "v1", 2)
    site.lose(A, 1)
    assert site.maintain(mend=True, dry_run=True).changed == 1
    assert site.changes((A, "v1"), (B, "v1")) == [(A, "unchanged"), (B, "unchanged")]
    report = site.maintain(mend=True)
    assert (report.changed, report.failed, report.rows_lost) == (1, 0, 1)
    assert len(site.rows()) == 4  # the remaining rows stay searchable
    assert site.changes((A, "v1"), (B, "v1")) == [(A, "retry"), (B, "unchanged")]
    site.write(A, "v1", 3, change=Change.RETRY)
    assert site.maintain().rows_lost == 0
    assert site.changes((A, "v1"), (B, "v1")) == [(A, "unchanged"), (B, "unchanged")]


def unknown_objects(site):
    """Rows without an entry of A, C and D: before, between and after objects that have one."""
    site.make()
    for source, count in ((A, 1), (B, 2), (C, 2), (f"{ROOT}c2.pdf", 1), (D, 1)):
        site.write(source, "v1", count)
    for source in (A, C, D):
        site.forget(source)


@pytest.mark.parametrize("page", [1, 5000])
def test_rows_of_objects_that_are_not_in_the_ledger_stay_and_are_reported_with_exit_code_3(site, monkeypatch, page):
    monkeypatch.setattr("ingest.milvus.client.LITE_PAGE", page)
    unknown_objects(site)
    before = site.rows()
    with pytest.raises(TooManyFailedError) as caught:
        site.maintain()
    sentence, report = caught.value.args
    assert f"{A}: 1 rows exist, and the object is not in the ledger" in sentence
    assert f"the pipeline over {ROOT}" in sentence
    assert (report.rows_unknown, report.failed, report.changed, report.orphans) == (4, 3, 0, {})
    assert site.rows() == before
    assert site.changes((A, "v1")) == [(A, "new"), (B, "missing"), (f"{ROOT}c2.pdf", "missing")]


@pytest.mark.parametrize("page", [1, 5000])
def test_mended_unknown_objects_are_processed_or_removed_by_the_next_run(site, monkeypatch, page):
    monkeypatch.setattr("ingest.milvus.client.LITE_PAGE", page)
    unknown_objects(site)
    before = site.rows()
    assert site.maintain(mend=True, dry_run=True).changed == 3
    assert f"lost     {C}: 2 rows exist, and the object is not in the ledger" in site.said
    assert (A, "new") in site.changes((A, "v1"))
    report = site.maintain(mend=True)
    assert (report.rows_unknown, report.changed, report.failed, report.rows_deleted) == (4, 3, 0, 0)
    assert f"3 marked to be processed again by a run over {ROOT}" in report.summary()
    assert site.rows() == before
    changes = site.changes((A, "v1"), (B, "v1"), (D, "v2"))
    assert changes == [
        (A, "changed"), (B, "unchanged"), (C, "missing"), (f"{ROOT}c2.pdf", "missing"), (D, "changed"),
    ]  # fmt: skip
    again = site.maintain()
    assert (again.rows_unknown, again.failed, again.changed, again.orphans) == (0, 0, 0, {})
    assert site.rows() == before


def test_nothing_is_deleted_while_a_run_holds_the_lease(site):
    expected = orphans_of_each_kind(site)
    before = site.rows()
    with lease(site.client, site.prefix, "pdfs", f"{ROOT}sub/", "a-run", [].append):
        thread = threading.Thread(target=site.maintain, daemon=True)
        thread.start()
        poll(lambda: any("'a-run' over" in line for line in site.said), 30, "maintenance names the run it waits for")
        assert site.rows() == before
    thread.join(60)
    assert site.rows() == expected


@pytest.mark.parametrize("damage", ["an orphan", "lost rows", "a lost entry"])
def test_maintenance_that_was_taken_for_dead_deletes_and_marks_nothing(site, monkeypatch, damage):
    site.make().write(A, "v1", 2)
    site.write(B, "v1", 1)
    site.write(C, "v1", 1)
    if damage == "lost rows":
        site.lose(A, 0)
    elif damage == "an orphan":
        site.write(A, "v1", 1, fingerprint="f0")
        site.write(A, "v1", 2)
    else:
        site.forget(C)
    before = site.rows()

    @contextlib.contextmanager
    def lost_lease(*arguments):
        with lease(*arguments) as held:
            pass
        yield held

    monkeypatch.setattr("ingest.maintenance.maintain.lease", lost_lease)
    with pytest.raises(LeaseLostError):
        site.maintain(mend=True)
    assert site.rows() == before
    changes = site.changes((A, "v1"), (B, "v1"), (C, "v1"))
    assert changes == [(A, "unchanged"), (B, "unchanged"), (C, "new" if damage == "a lost entry" else "unchanged")]


def test_milvus_lite_is_flushed_and_not_compacted(site):
    site.make().write(A, "v1", 1)
    site.maintain()
    assert f"flushing {site.rows_name}" in site.said
    assert "no compaction: Milvus Lite compacts by itself after each flush" in site.said


@pytest.mark.nightly
def test_the_script_ends_with_the_report_and_the_exit_code(site, plain_jobs, milvus):
    site.make().write(A, "v1", 2)
    site.lose(A, 0)
    for source in (B, C):
        site.write(source, "v1", 1, fingerprint="f0")
        site.write(source, "v1", 1)
    site.forget(C)
    # Without the flags of the ingest scripts.
    runner = replace(plain_jobs, flags=["--milvus-uri", milvus.uri, "--collection", site.prefix])
    result = runner.run("maintain.py", "--run-id", "by-hand")
    assert (result.code, result.report["pipeline"], result.report["run_id"]) == (3, "maintenance", "by-hand")
    assert result.report["orphans"] == {"superseded": 1}
    assert result.report["failures"][0] == {
        "source": A, "stage": "maintain", "error_type": "RowsLost",
        "message": "1 of 2 rows exist; run maintain.py with --mend, and then the pipeline",
    }  # fmt: skip
    groups = {group["error_type"]: group["count"] for group in result.report["failure_counts"]}
    assert groups == {"RowsLost": 1, "EntryLost": 1}
    assert "run this again with --mend" in result.error
    assert runner.run("maintain.py", "--pipeline", "nonsense").code == 2
