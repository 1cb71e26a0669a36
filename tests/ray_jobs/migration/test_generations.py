"""Each model has its own collection, and searches always see exactly one, wherever a switch is interrupted."""

import uuid

import numpy as np
import pytest

from ingest.common.errors import ConfigurationError, JobError, ObjectError
from ingest.common.failures import Failure
from ingest.ledger.alias import ensure_ledger, is_too_narrow, widen
from ingest.ledger.diff import Change
from ingest.ledger.entries import read_ledger
from ingest.ledger.parts import ObjectPart, Target
from ingest.ledger.writer import ObjectWriter
from ingest.maintenance.maintain import maintain
from ingest.maintenance.report import MaintenanceOptions
from ingest.migration.generations import (
    Names,
    count_disagreements,
    drop_empty_generation,
    finish_switch,
    is_staged,
    is_switch_interrupted,
    publish,
    start_migration,
    switch,
)
from ingest.migration.obsolete import drop_migration, obsolete_collections, unfinished_migrations
from ingest.milvus.client import alias_target
from ingest.milvus.schema import DOCUMENTS, dimension_of, ensure_rows, ensure_sources

OLD, NEW = 4, 8
ROOT = "s3://b/"
A, B, C = f"{ROOT}a/1.pdf", f"{ROOT}b/2.pdf", f"{ROOT}c/3.pdf"
D = f"{ROOT}d/4.pdf"
BROKEN = ObjectError(Failure.DAMAGED, "it is damaged")
CRASHED = ObjectError(Failure.CRASHED, "it crashed its parser")


class CutOff(Exception):
    """The process died."""


class Dying:
    """A real client; from the call number `last` that changes something on it raises instead."""

    CHANGES = ("upsert", "delete", "alter_alias", "drop_collection", "create_alias", "create_collection", "flush")

    def __init__(self, client, last):
        self._client, self.left = client, last

    def __getattr__(self, name):
        method = getattr(self._client, name)
        if name not in self.CHANGES:
            return method

        def call(*args, **kwargs):
            if self.left == 0:
                raise CutOff(name)
            self.left -= 1
            return method(*args, **kwargs)

        return call


def part(source, version, content, dimension):
    if isinstance(content, ObjectError):
        return ObjectPart(source, version, 1, 0, Change.NEW, failure=content)
    rows = [{"page": 1, "kind": "text", "text": text, "metadata": {}} for text in content]
    vectors = np.full((len(rows), dimension), 0.5, np.float32)
    return ObjectPart(source, version, 1, 0, Change.NEW, totals=(len(rows),), rows=rows, vectors=vectors)


class World:
    """The collections of two models under one prefix; searches use `old`."""

    def __init__(self, client):
        self.client = client
        self.prefix = f"g{uuid.uuid4().hex[:12]}_"
        self.old = Names.of(self.prefix, "pdfs", ("documents",), "old model")
        self.new = Names.of(self.prefix, "pdfs", ("documents",), "new model")
        ensure_rows(client, DOCUMENTS, self.old.rows[0], OLD, model="old model")
        publish(client, self.old)
        ensure_ledger(client, self.old.ledger, OLD)

    def stage(self):
        ensure_rows(self.client, DOCUMENTS, self.new.rows[0], NEW, model="new model")
        ensure_sources(self.client, self.new.staging, NEW)

    def write(self, names, contents, staged=False, pipeline="pdfs"):
        """`contents`: {source: (version, texts or failure)}."""
        dimension = OLD if names == self.old else NEW
        ledger = names.staging if staged else names.ledger
        target = Target(
            names.rows, ledger, dimension_of(self.client, ledger, "vector"), pipeline, "f", "run", clean_new=False
        )
        ObjectWriter(self.client, target).write(
            [part(source, version, content, dimension) for source, (version, content) in contents.items()]
        )

    def texts(self):
        """The texts that a search can find, with their sources."""
        rows = self.client.query(
            f"{self.prefix}documents", filter='id != ""', output_fields=["source", "text"], limit=1000
        )
        return sorted((row["source"], row["text"]) for row in rows)

    def ledger(self, pipeline="pdfs"):
        return {entry.source: entry.version for entry in read_ledger(self.client, self.old.ledger, "", pipeline)}

    def drop(self):
        for name in self.client.list_collections():
            if name.startswith(self.prefix):
                for alias in self.client.list_aliases(name).get("aliases", []):
                    self.client.drop_alias(alias)
                self.client.drop_collection(name)


@pytest.fixture
def world(milvus_client):
    made = World(milvus_client)
    yield made
    made.drop()


