"""`ingest_pdfs.py` with a real Ray head, a real S3 server and a real Milvus Lite server.

One prefix, whose objects change: the first run over it is the fixture `library`, which tests of search.py use too.
"""

import json
from pathlib import Path

import numpy as np
import pymupdf
import pytest

from embedded.pdfs import make_pdf

SCRIPT = "ingest_pdfs.py"
ODD_NAME = "odd name %20+#文🙂.pdf"
ODD_TEXT = "The key of this object is odd."


def new_edition(data, text):
    """The unchanged first page, followed by a new one."""
    with pymupdf.open("pdf", data) as document:
        document.select([0])
        document.new_page().insert_textbox(pymupdf.Rect(50, 50, 550, 800), text, fontsize=9)
        return document.tobytes(no_new_id=True)


def vectors_of(client, collection):
    """Embeddings by row id."""
    rows = client.query(f"{collection}documents", filter='id != ""', limit=10_000, output_fields=["embedding"])
    return {row["id"]: np.array(row["embedding"]) for row in rows}


def counts(result):
    names = ("listed", "added", "changed", "unchanged", "deleted", "failed")
    return {name: result.report[name] for name in names if result.report[name]}


# --- the first run


def test_the_first_run_adds_every_pdf_and_nothing_else(library):
    found = {"listed": len(library.files), "added": len(library.files), "failed": len(library.bad)}
    assert counts(library.first) == found
    assert library.first.report["source"] == library.source


def test_objects_with_other_endings_are_ignored_and_counted(library):
    assert library.first.report["ignored"] == 1
    assert f"ignored by name: 1, such as {library.source}notes.txt" in (library.first.stdout)


def test_the_report_file_equals_the_last_line(library):
    assert json.loads(library.report_file) == library.first.report


def test_rows_and_ledger_agree_with_each_other_and_the_report(library):
    rows, ledger = library.after_first
    assert {Path(source).name for source in ledger} == set(library.files)
    for source, entry in ledger.items():
        name = Path(source).name
        assert entry["status"] == ("failed" if name in library.bad else "ok")
        ordinals = sorted(row["ordinal"] for row in rows.values() if row["source"] == source)
        assert ordinals == list(range(entry["rows"]))
        assert entry["size"] == len(library.files[name])
    assert len(rows) == library.first.report["rows_written"]


def test_the_report_counts_the_items_of_each_stage(library):
    stages = library.first.report["stages"]
    assert stages["read"]["items"] == len(library.files)
    assert stages["parse"]["items"] == len(library.files) - len(library.bad)
    embedded = stages["embed"]["items"] + stages.get("reuse", {"items": 0})["items"]
    assert embedded == stages["write"]["items"] == library.first.report["rows_written"]


def test_an_object_with_more_chunks_than_fit_in_one_part_is_written_completely(library):
    rows, ledger = library.after_first
    entry = ledger[f"{library.source}long.pdf"]
    own = sorted((row["ordinal"], row["page"]) for row in rows.values() if row["source"].endswith("/long.pdf"))
    assert entry["rows"] == len(own) > 256
    assert [ordinal for ordinal, _ in own] == list(range(len(own)))
    assert [page for _, page in own] == sorted(page for _, page in own)
    assert {page for _, page in own} == set(range(1, 301))
    known = {"pages": 300, "ocr_pages": 0, "language": "en", "owner": {"department": "Sales"}}
    assert entry["metadata"] == {**known, "stored": entry["metadata"]["stored"]}


def test_what_owners_say_about_their_files_is_in_all_of_their_rows(library):
    rows, _ = library.after_first
    said = {"long.pdf": {"department": "Sales"}, "good.PDF": {"department": "Finance", "year": 2026}}
    for row in rows.values():
        assert row["metadata"].get("owner") == said.get(Path(row["source"]).name)
        assert row["metadata"]["date"][:4].isdecimal()
    assert library.first.report["ignored"] == 1  # the sidecar is no object of its own


# --- its bad files


def test_too_many_failed_objects_are_exit_code_3_with_a_report(library):
    assert library.first.code == 3
    sentence = f"{len(library.bad)} of {len(library.files)} objects failed, more than --max-failed-fraction 0.1"
    assert sentence in library.first.error


