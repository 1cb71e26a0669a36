"""`ingest_pdfs.py` as a process with a real Ray head, a real S3 server and a real Milvus Lite server."""

import json
import shutil
import socket
from pathlib import Path

import numpy as np
import pymupdf
import pytest

from embedded.pdfs import DAYS, make_pdfs
from ingest.common.failures import FAILURES

SCRIPT = "ingest_pdfs.py"
BUCKET = "ray-jobs-ingest"
SMALL_CHUNKS = ["--chunk-tokens", "12"]


def pdf(*pages):
    with pymupdf.open() as document:
        for text in pages:
            document.new_page().insert_textbox(pymupdf.Rect(50, 50, 550, 800), text, fontsize=9)
        return document.tobytes(no_new_id=True)


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


def rows_of(client, collection):
    """The contents of both collections without times and run ids: rows by id, ledger entries by source."""
    rows = client.query(
        f"{collection}documents", filter='id != ""', limit=10_000, consistency_level="Strong",
        output_fields=["id", "source", "version", "ordinal", "page", "kind", "text", "metadata"],
    )  # fmt: skip
    ledger = client.query(
        f"{collection}sources", filter='source != ""', limit=10_000, consistency_level="Strong",
        output_fields=["source", "version", "size", "status", "rows", "stage", "error_type", "attempts", "fingerprint",
                       "metadata"],
    )  # fmt: skip
    return {row.pop("id"): row for row in rows}, {row.pop("source"): row for row in ledger}


def counts(result):
    names = ("listed", "added", "changed", "unchanged", "deleted", "failed")
    return {name: result.report[name] for name in names if result.report[name]}


# --- the first run, whose collections the tests of search.py query too


def test_the_first_run_adds_every_pdf_and_nothing_else(library):
    assert library.first.code == 0, library.first.stderr
    assert counts(library.first) == {"listed": len(library.files), "added": len(library.files)}
    assert library.first.report["source"] == library.source


def test_objects_with_other_endings_are_ignored_and_counted(library):
    assert library.first.report["ignored"] == 1
    assert f"ignored by name: 1, such as {library.source}notes.txt" in (library.first.stdout)


def test_the_report_file_equals_the_last_line(library):
    assert json.loads(library.report_file) == library.first.report


def test_rows_and_ledger_agree_with_each_other_and_the_report(library, milvus_client):
    rows, ledger = rows_of(milvus_client, library.collection)
    assert {Path(source).name for source in ledger} == set(library.files)
    assert {entry["status"] for entry in ledger.values()} == {"ok"}
    for source, entry in ledger.items():
        ordinals = sorted(row["ordinal"] for row in rows.values() if row["source"] == source)
        assert ordinals == list(range(entry["rows"]))
        assert entry["size"] == len(library.files[Path(source).name])
    assert len(rows) == library.first.report["rows_written"]


def test_the_report_counts_the_items_of_each_stage(library):
    stages = library.first.report["stages"]
    assert stages["read"]["items"] == stages["parse"]["items"] == len(library.files)
    embedded = stages["embed"]["items"] + stages.get("reuse", {"items": 0})["items"]
    assert embedded == stages["write"]["items"] == library.first.report["rows_written"]


def test_a_second_run_reads_no_object_and_loads_no_model(library, plain_jobs, milvus_client):
    before = rows_of(milvus_client, library.collection)
    # `plain_jobs` names a Ray head that does not exist: a run with nothing to do must not need one.
    result = plain_jobs.run_by_python(SCRIPT, "--source", library.source, "--collection", library.collection)
    assert result.code == 0, result.stderr
    assert counts(result) == {"listed": len(library.files), "unchanged": len(library.files)}
    assert set(result.report["stages"]) == {"list"}
    assert rows_of(milvus_client, library.collection) == before


def test_another_chunk_size_would_change_every_object(library, plain_jobs):
    flags = ["--source", library.source, "--collection", library.collection, "--dry-run", *SMALL_CHUNKS]
    assert counts(plain_jobs.run(SCRIPT, *flags)) == {"listed": len(library.files), "changed": len(library.files)}


# --- a prefix whose objects change


