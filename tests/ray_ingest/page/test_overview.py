"""The overview: counts of objects and rows, models, migrations and runs, from a ledger that runs have written."""

import time

import pytest

from ingest.common.failures import Failure
from ingest.milvus.schema import ensure_rows, ensure_sources
from page_api import DIMENSION, HOUR, chunk, entry
from ray_ingest.page.overview import LEASE_SECONDS, RunsInProgress


def pipeline(page, name):
    return next(found for found in page.get("/overview")["pipelines"] if found["pipeline"] == name)


def test_before_the_first_run_there_is_nothing(page):
    page.milvus.drop_alias(f"{page.prefix}sources")
    for found in page.get("/overview")["pipelines"]:
        assert found["objects"] == {"ok": 0, "failed": 0, "empty": 0}
        assert found["last_write"] is None
        assert not any(collection["exists"] for collection in found["collections"])


def test_objects_rows_and_models_are_counted_for_each_pipeline(with_texts):
    page = with_texts
    page.write(
        entry("s3://b/pdfs/1.pdf", rows=2),
        entry("s3://b/pdfs/2.pdf", rows=0),
        entry("s3://b/pdfs/3.pdf", rows=0, failure=Failure.ENCRYPTED, message="locked"),
        entry("s3://b/images/1.jpg", "images"),
    )
    page.milvus.upsert(f"{page.prefix}documents", [chunk("s3://b/pdfs/1.pdf", at, "text") for at in (0, 1)])
    pdfs = pipeline(page, "pdfs")
    assert pdfs["objects"] == {"ok": 2, "failed": 1, "empty": 1}
    assert pdfs["collections"] == [
        {"name": "documents", "exists": True, "rows": 2, "model": "a-model", "dimension": DIMENSION}
    ]
    assert pdfs["migrations"] == pdfs["running"] == []
    images = pipeline(page, "images")
    assert images["objects"]["ok"] == 1
    assert not images["collections"][0]["exists"]


@pytest.mark.parametrize("order", [1, -1], ids=["in the order of the keys", "against it"])
@pytest.mark.parametrize("last", [0, 3, 3000, -2], ids=["now", "hours ago", "months ago", "by a clock that is ahead"])
def test_the_last_write_is_found_to_the_minute(page, order, last):
    page.write(*(entry(f"s3://b/{1000 + order * at}.pdf", hours_ago=last + at) for at in range(200)))
    found = pipeline(page, "pdfs")["last_write"]
    assert abs(found - (time.time() * 1000 - last * HOUR)) < 90_000


def test_a_migration_in_progress_is_shown_with_its_model(with_texts):
    page = with_texts
    ensure_rows(page.milvus, "documents", f"{page.prefix}documents_0123abcd", DIMENSION, model="the-next-model")
    staging = f"{page.prefix}sources_pdfs_0123abcd"
    ensure_sources(page.milvus, staging, DIMENSION)
    page.milvus.upsert(staging, [entry("s3://b/pdfs/1.pdf")])
    assert pipeline(page, "pdfs")["migrations"] == [{"model": "the-next-model", "done": 1}]
    assert pipeline(page, "videos")["migrations"] == []


def test_a_run_in_progress_is_shown_with_its_prefix(with_texts):
    page = with_texts
    lease = {"id": "l", "pipeline": "pdfs", "source": "s3://b/pdfs/", "run_id": "job", "ticket": 1, "beat": 1}
    page.milvus.upsert(f"{page.prefix}leases", [{**lease, "vector": [1.0, 0.0]}])
    assert pipeline(page, "pdfs")["running"] == [{"source": "s3://b/pdfs/", "run_id": "job"}]
    assert pipeline(page, "images")["running"] == []


def test_the_lease_of_a_dead_run_is_left_out():
    now = 0.0
    runs = RunsInProgress(lambda: now)
    dead, alive = {"id": "dead", "beat": 7}, {"id": "alive", "beat": 1}
    assert runs.alive([dead, alive]) == [dead, alive]
    now = LEASE_SECONDS + 1
    assert runs.alive([dead, {**alive, "beat": 2}]) == [{**alive, "beat": 2}]