def test_every_bad_file_is_in_the_ledger_and_the_report_with_stage_and_error_type(library):
    _, ledger = library.after_first
    assert {Path(f["source"]).name: f["error_type"] for f in library.first.report["failures"]} == library.bad
    for name, error_type in library.bad.items():
        entry = ledger[f"{library.source}{name}"]
        found = (entry["stage"], entry["error_type"], entry["rows"], entry["attempts"])
        assert found == ("parse", error_type, 0, 1)


def test_files_without_text_are_counted(library):
    assert library.first.report["empty"] == 1
    assert library.after_first[1][f"{library.source}blank.pdf"]["status"] == "ok"


def test_bad_files_do_not_fail_the_others(library):
    rows, ledger = library.after_first
    good = ledger[f"{library.source}good.PDF"]
    assert (good["status"], good["rows"], good["metadata"]["pages"]) == ("ok", 2, 3)
    texts = {(row["page"], row["text"]) for row in rows.values() if row["source"].endswith("/good.PDF")}
    assert texts == {(1, "The lamp is lit at dusk."), (3, "It is put out at dawn.")}


def test_permanent_failures_fail_the_next_run_too(library, plain_jobs):
    flags = ["--source", f"{library.source}encrypted.pdf", "--collection", library.collection]
    result = plain_jobs.run_by_python(SCRIPT, *flags)
    assert result.code == 3, result.stderr
    assert counts(result) == {"listed": 1, "unchanged": 1}
    assert result.report["failed_before"] == 1
    assert "1 of 1 objects failed (1 of them in earlier runs)" in result.error
    assert "--only-failed" in result.error


# --- the next runs


class Changes:
    """More runs over the prefix of the library while it changes, with the contents of Milvus after each."""

    def __init__(self, library, jobs, plain_jobs, client):
        self._library, self._jobs, self._client = library, jobs, client
        flags = ["--max-failed-fraction", "0.5", "--collection"]

        def step(runner, collection, *more, sources=(library.source,)):
            given = [f"--source={source}" for source in sources]
            result = runner.run(SCRIPT, *given, *flags, collection, *more)
            assert result.code == 0, result.stderr
            return result

        self._step = step
        # `plain_jobs` names a Ray head that does not exist: a run with nothing to do must not need one.
        self.idle = step(plain_jobs, library.collection)
        self.after_idle = library.rows()
        self.small_chunks = step(plain_jobs, library.collection, "--dry-run", "--chunk-tokens", "12")
        self.empty_dry_run = step(plain_jobs, "dry_", "--dry-run")
        self.made_by_dry_run = [name for name in client.list_collections() if name.startswith("dry_")]
        library.delete("gone.pdf")
        self.keep_missing = step(plain_jobs, library.collection, "--keep-missing")
        self.after_keep_missing = library.rows()
        library.put("edited.pdf", new_edition(library.files["edited.pdf"], ODD_TEXT))
        library.put("good.PDF", library.files["good.PDF"])
        library.put("new.pdf", make_pdf("A new object comes with the second run."))
        library.put(ODD_NAME, make_pdf(ODD_TEXT))
        self.dry_run = step(plain_jobs, library.collection, "--dry-run")
        self.limited_dry_run = step(plain_jobs, library.collection, "--dry-run", "--limit", "1")
        self.after_dry_run = library.rows()
        letters = {name[0] for name in (*library.files, "new.pdf", ODD_NAME)}
        self.second = step(jobs, library.collection, sources=[library.source + letter for letter in sorted(letters)])
        self.after_second = library.rows()

    def again(self):
        """Two more runs over the same objects: one into collections of its own, and a full refresh."""
        self.vectors_second = vectors_of(self._client, self._library.collection)
        self._step(self._jobs, "clean_")
        self.after_clean = self._library.rows("clean_")
        self.vectors_clean = vectors_of(self._client, "clean_")
        self.refresh = self._step(self._jobs, self._library.collection, "--full-refresh", "--limit", "2")
        self.after_refresh = self._library.rows()
        return self


@pytest.fixture(scope="module")
def changes(library, jobs, plain_jobs, milvus_client):
    return Changes(library, jobs, plain_jobs, milvus_client)


@pytest.fixture(scope="module")
def refreshed(changes):
    return changes.again()