class Changes:
    """A series of runs over a changing prefix, with the contents of Milvus after each."""

    def __init__(self, jobs, plain_jobs, object_store, client):
        self.source = f"{object_store.bucket(BUCKET)}/changes/"
        store = object_store.client()
        pages = [f"Page {n} of the long report tells how ship number {n} reached its harbour." for n in range(1, 301)]
        files = list(make_pdfs(DAYS[0]).items())
        flags = ["--source", self.source, *SMALL_CHUNKS, "--collection"]

        def put(name, data):
            store.put_object(Bucket=BUCKET, Key=f"changes/{name}", Body=data)

        def step(runner, collection, *more):
            result = runner.run(SCRIPT, *flags, collection, *more)
            assert result.code == 0, result.stderr
            return result, rows_of(client, collection) if "--dry-run" not in more else None

        put("long.pdf", pdf(*pages))
        for name, data in files[:3]:
            put(name, data)
        self.names = [name for name, _ in files]
        self.empty_dry_run, _ = step(plain_jobs, "dry_", "--dry-run")
        self.made_by_dry_run = [name for name in client.list_collections() if name.startswith("dry_")]
        self.first, self.after_first = step(jobs, "changes_")

        store.delete_object(Bucket=BUCKET, Key=f"changes/{files[0][0]}")
        self.keep_missing, self.after_keep_missing = step(plain_jobs, "changes_", "--keep-missing")
        put(files[1][0], new_edition(files[1][1], "The key of this object is odd."))
        put(files[3][0], files[3][1])
        put("odd name %20+#文🙂.pdf", pdf("The key of this object is odd."))
        self.dry_run, _ = step(plain_jobs, "changes_", "--dry-run")
        self.limited_dry_run, _ = step(plain_jobs, "changes_", "--dry-run", "--limit", "1")
        self.after_dry_run = rows_of(client, "changes_")
        self.second, self.after_second = step(jobs, "changes_")
        self.vectors_second = vectors_of(client, "changes_")
        self.clean, self.after_clean = step(jobs, "clean_")
        self.vectors_clean = vectors_of(client, "clean_")
        self.refresh, self.after_refresh = step(jobs, "changes_", "--full-refresh", "--limit", "2")


@pytest.fixture(scope="module")
def changes(jobs, plain_jobs, object_store, milvus_client):
    return Changes(jobs, plain_jobs, object_store, milvus_client)


def test_a_first_dry_run_creates_no_collection(changes):
    assert counts(changes.empty_dry_run) == {"listed": 4, "added": 4}
    assert changes.made_by_dry_run == []


def test_an_object_with_more_chunks_than_fit_in_one_part_is_written_completely(changes):
    rows, ledger = changes.after_first
    entry = ledger[f"{changes.source}long.pdf"]
    own = sorted((row["ordinal"], row["page"]) for row in rows.values() if row["source"].endswith("/long.pdf"))
    assert entry["rows"] == len(own) > 256
    assert [ordinal for ordinal, _ in own] == list(range(len(own)))
    assert [page for _, page in own] == sorted(page for _, page in own)
    assert {page for _, page in own} == set(range(1, 301))
    assert entry["metadata"] == {"pages": 300, "ocr_pages": 0, "language": "en"}


def test_keep_missing_keeps_the_rows_of_deleted_objects(changes):
    assert counts(changes.keep_missing) == {"listed": 3, "unchanged": 3}
    assert changes.keep_missing.report["kept"] == 1
    assert "3 unchanged, 1 missing and kept" in changes.keep_missing.stdout
    assert changes.after_keep_missing == changes.after_first


def test_a_dry_run_names_every_difference_and_changes_nothing(changes):
    assert counts(changes.dry_run) == {"listed": 5, "added": 2, "changed": 1, "unchanged": 2, "deleted": 1}
    names = changes.names
    for line in (f"new      {changes.source}{names[3]}", f"changed  {changes.source}{names[1]}",
                 f"missing  {changes.source}{names[0]}"):  # fmt: skip
        assert line in changes.dry_run.stdout.splitlines()
    assert changes.after_dry_run == changes.after_first


def test_a_limit_bounds_the_processed_objects(changes):
    got = counts(changes.limited_dry_run)
    assert got.get("added", 0) + got.get("changed", 0) == 1


def test_one_run_processes_changed_deleted_and_added_objects(changes):
    expected = {"listed": 5, "added": 2, "changed": 1, "unchanged": 2, "deleted": 1}
    assert counts(changes.second) == expected
    assert changes.second.report["stages"]["read"]["items"] == 3
    assert changes.second.report["rows_deleted"] == sum(
        row["source"].endswith((changes.names[0], changes.names[1])) for row in changes.after_first[0].values()
    )


def test_the_collections_equal_those_of_a_clean_run(changes):
    assert changes.after_second == changes.after_clean


