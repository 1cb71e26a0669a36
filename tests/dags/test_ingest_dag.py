"""The Dag ``ingest_pdfs``: it loads, renders its command line, and runs by schedule, by hand and by backfill."""

import time
from pathlib import Path
from typing import Any

import pytest

REPOSITORY = Path(__file__).parents[2]


def flags(report: dict[str, Any]) -> dict[str, str]:
    return dict(word.removeprefix("--").partition("=")[::2] for word in report["argv"])


def test_it_loads_in_a_real_dagbag():
    from airflow.dag_processing.dagbag import DagBag

    bag = DagBag(str(REPOSITORY / "dags"))
    assert bag.import_errors == {}
    dag = bag.dags["ingest_pdfs"]
    assert dag.task_ids == ["ingest"]
    assert dag.get_task("ingest").pool == "ray"
    assert dag.doc_md


def test_a_backfill_makes_one_job_per_day(stage: Any):
    stage.airflow.wait_dag("ingest_pdfs")
    stage.airflow.unpause("ingest_pdfs")
    stage.airflow.backfill("ingest_pdfs", "2026-01-30", "2026-02-01")
    until = time.monotonic() + 180
    while len(runs := stage.airflow.runs("ingest_pdfs", "backfill")) < 3 or any(
        run["state"] not in ("success", "failed") for run in runs
    ):
        assert time.monotonic() < until, runs
        time.sleep(0.5)
    reports = {
        run["partition_key"]: flags(stage.airflow.xcom("ingest_pdfs", run["dag_run_id"], "ingest")) for run in runs
    }
    assert {key: found["source"] for key, found in reports.items()} == {
        day: f"s3://somewhere/pdfs/{day}/" for day in ("2026-01-30", "2026-01-31", "2026-02-01")
    }
    assert reports["2026-01-31"] == {
        "source": "s3://somewhere/pdfs/2026-01-31/",
        "milvus-uri": "http://milvus:19530",
        "embedding-model": "BAAI/bge-m3",
        "max-failed-fraction": "0.1",
    }


def test_a_manual_run_takes_every_param_and_odd_characters(stage: Any):
    source = "s3://bucket/a 'quoted' $HOME; rm -rf/数据/"
    conf = {
        "source": source,
        "full_refresh": True,
        "keep_missing": True,
        "migrate": True,
        "dry_run": True,
        "limit": 5,
        "max_failed_fraction": 0,
        "embedding_model": "/models/mini lm",
        "chunk_tokens": 128,
        "chunk_overlap": 16,
    }
    stage.airflow.wait_dag("ingest_pdfs")
    stage.airflow.unpause("ingest_pdfs")
    run = stage.airflow.trigger("ingest_pdfs", conf)
    assert stage.airflow.wait_run("ingest_pdfs", run["dag_run_id"])["state"] == "success"
    assert flags(stage.airflow.xcom("ingest_pdfs", run["dag_run_id"], "ingest")) == {
        "source": source,
        "milvus-uri": "http://milvus:19530",
        "embedding-model": "/models/mini lm",
        "chunk-tokens": "128",
        "chunk-overlap": "16",
        "max-failed-fraction": "0",
        "limit": "5",
        "full-refresh": "",
        "keep-missing": "",
        "migrate": "",
        "dry-run": "",
    }


def test_a_manual_run_with_a_partition_key_reads_that_day(stage: Any):
    stage.airflow.wait_dag("ingest_pdfs")
    stage.airflow.unpause("ingest_pdfs")
    run = stage.airflow.trigger("ingest_pdfs", partition_key="2026-03-04")
    assert stage.airflow.wait_run("ingest_pdfs", run["dag_run_id"])["state"] == "success"
    report = stage.airflow.xcom("ingest_pdfs", run["dag_run_id"], "ingest")
    assert flags(report)["source"] == "s3://somewhere/pdfs/2026-03-04/"
    events = stage.airflow.api("GET", "/assets/events?source_dag_id=ingest_pdfs&limit=100")["asset_events"]
    (event,) = [event for event in events if event["source_run_id"] == run["dag_run_id"]]
    assert event["extra"]["argv"] == report["argv"]


def test_a_manual_run_without_day_and_source_fails_at_once_with_one_sentence(stage: Any):
    stage.airflow.wait_dag("ingest_pdfs")
    stage.airflow.unpause("ingest_pdfs")
    run = stage.airflow.trigger("ingest_pdfs")
    assert stage.airflow.wait_run("ingest_pdfs", run["dag_run_id"])["state"] == "failed"
    (task,) = stage.airflow.task_instances("ingest_pdfs", run["dag_run_id"])
    assert task["try_number"] == 1
    log = "\n".join(stage.airflow.task_log("ingest_pdfs", run["dag_run_id"], "ingest"))
    assert "This run has no partition and no source" in log
    assert stage.jobs_of(run["dag_run_id"]) == []


@pytest.mark.timeout(300)
def test_the_schedule_starts_runs_with_their_partition(stage: Any):
    stage.airflow.wait_dag("ingest_often")
    stage.airflow.unpause("ingest_often")
    try:
        until = time.monotonic() + 150
        while not any(run["state"] == "success" for run in stage.airflow.runs("ingest_often", "scheduled")):
            assert time.monotonic() < until, stage.airflow.runs("ingest_often")
            time.sleep(0.5)
    finally:
        stage.airflow.api("PATCH", "/dags/ingest_often", {"is_paused": True})
    run = next(run for run in stage.airflow.runs("ingest_often", "scheduled") if run["state"] == "success")
    report = stage.airflow.xcom("ingest_often", run["dag_run_id"], "ingest")
    assert flags(report)["source"] == f"s3://somewhere/pdfs/{run['partition_key']}/"