@pytest.fixture
def migrated(world):
    """The old model has A, B and the ledger row of a photo of another pipeline; A and C are staged for the new one."""
    world.write(world.old, {A: ("v1", ["old a"]), B: ("v1", ["old b"])})
    world.write(world.old, {f"{ROOT}photo.jpg": ("v1", BROKEN)}, pipeline="images")
    world.stage()
    world.write(world.new, {A: ("v2", ["new a", "more"]), C: ("v1", ["new c"])}, staged=True)
    return world


def test_searches_find_the_first_models_rows_under_the_public_name(world):
    world.write(world.old, {A: ("v1", ["text"])})
    assert alias_target(world.client, world.old.public[0]) == world.old.rows[0]
    assert world.texts() == [(A, "text")]
    assert not is_staged(world.client, world.old, migrate=False)


def test_another_model_is_refused_and_the_message_names_migrate(world):
    world.write(world.old, {A: ("v1", ["old a"])})
    with pytest.raises(ConfigurationError, match=r"another model \(old model\); run with that one, or with --migrate"):
        is_staged(world.client, world.new, migrate=False)
    assert is_staged(world.client, world.new, migrate=True)


def test_an_empty_collection_of_a_model_that_could_not_be_loaded_is_replaced(world):
    assert not is_staged(world.client, world.new, migrate=False)
    drop_empty_generation(world.client, world.new)
    assert alias_target(world.client, world.old.public[0]) is None
    assert not world.client.has_collection(world.old.rows[0])


def test_an_empty_collection_whose_objects_failed_is_not_replaced(world):
    world.write(world.old, {A: ("v1", BROKEN)})
    assert is_staged(world.client, world.new, migrate=True)
    drop_empty_generation(world.client, world.new)
    assert alias_target(world.client, world.old.public[0]) == world.old.rows[0]


def test_publishing_another_model_does_not_change_the_alias(world):
    world.stage()
    publish(world.client, world.new)
    assert alias_target(world.client, world.old.public[0]) == world.old.rows[0]


def test_a_collection_with_the_name_of_the_alias_is_refused(milvus_client):
    name = f"g{uuid.uuid4().hex[:12]}_"
    ensure_rows(milvus_client, DOCUMENTS, f"{name}documents", OLD)
    try:
        with pytest.raises(ConfigurationError, match="is a collection and not the alias"):
            is_staged(milvus_client, Names.of(name, "pdfs", ("documents",), "m"), migrate=True)
    finally:
        milvus_client.drop_collection(f"{name}documents")


@pytest.mark.parametrize(
    ("staged", "source", "listed_all", "missing"),
    [
        ({A: ("v1", ["a"]), B: ("v1", ["b"])}, ROOT, True, 0),
        ({A: ("v1", ["a"])}, f"{ROOT}a/", True, 1),  # B is under another prefix
        ({A: ("v1", ["a"])}, ROOT, True, 0),  # B has left the store
        ({A: ("v1", ["a"])}, ROOT, False, 1),  # B may not have been reached
        ({A: ("v2", ["a"]), B: ("v1", ["b"])}, f"{ROOT}a/", True, 0),  # A changed since
        ({A: ("v2", ["a"]), B: ("v1", ["b"])}, f"{ROOT}b/", True, 1),  # A's other version is not what is searched
        ({A: ("v1", ["a"]), B: ("v1", BROKEN)}, ROOT, True, 1),  # B would be lost
        ({A: ("v1", ["a"]), B: ("v2", BROKEN)}, ROOT, True, 0),  # B has gone bad in the store
        ({A: ("v1", ["a"]), B: ("v2", CRASHED)}, ROOT, True, 1),  # B may be good at the next try
        ({A: ("v1", ["a"]), B: ("v2", BROKEN)}, f"{ROOT}a/", True, 1),  # B is not what is searched
        ({A: ("v1", ["a"]), B: ("v1", ["b"]), D: ("v1", ["d"])}, f"{ROOT}a/", True, 1),  # D may have left since
        ({A: ("v1", ["a"]), B: ("v1", ["b"]), D: ("v1", ["d"])}, f"{ROOT}d/", True, 0),  # D is new
        ({A: ("v1", ["a"]), B: ("v1", ["b"]), C: ("v0", ["c"])}, f"{ROOT}a/", True, 1),  # C has gone bad since
        ({}, f"{ROOT}c/", True, 2),
    ],
)
def test_an_object_counts_as_a_disagreement_until_both_ledgers_agree(world, staged, source, listed_all, missing):
    world.write(world.old, {A: ("v1", ["a"]), B: ("v1", ["b"]), C: ("v1", BROKEN)})
    world.stage()
    if staged:
        world.write(world.new, staged, staged=True)
    found = count_disagreements(world.client, world.new, [source], listed_all)
    count, first = found.count, found.first
    assert count == missing
    assert bool(first) == bool(missing)


