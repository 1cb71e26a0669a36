"""Runs in which only what owners say about their objects has changed: no model, and no Ray."""

import dataclasses
import os
import subprocess
import sys
from pathlib import Path

import pytest

from embedded.processes import poll
from run_world import small_world

FOLDER = "pdfs/tenant=acme/"
NAMES = [f"{number:02}.pdf" for number in range(12)]


@pytest.fixture
def world(s3_stub, milvus, milvus_client, monkeypatch):
    """All objects are done, and their rows have the values of their path."""
    with small_world(s3_stub, milvus_client, milvus.uri, FOLDER, NAMES) as world:
        world.process_without_ray(monkeypatch)
        world.run("--refresh-metadata")
        s3_stub.requests.clear()
        world.said.clear()
        yield world


def owners(world):
    """The owner's values of the rows, by name."""
    rows = world.client.query(
        world.names.rows[0], filter='id != ""', output_fields=["source", "metadata"], limit=100,
        consistency_level="Strong",
    )  # fmt: skip
    return {row["source"].removeprefix(world.source): row["metadata"].get("owner") for row in rows}


def counts(report):
    names = ("listed", "added", "changed", "relabelled", "unchanged", "failed", "partly", "rows_written", "ignored")
    return {name: value for name in names if (value := getattr(report, name))}


def copy_in_place(world, name, **headers):
    """Give an object other user metadata, as S3 does that: it has the same ETag at another time."""
    key = FOLDER + name
    stored = world.stub.objects[key]
    headers = {f"x-amz-meta-{name}": value for name, value in headers.items()}
    world.stub.objects[key] = dataclasses.replace(stored, headers=headers, modified=stored.modified + 60)


ACME = {"tenant": "acme"}


def test_an_unchanged_rerun_costs_one_listing_and_no_other_request(world):
    assert owners(world) == dict.fromkeys(NAMES, ACME)
    assert counts(world.run()) == {"listed": 12, "unchanged": 12}
    assert len(world.stub.requests) == 1


def test_other_user_metadata_and_sidecars_come_and_go_at_one_request_each(world):
    copy_in_place(world, "00.pdf", year="2026")
    world.stub.put(f"{FOLDER}01.pdf.json", b'{"year": 2027}')
    assert counts(world.run()) == {"listed": 12, "unchanged": 12, "relabelled": 2, "rows_written": 2}
    assert owners(world) == dict.fromkeys(NAMES, ACME) | {
        "00.pdf": {**ACME, "year": 2026}, "01.pdf": {**ACME, "year": 2027}
    }  # fmt: skip
    assert [request.split()[0] for request in world.stub.requests].count("HEAD") == 2
    assert counts(world.run()) == {"listed": 12, "unchanged": 12}
    world.stub.put(f"{FOLDER}01.pdf.json", b'{"year": 2028}')
    copy_in_place(world, "00.pdf")
    assert world.run().relabelled == 2
    assert owners(world) == dict.fromkeys(NAMES, ACME) | {"01.pdf": {**ACME, "year": 2028}}
    world.delete("01.pdf.json")
    assert world.run().relabelled == 1
    assert owners(world) == dict.fromkeys(NAMES, ACME)
    assert world.written == []


def test_a_bad_sidecar_costs_a_note_in_the_report_and_the_ledger(world):
    world.stub.put(f"{FOLDER}01.pdf.json", b"no JSON")
    report = world.run()
    assert counts(report) == {"listed": 12, "unchanged": 12, "relabelled": 1, "partly": 1}
    note = "of its metadata, not used: the sidecar 01.pdf.json (it is not JSON)"
    assert report.partly_read == [{"source": f"{world.source}01.pdf", "message": note}]
    assert counts(world.run()) == {"listed": 12, "unchanged": 12}