def test_only_new_texts_of_an_object_are_embedded_and_each_only_once(changes):
    before, after = changes.after_first[0], changes.after_second[0]
    written = [row["text"] for row_id, row in after.items() if row_id not in before]
    had = {row["text"] for row in before.values() if row["source"].endswith(changes.names[1])}
    assert had & set(written)
    assert len(set(written)) < len(written)
    stages = changes.second.report["stages"]
    assert stages["embed"]["items"] == len(set(written) - had)
    assert stages["reuse"]["items"] == len(written) - stages["embed"]["items"]


def test_a_reused_vector_equals_the_vector_of_the_model(changes):
    assert changes.vectors_second.keys() == changes.vectors_clean.keys()
    for row_id, vector in changes.vectors_clean.items():
        np.testing.assert_allclose(changes.vectors_second[row_id], vector, atol=1e-5)


def test_a_full_refresh_reuses_no_stored_vector(changes):
    first_two = sorted(changes.after_second[1])[:2]
    texts = {row["text"] for row in changes.after_second[0].values() if row["source"] in first_two}
    assert changes.refresh.report["stages"]["embed"]["items"] == len(texts)


def test_a_full_refresh_processes_everything_again_with_the_same_result(changes):
    assert counts(changes.refresh) == {"listed": 5, "changed": 2}
    assert changes.refresh.report["stages"]["read"]["items"] == 2
    assert changes.after_refresh == changes.after_second


# --- bad files, in a local folder


@pytest.fixture(scope="module")
def bad(jobs, milvus_client, tmp_path_factory):
    """A folder with four bad files and two good ones, the run over it, and the contents of Milvus after it."""
    folder = tmp_path_factory.mktemp("bad")
    with pymupdf.open() as document:
        document.new_page().insert_text((72, 100), "secret")
        document.save(folder / "encrypted.pdf", encryption=pymupdf.PDF_ENCRYPT_AES_256, user_pw="u", owner_pw="o")
    (folder / "empty.pdf").write_bytes(b"")
    (folder / "page.pdf").write_bytes(b"<html><body>Not found</body></html>")
    (folder / "dangling.pdf").symlink_to(folder / "nowhere.pdf")
    (folder / "good.PDF").write_bytes(pdf("The lamp is lit at dusk.", "", "It is put out at dawn."))
    (folder / "blank.pdf").write_bytes(pdf("", ""))
    corpus = Path(__file__).parents[4] / "shared" / "corpus" / "bad" / "pdf"
    for file in corpus.glob("*.pdf"):
        shutil.copy(file, folder / f"corpus-{file.name}")
    result = jobs.run(SCRIPT, "--source", str(folder), "--collection", "bad_", "--max-failed-fraction", "0.5")
    return folder, result, rows_of(milvus_client, "bad_")


GENERATED = {"encrypted.pdf": "Encrypted", "empty.pdf": "Empty", "page.pdf": "NotAPdf", "dangling.pdf": "NoSuchFile"}


def test_too_many_failed_objects_are_exit_code_3_with_a_report(bad):
    _, result, _ = bad
    report = result.report
    assert result.code == 3
    assert report["failed"] > 0.5 * report["listed"]
    assert (
        f"{report['failed']} of {report['listed']} objects failed, more than --max-failed-fraction 0.5" in result.error
    )


def test_permanent_failures_fail_the_next_run_too(bad, plain_jobs):
    folder, _, _ = bad
    result = plain_jobs.run_by_python(SCRIPT, "--source", str(folder / "encrypted.pdf"), "--collection", "bad_")
    assert result.code == 3, result.stderr
    assert counts(result) == {"listed": 1, "unchanged": 1}
    assert result.report["failed_before"] == 1
    assert "1 of 1 objects failed (1 of them in earlier runs)" in result.error
    assert "--only-failed" in result.error


def test_files_without_text_are_counted(bad):
    assert bad[1].report["empty"] >= 1


def test_bad_files_do_not_fail_the_others(bad):
    folder, _, (rows, ledger) = bad
    good = ledger[f"file://{folder}/good.PDF"]
    assert (good["status"], good["rows"], good["metadata"]["pages"]) == ("ok", 2, 3)
    texts = {(row["page"], row["text"]) for row in rows.values() if row["source"].endswith("/good.PDF")}
    assert texts == {(1, "The lamp is lit at dusk."), (3, "It is put out at dawn.")}
    assert ledger[f"file://{folder}/blank.pdf"]["status"] == "ok"