def test_a_migration_starts_with_an_empty_collection_and_resumes_with_its_rows(migrated):
    widen(migrated.client, migrated.new.ledger, NEW)
    start_migration(migrated.client, migrated.new, NEW)  # the migration is in progress
    assert migrated.client.query(migrated.new.rows[0], filter='id != ""', output_fields=["id"], limit=9)
    switch(migrated.client, migrated.new)
    start_migration(migrated.client, migrated.new, NEW)  # the migration is complete
    assert migrated.client.has_collection(migrated.new.rows[0])
    start_migration(migrated.client, migrated.old, OLD)  # and back: the kept collection is out of date
    assert not migrated.client.has_collection(migrated.old.rows[0])
    assert migrated.client.has_collection(migrated.old.staging)
    assert migrated.texts() == [(A, "more"), (A, "new a"), (C, "new c")]


def test_the_switch_changes_the_searched_rows_and_the_ledger(migrated):
    ledger_dimension = NEW
    widen(migrated.client, migrated.new.ledger, ledger_dimension)
    switch(migrated.client, migrated.new)
    assert migrated.texts() == [(A, "more"), (A, "new a"), (C, "new c")]
    assert migrated.ledger() == {A: "v2", C: "v1"}
    assert migrated.ledger("images") == {f"{ROOT}photo.jpg": "v1"}
    assert not migrated.client.has_collection(migrated.new.staging)
    assert migrated.client.has_collection(migrated.old.rows[0])


def test_the_next_run_completes_a_switch_that_was_interrupted_at_any_call(migrated):
    widen(migrated.client, migrated.new.ledger, NEW)
    old, new = [(A, "old a"), (B, "old b")], [(A, "more"), (A, "new a"), (C, "new c")]
    for calls in range(20):
        dying = Dying(migrated.client, calls)
        try:
            switch(dying, migrated.new)
            break
        except CutOff:
            assert migrated.texts() in (old, new)
            if is_switch_interrupted(migrated.client, migrated.new):
                finish_switch(Dying(migrated.client, -1), migrated.new)
                assert migrated.ledger() == {A: "v2", C: "v1"}
                migrated.client.alter_alias(migrated.old.rows[0], migrated.old.public[0])
                ensure_sources(migrated.client, migrated.new.staging, NEW)
                migrated.write(migrated.new, {A: ("v2", ["new a", "more"]), C: ("v1", ["new c"])}, staged=True)
                migrated.write(migrated.old, {A: ("v1", ["old a"]), B: ("v1", ["old b"])})
    assert calls >= 4
    assert migrated.texts() == new
    assert migrated.ledger() == {A: "v2", C: "v1"}
    assert migrated.ledger("images") == {f"{ROOT}photo.jpg": "v1"}


def test_widening_the_ledger_keeps_every_row_when_interrupted_at_any_call(world):
    world.write(world.old, {A: ("v1", ["a"]), B: ("v1", BROKEN)})
    before = world.client.query(world.old.ledger, filter='source != ""', output_fields=["*"], limit=10)
    assert is_too_narrow(world.client, world.old.ledger, NEW)
    for calls in range(20):
        try:
            widen(Dying(world.client, calls), world.old.ledger, NEW)
            break
        except CutOff:
            assert world.ledger() == {A: "v1", B: "v1"}
    assert calls >= 3
    assert not is_too_narrow(world.client, world.old.ledger, NEW)
    after = world.client.query(world.old.ledger, filter='source != ""', output_fields=["*"], limit=10)
    assert [{**row, "vector": [*row["vector"], 0, 0, 0, 0]} for row in before] == [dict(row) for row in after]
    assert alias_target(world.client, world.old.ledger) == f"{world.old.ledger}_d{NEW}"


# --- maintenance


def run_maintenance(world, uri, **more):
    said = []
    options = MaintenanceOptions(uri, world.prefix, run_id="maintenance", compact=False, **more)
    return maintain(options, said.append), said


def test_maintenance_completes_a_switch_before_it_looks_for_orphans(migrated, milvus):
    widen(migrated.client, migrated.new.ledger, NEW)
    with pytest.raises(CutOff):
        switch(Dying(migrated.client, 2), migrated.new)
    assert is_switch_interrupted(migrated.client, migrated.new)
    with pytest.raises(ConfigurationError, match="was interrupted"):
        run_maintenance(migrated, milvus.uri, dry_run=True)
    report, _ = run_maintenance(migrated, milvus.uri)
    assert (report.rows_deleted, report.rows_lost) == (0, 0)
    assert migrated.texts() == [(A, "more"), (A, "new a"), (C, "new c")]
    assert migrated.ledger() == {A: "v2", C: "v1"}