@pytest.mark.nightly
def test_a_new_version_is_processed_and_not_only_labelled(world):
    world.stub.put(f"{FOLDER}02.pdf", b"another content")
    world.stub.put(f"{FOLDER}02.pdf.json", b'{"year": 2027}')
    assert counts(world.run()) == {"listed": 12, "changed": 1, "unchanged": 11, "rows_written": 1}
    assert world.written == ["02.pdf"]


def test_a_dry_run_names_them_and_changes_nothing(world):
    copy_in_place(world, "00.pdf", year="2026")
    report = world.run("--dry-run")
    assert (report.changed, report.unchanged, report.relabelled) == (0, 12, 1)
    assert f"metadata {world.source}00.pdf" in world.said
    assert "12 unchanged (1 of them perhaps but for their metadata)" in "\n".join(world.said)
    assert owners(world) == dict.fromkeys(NAMES, ACME)


@pytest.mark.nightly
def test_a_limit_counts_them_and_the_next_run_continues(world):
    for name in NAMES[:4]:
        copy_in_place(world, name, year="2026")
    assert (world.run("--limit", "3").relabelled, world.run("--limit", "3").relabelled) == (3, 1)
    assert sum("year" in owner for owner in owners(world).values()) == 4


def test_without_sidecars_they_are_ignored_objects_and_values_stay_until_they_are_read_again(world):
    world.stub.put(f"{FOLDER}01.pdf.json", b'{"year": 2027}')
    world.run()
    assert counts(world.run("--metadata", "path")) == {"listed": 12, "unchanged": 12, "ignored": 1}
    assert owners(world)["01.pdf"] == {**ACME, "year": 2027}
    world.run("--metadata", "none", "--refresh-metadata")
    assert owners(world) == dict.fromkeys(NAMES, None)


def test_an_object_whose_metadata_cannot_be_read_fails_and_keeps_its_rows(world):
    copy_in_place(world, "00.pdf", year="2026")
    world.stub.objects[f"{FOLDER}00.pdf"].fault = (403, "AccessDenied", "no")
    report = world.run()
    assert (report.failed, report.failures[0]["error_type"]) == (1, "Forbidden")
    assert owners(world) == dict.fromkeys(NAMES, ACME)
    world.stub.objects[f"{FOLDER}00.pdf"].fault = ""
    assert (world.run().failed, owners(world)["00.pdf"]) == (0, {**ACME, "year": 2026})


MANY = [f"{number:04}.pdf" for number in range(1000)]


@pytest.mark.nightly
def test_a_run_that_is_killed_while_it_writes_metadata_is_completed_by_the_next(s3_stub, milvus, milvus_client):
    with small_world(s3_stub, milvus_client, milvus.uri, FOLDER, MANY) as world:
        world.run("--refresh-metadata")
        before = vectors(world)
        for name in MANY:
            s3_stub.put(f"{FOLDER}{name}.json", b'{"year": 2026}')
        program = Path(__file__).parents[2] / "metadata_run.py"
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
        killed = subprocess.Popen([sys.executable, program, world.source, milvus.uri, world.prefix], env=environment)
        try:
            poll(lambda: done(world) > 0, 120, "a row with the new value", 0.02)
        finally:
            killed.kill()
            killed.wait()
        assert 0 < done(world) < len(MANY)
        report = world.run("--lease-seconds", "2")
        assert (report.failed, done(world), vectors(world)) == (0, len(MANY), before)
        assert counts(world.run()) == {"listed": len(MANY), "unchanged": len(MANY)}


def done(world):
    """The number of rows with the new value."""
    condition = 'metadata["owner"]["year"] == 2026'
    found = world.client.query(world.names.rows[0], filter=condition, output_fields=["count(*)"])
    return int(found[0]["count(*)"])


def vectors(world):
    """The vectors of all rows, by their ids."""
    rows = world.client.query(
        world.names.rows[0], filter='id != ""', output_fields=["id", "embedding"], limit=10_000,
        consistency_level="Strong",
    )  # fmt: skip
    return {row["id"]: [float(value) for value in row["embedding"]] for row in rows}