def test_every_bad_file_is_in_the_ledger_and_the_report_with_stage_and_error_type(bad):
    folder, result, (_, ledger) = bad
    assert len(ledger) == result.report["listed"]
    failed = {source: entry for source, entry in ledger.items() if entry["status"] == "failed"}
    assert {Path(f["source"]).name: f["error_type"] for f in result.report["failures"]} == {
        Path(source).name: entry["error_type"] for source, entry in failed.items()
    }
    for name, error_type in GENERATED.items():
        entry = ledger[f"file://{folder}/{name}"]
        stage = "read" if name == "dangling.pdf" else "parse"
        assert (entry["status"], entry["stage"], entry["error_type"]) == ("failed", stage, error_type)
    assert {(entry["rows"], entry["attempts"]) for entry in failed.values()} == {(0, 1)}


def test_only_failures_that_may_pass_are_retried(bad, plain_jobs):
    folder, first, _ = bad
    result = plain_jobs.run(SCRIPT, "--source", str(folder), "--collection", "bad_", "--dry-run")
    assert result.report["changed"] == sum(FAILURES[f["error_type"]].may_pass for f in first.report["failures"])


# --- runs that end before any work


@pytest.fixture(scope="module")
def closed_port():
    """A loopback port that refuses connections while the module's tests run."""
    with socket.socket() as reserved:
        reserved.bind(("127.0.0.1", 0))
        yield reserved.getsockname()[1]


def refused(jobs, code, *flags, source=f"s3://{BUCKET}/refused/", by_python=False, **environment):
    result = (jobs.run_by_python if by_python else jobs.run)(SCRIPT, "--source", source, *flags, **environment)
    assert result.code == code, result.stdout + result.stderr
    assert "REPORT" not in result.stdout
    assert result.stderr.strip() == result.error
    return result.error


@pytest.mark.parametrize("name", ["no-org/no-such-model", "no_such_model", "not a name!", "/no/such/model"])
def test_an_unknown_model_is_exit_code_2(plain_jobs, name):
    assert repr(name) in refused(plain_jobs, 2, "--embedding-model", name)


def test_a_folder_that_is_no_model_is_exit_code_2(plain_jobs, tmp_path):
    assert "is not a usable sentence-transformers model" in refused(plain_jobs, 2, "--embedding-model", str(tmp_path))


def test_chunks_larger_than_the_model_reads_are_exit_code_2(plain_jobs):
    assert "--chunk-tokens 255 is more than" in refused(plain_jobs, 2, "--chunk-tokens", "255")


def test_a_missing_bucket_is_exit_code_2(plain_jobs):
    assert "bucket 'no-such-bucket' does not exist" in refused(plain_jobs, 2, source="s3://no-such-bucket/x/")


def test_wrong_keys_of_the_store_are_exit_code_2(plain_jobs, object_store):
    object_store.bucket(BUCKET)
    error = refused(plain_jobs, 2, AWS_SECRET_ACCESS_KEY="wrong-secret-key")
    assert "refuses these credentials" in error
    assert "wrong-secret-key" not in error


def test_an_unreachable_store_is_exit_code_4(plain_jobs, closed_port):
    error = refused(plain_jobs, 4, AWS_ENDPOINT_URL=f"http://127.0.0.1:{closed_port}")
    assert f"the object store http://127.0.0.1:{closed_port} cannot be reached" in error


def test_an_unreachable_milvus_is_exit_code_4(plain_jobs, closed_port):
    error = refused(plain_jobs, 4, "--milvus-uri", f"http://127.0.0.1:{closed_port}", by_python=True)
    assert f"Milvus at http://127.0.0.1:{closed_port} cannot be reached" in error


def test_a_missing_folder_is_exit_code_2(plain_jobs):
    assert "there is no such folder" in refused(plain_jobs, 2, source="/no/such/folder", by_python=True)


def test_an_unknown_analyzer_is_exit_code_2(plain_jobs, tmp_path):
    (tmp_path / "a.pdf").write_bytes(pdf("text"))
    flags = ["--analyzer", "klingon", "--collection", "klingon_"]
    result = plain_jobs.run(SCRIPT, "--source", str(tmp_path), *flags)
    assert result.code == 2
    assert "--analyzer 'klingon'" in result.error


def test_the_error_for_a_missing_ray_head_names_ray_and_not_milvus(plain_jobs, tmp_path, closed_port):
    (tmp_path / "a.pdf").write_bytes(pdf("text"))
    flags = ["--source", str(tmp_path), "--collection", "headless_"]
    result = plain_jobs.run(SCRIPT, *flags, RAY_ADDRESS=f"127.0.0.1:{closed_port}")
    assert result.code == 4
    assert f"the Ray cluster at 127.0.0.1:{closed_port} cannot be reached" in result.error
