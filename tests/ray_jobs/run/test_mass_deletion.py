"""A listing that is empty or half by mistake removes nothing, and the rest of the run is done."""

import json

import pytest

from ingest.common.errors import ObjectError, UnreachableError
from ingest.common.failures import Failure
from ingest.ledger.deletion_limit import DeletionLimit
from ingest.ledger.diff import Change
from ingest.ledger.parts import ObjectPart
from ingest.ledger.writer import ObjectWriter
from ingest.milvus.client import alias_target
from run_world import small_world

SOURCE = "s3://bucket/day/"
NAMES = [f"{number:02}.pdf" for number in range(20)]


@pytest.fixture
def world(s3_stub, milvus, milvus_client):
    with small_world(s3_stub, milvus_client, milvus.uri, "day/", NAMES) as world:
        yield world


@pytest.mark.parametrize(
    ("missing", "known", "exceeded"),
    [(10, 10, False), (11, 11, True), (11, 55, False), (11, 54, True), (200, 1000, False), (201, 1000, True)],
)
def test_the_limit_is_a_fraction_of_the_known_objects_and_at_least_ten_of_them(missing, known, exceeded):
    assert DeletionLimit(0.2).is_exceeded(missing, known) == exceeded


def test_all_known_objects_may_go_at_a_fraction_of_one():
    assert not DeletionLimit(1).is_exceeded(1000, 1000)


@pytest.mark.parametrize("left", [0, 9])
def test_an_empty_or_half_listing_removes_nothing_however_often_it_is_repeated(world, left):
    world.keep_listed(left)
    for _ in range(2):
        sentence, report = world.stopped()
        assert f"{20 - left} of the 20 objects that the ledger knows under {SOURCE} are missing" in sentence
        assert sentence.endswith("or allow it with --max-deleted-fraction 1")
        assert (report.listed, report.kept, report.deleted, report.rows_deleted) == (left, 20 - left, 0, 0)
        assert world.rows() == NAMES


def test_as_many_as_allowed_are_removed(world):
    world.keep_listed(10)
    report = world.run()
    assert (report.deleted, report.kept) == (10, 0)
    assert world.rows() == NAMES[:10]


def test_the_flag_allows_it(world):
    world.keep_listed(0)
    assert world.run("--max-deleted-fraction", "1").deleted == 20
    assert world.rows() == []


def test_a_dry_run_tells_and_succeeds(world):
    world.keep_listed(0)
    report = world.run("--dry-run")
    assert (report.kept, report.deleted) == (20, 0)
    plan, outlook = world.said[-2:]
    assert "0 unchanged, 20 missing and kept" in plan
    assert outlook.startswith("a run without --dry-run would end with exit code 3: 20 of the 20 objects")
    world.run("--dry-run", "--ask-first")
    assert world.said[-1].startswith("a run without --dry-run would leave this to a person: 20 of the 20 objects")
    world.run("--dry-run", "--max-deleted-fraction", "1")
    assert "would" not in world.said[-1]


@pytest.mark.parametrize("flags", [["--keep-missing"], ["--only-failed"]])
def test_runs_that_remove_nothing_are_not_concerned(world, flags):
    world.keep_listed(0)
    world.run(*flags)
    assert world.rows() == NAMES


def test_a_listing_that_breaks_off_removes_nothing(world):
    world.stub.page = 5
    world.stub.before_page = lambda start: (500, "InternalError", "no") if start else None
    with pytest.raises(UnreachableError):
        world.run()
    assert world.rows() == NAMES


def test_the_rest_of_the_run_is_done(world, monkeypatch):
    world.process_without_ray(monkeypatch)
    world.keep_listed(0)
    world.stub.put("day/new.pdf")
    _, report = world.stopped()
    assert (report.added, report.kept, report.deleted) == (1, 20, 0)
    assert world.rows() == [*NAMES, "new.pdf"]


def test_a_migration_over_an_empty_listing_does_not_switch_searches_to_an_empty_collection(world):
    world.keep_listed(0)
    sentence, report = world.stopped("--migrate", model="another")
    assert "20 of the 20 objects" in sentence
    assert report.kept == 20
    assert alias_target(world.client, world.names.public[0]) == world.names.rows[0]
    assert world.rows() == NAMES
    world.run("--migrate", "--max-deleted-fraction", "1", model="another")
    assert alias_target(world.client, world.names.public[0]) != world.names.rows[0]


def test_too_many_failed_and_too_many_missing_objects_make_one_sentence(world):
    failed = ObjectError(Failure.ENCRYPTED, "it needs a password")
    version = world.stub.objects[f"day/{NAMES[0]}"].etag.strip('"')
    ObjectWriter(world.client, world.target()).write(
        [ObjectPart(f"{SOURCE}{NAMES[0]}", version, 1, 0, Change.CHANGED, failure=failed)]
    )
    world.keep_listed(1)
    sentence, _ = world.stopped()
    assert "allow it with --max-deleted-fraction 1; and 1 of 1 objects failed (1 of them in earlier runs)" in sentence


def test_a_run_that_asks_first_reports_the_removals_and_their_number_and_the_next_one_removes_no_more(world):
    world.keep_listed(4)
    report = world.run("--ask-first")
    assert (report.kept, report.deleted) == (16, 0)
    assert report.awaiting["removals"].startswith(f"16 of the 20 objects that the ledger knows under {SOURCE}")
    assert report.awaiting_removals == {SOURCE: 16}
    approved = ("--approved-removals", json.dumps(report.awaiting_removals))
    world.delete(NAMES[3])
    world.stopped(*approved)
    assert world.rows() == NAMES
    world.stub.put(f"day/{NAMES[3]}", NAMES[3].encode())
    world.run(*approved)
    assert world.rows() == NAMES[:4]


def test_a_run_that_asks_first_and_may_remove_what_is_missing_has_nothing_to_ask(world):
    world.keep_listed(15)
    report = world.run("--ask-first")
    assert (report.deleted, report.awaiting, report.awaiting_removals) == (5, {}, {})


def test_a_migration_that_asks_first_about_removals_asks_about_the_switch_that_follows_too(world):
    world.keep_listed(0)
    report = world.run("--migrate", "--ask-first", model="another")
    assert set(report.awaiting) == {"removals", "switch"}
    assert alias_target(world.client, world.names.public[0]) == world.names.rows[0]
    world.run("--migrate", "--approved-removals", json.dumps(report.awaiting_removals), model="another")
    assert alias_target(world.client, world.names.public[0]) != world.names.rows[0]


def test_a_migration_that_asks_first_leaves_the_switch_to_the_next_run(world, monkeypatch):
    world.process_without_ray(monkeypatch)
    report = world.run("--migrate", "--ask-first", model="another")
    assert (report.changed + report.added, report.unmigrated) == (20, 0)
    assert alias_target(world.client, world.names.public[0]) == world.names.rows[0]
    assert "from the model m to another" in report.awaiting["switch"]
    assert world.run("--migrate", model="another").awaiting == {}
    assert alias_target(world.client, world.names.public[0]) != world.names.rows[0]