def test_a_second_run_reads_no_object_and_loads_no_model(library, changes):
    assert counts(changes.idle) == {"listed": len(library.files), "unchanged": len(library.files)}
    assert set(changes.idle.report["stages"]) == {"list"}
    assert changes.after_idle == library.after_first


def test_another_chunk_size_would_change_every_object_that_was_read(library, changes):
    assert counts(changes.small_chunks) == {"listed": len(library.files), "changed": len(library.files)}


def test_a_first_dry_run_creates_no_collection(library, changes):
    assert counts(changes.empty_dry_run) == {"listed": len(library.files), "added": len(library.files)}
    assert changes.made_by_dry_run == []


def test_keep_missing_keeps_the_rows_of_deleted_objects(library, changes):
    left = len(library.files) - 1
    assert counts(changes.keep_missing) == {"listed": left, "unchanged": left}
    assert changes.keep_missing.report["kept"] == 1
    assert "1 missing and kept" in changes.keep_missing.stdout
    assert changes.after_keep_missing == library.after_first


@pytest.fixture
def differences(library):
    """Of the second run: one object gone, one edited, two new."""
    listed = len(library.files) + 1
    return {"listed": listed, "added": 2, "changed": 1, "unchanged": listed - 3, "deleted": 1}


def test_a_dry_run_names_every_difference_and_changes_nothing(library, changes, differences):
    assert counts(changes.dry_run) == differences
    for line in (f"new      {library.source}new.pdf", f"changed  {library.source}edited.pdf",
                 f"missing  {library.source}gone.pdf"):  # fmt: skip
        assert line in changes.dry_run.stdout.splitlines()
    assert changes.after_dry_run == library.after_first


def test_a_limit_bounds_the_processed_objects(changes):
    got = counts(changes.limited_dry_run)
    assert got.get("added", 0) + got.get("changed", 0) == 1


def test_one_run_processes_changed_deleted_and_added_objects(library, changes, differences):
    assert counts(changes.second) == differences
    assert changes.second.report["stages"]["read"]["items"] == 3
    assert changes.second.report["rows_deleted"] == sum(
        row["source"].endswith(("/gone.pdf", "/edited.pdf")) for row in library.after_first[0].values()
    )


def test_a_run_over_several_prefixes_counts_by_prefix(library, changes):
    shown = {
        source.removeprefix(library.source): (found["added"], found["changed"], found["deleted"])
        for source, found in changes.second.report["by_source"].items()
    }
    assert {letter: found for letter, found in shown.items() if any(found)} == {
        "e": (0, 1, 0), "g": (0, 0, 1), "n": (1, 0, 0), "o": (1, 0, 0)
    }  # fmt: skip


def test_only_new_texts_of_an_object_are_embedded_and_each_only_once(library, changes):
    before, after = library.after_first[0], changes.after_second[0]
    written = [row["text"] for row_id, row in after.items() if row_id not in before]
    had = {row["text"] for row in before.values() if row["source"].endswith("/edited.pdf")}
    assert had & set(written)
    assert len(set(written)) < len(written)
    stages = changes.second.report["stages"]
    assert stages["embed"]["items"] == len(set(written) - had)
    assert stages["reuse"]["items"] == len(written) - stages["embed"]["items"]


@pytest.mark.nightly
def test_the_collections_equal_those_of_a_clean_run(refreshed):
    assert refreshed.after_second == refreshed.after_clean


@pytest.mark.nightly
def test_a_reused_vector_equals_the_vector_of_the_model(refreshed):
    assert refreshed.vectors_second.keys() == refreshed.vectors_clean.keys()
    for row_id, vector in refreshed.vectors_clean.items():
        np.testing.assert_allclose(refreshed.vectors_second[row_id], vector, atol=1e-5)


@pytest.mark.nightly
def test_a_full_refresh_reuses_no_stored_vector(refreshed):
    first_two = sorted(refreshed.after_second[1])[:2]
    texts = {row["text"] for row in refreshed.after_second[0].values() if row["source"] in first_two}
    assert refreshed.refresh.report["stages"]["embed"]["items"] == len(texts)


@pytest.mark.nightly
def test_a_full_refresh_processes_everything_again_with_the_same_result(refreshed):
    assert counts(refreshed.refresh)["changed"] == 2
    assert refreshed.refresh.report["stages"]["read"]["items"] == 2
    assert refreshed.after_refresh == refreshed.after_second
