"""The Dag ``ingest_pdfs`` with the real job, S3 and Milvus: by schedule, by hand, by backfill, with bad arguments."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from embedded.pdfs import DAYS, make_pdfs
from embedded.processes import poll

RUN_TIMEOUT = 240.0


@pytest.fixture(scope="module")
def days(airflow: Any, object_store: Any) -> dict[str, int]:
    """Two days of PDFs in the store, and one of them for yesterday: their number by day."""
    client = object_store.client()
    counts = {}
    for day, files in [*((day, make_pdfs(day)) for day in DAYS), (yesterday(), dict([make_pdfs(DAYS[0]).popitem()]))]:
        for name, content in files.items():
            client.put_object(Bucket="airflow", Key=f"pdfs/{day}/{name}", Body=content)
        counts[day] = len(files)
    airflow.wait_dag("ingest_pdfs")
    airflow.unpause("ingest_pdfs")
    return counts


def yesterday() -> str:
    return (datetime.now(UTC) - timedelta(days=1)).strftime("%Y-%m-%d")


def sources(milvus_uri: str, day: str) -> list[str]:
    from pymilvus import MilvusClient

    client = MilvusClient(milvus_uri)
    try:
        rows = client.query(
            "documents", filter=f'source like "s3://airflow/pdfs/{day}/%"', output_fields=["source"], limit=10_000
        )
    finally:
        client.close()
    return sorted({row["source"] for row in rows})


@pytest.mark.timeout(600)
def test_yesterday_by_schedule(airflow: Any, milvus: Any, days: dict[str, int]):
    (run,) = poll(lambda: airflow.runs("ingest_pdfs", "scheduled"), 60, "no scheduled run")
    assert airflow.wait_run("ingest_pdfs", run["dag_run_id"], RUN_TIMEOUT)["state"] == "success"
    assert run["partition_key"] in days
    assert airflow.xcom("ingest_pdfs", run["dag_run_id"], "ingest")["added"] == 1
    assert len(sources(milvus.uri, run["partition_key"])) == 1


@pytest.mark.timeout(600)
def test_a_day_by_hand_and_a_day_by_backfill(airflow: Any, milvus: Any, days: dict[str, int]):
    by_hand, by_backfill = DAYS
    run = airflow.trigger("ingest_pdfs", partition_key=by_hand)
    assert airflow.wait_run("ingest_pdfs", run["dag_run_id"], RUN_TIMEOUT)["state"] == "success"
    airflow.backfill("ingest_pdfs", by_backfill, by_backfill)
    (second,) = poll(
        lambda: [each for each in airflow.runs("ingest_pdfs", "backfill") if each["partition_key"] == by_backfill],
        60,
        "no backfill run",
    )
    assert airflow.wait_run("ingest_pdfs", second["dag_run_id"], RUN_TIMEOUT)["state"] == "success"
    for day, run_id in ((by_hand, run["dag_run_id"]), (by_backfill, second["dag_run_id"])):
        report = airflow.xcom("ingest_pdfs", run_id, "ingest")
        assert (report["listed"], report["added"], report["failed"]) == (days[day], days[day], 0)
        assert len(sources(milvus.uri, day)) == days[day]


@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    ("conf", "reason"),
    [
        ({"source": "s3://no-such-bucket/pdfs/"}, "no-such-bucket"),
        ({"source": "s3://airflow/pdfs/2026-01-01/", "embedding_model": "/no/such/model"}, "/no/such/model"),
    ],
)
def test_bad_arguments_fail_at_once_with_the_jobs_own_sentence(airflow: Any, days: dict[str, int], conf, reason):
    run = airflow.trigger("ingest_pdfs", conf)
    assert airflow.wait_run("ingest_pdfs", run["dag_run_id"], RUN_TIMEOUT)["state"] == "failed"
    (task,) = airflow.task_instances("ingest_pdfs", run["dag_run_id"])
    assert task["try_number"] == 1
    (sentence,) = [
        line
        for line in airflow.task_log("ingest_pdfs", run["dag_run_id"], "ingest")
        if line.startswith("Ray job ") and " failed (configuration, exit code 2): " in line
    ]
    assert reason in sentence
