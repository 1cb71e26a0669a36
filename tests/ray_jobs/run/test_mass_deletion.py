"""A listing that is empty or half by mistake removes nothing, and the rest of the run is done."""

import uuid

import numpy as np
import pytest

from ingest.common.errors import ExitCode, ObjectError, TooManyFailedError, UnreachableError
from ingest.common.failures import Failure
from ingest.ledger.alias import ensure_ledger
from ingest.ledger.deletion_limit import DeletionLimit
from ingest.ledger.diff import Change
from ingest.ledger.entries import read_ledger
from ingest.ledger.outcomes import ObjectOutcomes
from ingest.ledger.parts import ObjectPart, Target
from ingest.ledger.writer import ObjectWriter
from ingest.migration.generations import Names, publish
from ingest.milvus.client import alias_target
from ingest.milvus.schema import DOCUMENTS, ensure_rows
from ingest.run import run as run_module
from ingest.run.flags import FlagParser
from ingest.run.options import RUN_FLAGS, run_options_from
from ingest.run.run import Run
from ingest.stages.pipeline import Collection, Pipeline

SOURCE = "s3://bucket/day/"
DIMENSION = 4
NAMES = [f"{number:02}.pdf" for number in range(20)]


def pipeline(model="m"):
    collections = (Collection(DOCUMENTS, DIMENSION, model),)
    return Pipeline("pdfs", "chunks", (".pdf",), collections, model, (), "f1", build=lambda *_: None)


def part(source, version, change=Change.NEW):
    rows = [{"page": 1, "kind": "text", "text": source, "metadata": {}}]
    vectors = np.full((1, DIMENSION), 0.5, np.float32)
    return ObjectPart(source, version, 1, 0, change, totals=(1,), rows=rows, vectors=vectors)


class World:
    """A store of 20 objects, all of them in the ledger and in the rows."""

    def __init__(self, stub, client, uri):
        self.stub, self.client, self.uri = stub, client, uri
        self.prefix = f"m{uuid.uuid4().hex[:12]}_"
        self.names = Names.of(self.prefix, "pdfs", (DOCUMENTS,), "m")
        ensure_rows(client, DOCUMENTS, self.names.rows[0], DIMENSION, model="m")
        publish(client, self.names)
        ensure_ledger(client, self.names.ledger, DIMENSION)
        for name in NAMES:
            stub.put(f"day/{name}", name.encode())
        target = Target(self.names.rows, self.names.ledger, DIMENSION, "pdfs", "f1", "earlier", clean_new=False)
        ObjectWriter(client, target).write(
            [part(f"{SOURCE}{name}", stub.objects[f"day/{name}"].etag.strip('"')) for name in NAMES]
        )
        self.said = []

    def keep_listed(self, count):
        for name in NAMES[count:]:
            del self.stub.objects[f"day/{name}"]

    def run(self, *flags, model="m"):
        arguments = ["--source", SOURCE, "--milvus-uri", self.uri, "--collection", self.prefix, *flags]
        options = run_options_from(FlagParser("", RUN_FLAGS).parse_args(arguments))
        return Run(pipeline(model), options, self.said.append).execute()

    def stopped(self, *flags, **settings):
        with pytest.raises(TooManyFailedError) as caught:
            self.run(*flags, **settings)
        assert caught.value.exit_code == ExitCode.TOO_MANY_FAILED
        return caught.value.args

    def rows(self):
        rows = self.client.query(
            self.names.rows[0], filter='id != ""', output_fields=["source"], limit=100, consistency_level="Strong"
        )
        ledger = {entry.source for entry in read_ledger(self.client, self.names.ledger, "", "pdfs")}
        found = {row["source"] for row in rows}
        assert found == ledger
        return sorted(source.removeprefix(SOURCE) for source in found)


@pytest.fixture
def world(s3_stub, milvus, milvus_client):
    s3_stub.reset()
    world = World(s3_stub, milvus_client, milvus.uri)
    yield world
    for name in milvus_client.list_collections():
        if name.startswith(world.prefix):
            for alias in milvus_client.list_aliases(name).get("aliases", ()):
                milvus_client.drop_alias(alias)
            milvus_client.drop_collection(name)


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
    assert "0 unchanged, 20 missing and kept" in world.said[-1]


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
    def process_objects(pipeline, options, target, work, single_writer, say):
        outcome = ObjectOutcomes()
        for block in work.blocks():
            for row in block.to_pylist():
                outcome.add(ObjectWriter(world.client, target).write([part(row["source"], row["version"])]))
        return outcome, {}

    monkeypatch.setattr(run_module, "process_objects", process_objects)
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
    target = Target(world.names.rows, world.names.ledger, DIMENSION, "pdfs", "f1", "earlier", clean_new=False)
    version = world.stub.objects[f"day/{NAMES[0]}"].etag.strip('"')
    ObjectWriter(world.client, target).write(
        [ObjectPart(f"{SOURCE}{NAMES[0]}", version, 1, 0, Change.CHANGED, failure=failed)]
    )
    world.keep_listed(1)
    sentence, _ = world.stopped()
    assert "allow it with --max-deleted-fraction 1; and 1 of 1 objects failed (1 of them in earlier runs)" in sentence
