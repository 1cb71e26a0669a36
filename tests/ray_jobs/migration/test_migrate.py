"""`ingest_pdfs.py --migrate` beside the collection of another model, with real services."""

import shutil
from types import SimpleNamespace

import numpy as np
import pytest

from embedded.pdfs import DAYS, make_pdfs
from ingest.ledger.alias import ensure_ledger
from ingest.ledger.diff import Change
from ingest.ledger.parts import ObjectPart, Target
from ingest.ledger.writer import ObjectWriter
from ingest.migration.generations import Names, publish
from ingest.milvus.client import alias_target
from ingest.milvus.schema import DOCUMENTS, ensure_rows

SCRIPT = "ingest_pdfs.py"
BUCKET, PREFIX = "ray-jobs-migrate", "migrate_"
OLD_DIMENSION = 8


def sources(client):
    rows = client.query(f"{PREFIX}documents", filter='id != ""', output_fields=["source", "text"], limit=1000)
    return {row["source"]: row["text"] for row in rows}


@pytest.fixture(scope="module")
def world(plain_jobs, object_store, milvus_client):
    """Two PDFs, ingested with a model that is no more, and the runs that do not move to MiniLM yet."""
    source = f"{object_store.bucket(BUCKET)}/pdfs/"
    files = dict(list(make_pdfs(DAYS[0]).items())[:2])
    for name, data in files.items():
        object_store.client().put_object(Bucket=BUCKET, Key=f"pdfs/{name}", Body=data)
    old = Names.of(PREFIX, "pdfs", ("documents",), "old")
    ensure_rows(milvus_client, DOCUMENTS, old.rows[0], OLD_DIMENSION, model="the-old-model")
    publish(milvus_client, old)
    ensure_ledger(milvus_client, old.ledger, OLD_DIMENSION)
    rows = [{"page": 1, "kind": "text", "text": "old text", "metadata": {}}]
    ObjectWriter(milvus_client, Target(old.rows, old.ledger, OLD_DIMENSION, "pdfs", "f", "r", clean_new=False)).write(
        [
            ObjectPart(
                f"{source}{name}", "v", 1, 0, Change.NEW, totals=(1,), rows=rows, vectors=np.ones((1, 8), np.float32)
            )
            for name in files
        ]
    )
    flags = ["--source", source, "--collection", PREFIX]
    made = SimpleNamespace(client=milvus_client, names={f"{source}{name}" for name in files}, old=old)
    made.refused = plain_jobs.run(SCRIPT, *flags)
    made.searched_before = sources(milvus_client)
    made.search_refused = plain_jobs.run("search.py", "--collection", PREFIX, "question")
    made.planned = plain_jobs.run(SCRIPT, *flags, "--migrate", "--dry-run")
    made.flags = flags
    return made


@pytest.fixture(scope="module")
def migrated(world, jobs, plain_jobs, milvus_client, minilm_path, tmp_path_factory):
    """The run that moves to MiniLM, and those after it."""
    made = world
    made.migrated = jobs.run(SCRIPT, *made.flags, "--migrate")
    made.searched_after = sources(milvus_client)
    made.again = plain_jobs.run(SCRIPT, *made.flags)
    copy = shutil.copytree(minilm_path, tmp_path_factory.mktemp("model") / "copy")
    with (copy / "config.json").open("a") as file:
        file.write("\n")
    made.search_with_copy = plain_jobs.run("search.py", "--collection", PREFIX, "--embedding-model", str(copy), "fog")
    return made


def test_without_the_flag_another_model_is_refused_and_the_message_names_it(world):
    assert world.refused.code == 2
    assert (
        "holds the vectors of another model (the-old-model); run with that one, or with --migrate"
        in world.refused.error
    )


def test_a_search_with_a_model_of_another_dimension_names_the_right_model(world):
    assert world.search_refused.code == 2
    assert "was made with the-old-model" in world.search_refused.error


def test_a_dry_run_shows_that_everything_would_be_processed(world):
    assert (world.planned.code, world.planned.report["added"]) == (0, len(world.names))


@pytest.mark.nightly
def test_searches_find_the_old_rows_before_and_the_new_ones_after(migrated):
    assert migrated.migrated.code == 0, migrated.migrated.stderr
    assert set(migrated.searched_before.values()) == {"old text"}
    assert set(migrated.searched_after) == migrated.names
    assert "old text" not in migrated.searched_after.values()
    assert f"{PREFIX}documents is switched to" in migrated.migrated.stdout
    assert alias_target(migrated.client, f"{PREFIX}documents") == migrated.migrated.report["collection"]


@pytest.mark.nightly
def test_the_old_collection_is_kept(migrated):
    assert migrated.client.has_collection(migrated.old.rows[0])


@pytest.mark.nightly
def test_the_next_run_finds_everything_unchanged_without_the_flag(migrated):
    assert (migrated.again.code, migrated.again.report["unchanged"]) == (0, len(migrated.names)), migrated.again.stderr


@pytest.mark.nightly
def test_a_search_with_another_model_of_the_same_dimension_warns(migrated):
    assert migrated.search_with_copy.code == 0, migrated.search_with_copy.stderr
    assert "WARNING: 'migrate_documents' was made with" in migrated.search_with_copy.stderr