def test_collections_that_are_being_built_or_searched_are_not_obsolete(migrated):
    assert obsolete_collections(migrated.client, migrated.old) == []


def test_an_obsolete_collection_is_reported_and_dropped_only_on_request(migrated, milvus):
    widen(migrated.client, migrated.new.ledger, NEW)
    switch(migrated.client, migrated.new)
    report, said = run_maintenance(migrated, milvus.uri)
    assert report.old_collections == [migrated.old.rows[0]]
    assert f"kept (--drop-old drops it): {migrated.old.rows[0]}, made with old model" in said
    run_maintenance(migrated, milvus.uri, drop_old=True, dry_run=True)
    assert migrated.client.has_collection(migrated.old.rows[0])
    run_maintenance(migrated, milvus.uri, drop_old=True)
    assert not migrated.client.has_collection(migrated.old.rows[0])
    assert migrated.texts() == [(A, "more"), (A, "new a"), (C, "new c")]
    assert run_maintenance(migrated, milvus.uri)[0].old_collections == []


STAGED = "a migration to the model new model that is not complete: 2 objects are done in it, and 2 in"


def test_an_unfinished_migration_is_reported_with_its_progress_and_dropped_only_on_request(migrated, milvus):
    report, said = run_maintenance(migrated, milvus.uri)
    assert (report.staged_collections, report.old_collections) == ([migrated.new.rows[0]], [])
    assert f"kept (--drop-staged drops it): {migrated.new.rows[0]}, {STAGED} {migrated.old.rows[0]}" in said
    run_maintenance(migrated, milvus.uri, drop_old=True)
    _, said = run_maintenance(migrated, milvus.uri, drop_staged=True, dry_run=True)
    assert f"to be dropped: {migrated.new.rows[0]}, {STAGED} {migrated.old.rows[0]}" in said
    assert migrated.client.has_collection(migrated.new.rows[0])
    assert migrated.client.has_collection(migrated.new.staging)
    run_maintenance(migrated, milvus.uri, drop_staged=True)
    assert not migrated.client.has_collection(migrated.new.rows[0])
    assert not migrated.client.has_collection(migrated.new.staging)
    assert migrated.texts() == [(A, "old a"), (B, "old b")]
    assert migrated.ledger() == {A: "v1", B: "v1"}
    assert run_maintenance(migrated, milvus.uri)[0].staged_collections == []


def test_an_interrupted_switch_is_completed_and_not_dropped(migrated, milvus):
    widen(migrated.client, migrated.new.ledger, NEW)
    with pytest.raises(CutOff):
        switch(Dying(migrated.client, 2), migrated.new)
    report, _ = run_maintenance(migrated, milvus.uri, drop_staged=True)
    assert report.staged_collections == []
    assert migrated.texts() == [(A, "more"), (A, "new a"), (C, "new c")]
    assert migrated.ledger() == {A: "v2", C: "v1"}


def test_an_interrupted_drop_leaves_no_ledger_that_claims_rows(migrated):
    (found,) = unfinished_migrations(migrated.client, migrated.old)
    with pytest.raises(CutOff):
        drop_migration(Dying(migrated.client, 1), found)
    assert unfinished_migrations(migrated.client, migrated.old) == []
    assert obsolete_collections(migrated.client, migrated.old) == [migrated.new.rows[0]]
    start_migration(migrated.client, migrated.new, NEW)
    assert not migrated.client.has_collection(migrated.new.rows[0])


def test_a_migration_that_has_no_rows_yet_can_be_dropped(world, milvus):
    world.write(world.old, {A: ("v1", ["old a"])})
    start_migration(world.client, world.new, NEW)
    report, said = run_maintenance(world, milvus.uri, drop_staged=True)
    assert report.staged_collections == [world.new.rows[0]]
    assert "to the model of unknown name" in " ".join(said)
    assert not world.client.has_collection(world.new.staging)


def test_a_run_whose_migration_was_dropped_meanwhile_does_not_switch(migrated):
    (found,) = unfinished_migrations(migrated.client, migrated.old)
    drop_migration(migrated.client, found)
    with pytest.raises(JobError, match="was dropped while this run worked on it"):
        count_disagreements(migrated.client, migrated.new, [ROOT], listed_all=True)
