"""The daily Dags in a real Airflow: by schedule, by hand and by backfill, with the command lines of their jobs."""

import json
from typing import Any

import pytest

from embedded.airflow_standalone import FINAL_STATES
from embedded.processes import poll


def flags(report: dict[str, Any]) -> dict[str, str]:
    return dict(word.removeprefix("--").partition("=")[::2] for word in report["argv"])


def begins(dag_id: str, conf: dict[str, Any] | None = None, partition_key: str | None = None) -> pytest.MarkDecorator:
    """The test's run is one of this Dag by hand."""
    return pytest.mark.begins(lambda stage: stage.trigger(dag_id, conf, partition_key))


FORM = {
    "source": "s3://bucket/talks/",
    "language": "en",
    "resources": {"embed": {"actors": [1, 2]}},
    "dry_run": True,
}


@begins("ingest_videos", FORM)
def test_a_run_of_videos_takes_its_form(stage: Any, begun: str):
    assert stage.airflow.wait_run("ingest_videos", begun)["state"] == "success"
    report = stage.airflow.xcom("ingest_videos", begun, "ingest")
    found = flags(report)
    assert json.loads(found.pop("resources")) == FORM["resources"]
    assert report["pipeline"] == "videos"
    assert found == {
        "source": FORM["source"],
        "milvus-uri": "http://milvus:19530",
        "metadata": "path,sidecar,object",
        "embedding-model": "BAAI/bge-m3",
        "clip-model": "ViT-B-32",
        "clip-pretrained": "laion2b_s34b_b79k",
        "whisper-model": "small",
        "language": "en",
        "dry-run": "",
    }
    assert "secret" not in json.dumps(stage.jobs_of(begun)), "the token of the connection to Milvus"


def backfill(stage: Any, days: list[str]) -> None:
    stage.listen()
    stage.open("ingest_pdfs")
    stage.airflow.backfill("ingest_pdfs", days[0], days[-1])


@pytest.mark.parametrize(
    "days", [["2026-02-03"], pytest.param(["2026-01-30", "2026-01-31", "2026-02-01"], marks=pytest.mark.nightly)]
)
@pytest.mark.begins.with_args(backfill)
def test_a_backfill_makes_one_job_per_day(stage: Any, days: list[str]):
    def ended() -> list[dict[str, Any]] | None:
        made = stage.airflow.runs("ingest_pdfs", "backfill")  # the demo's too, of the day before yesterday
        runs: list[dict[str, Any]] = [run for run in made if run["partition_key"] in days]
        return runs if len(runs) == len(days) and all(run["state"] in FINAL_STATES for run in runs) else None

    runs = poll(ended, 300, "the backfill goes on", interval=0.5)
    for run in runs:
        stage.assert_both_started_once(run["dag_run_id"], run["partition_key"])
    reports = {
        run["partition_key"]: flags(stage.airflow.xcom("ingest_pdfs", run["dag_run_id"], "ingest")) for run in runs
    }
    assert {key: found["source"] for key, found in reports.items()} == {
        day: f"s3://somewhere/pdfs/{day}/" for day in days
    }
    assert reports[days[0]] == {
        "source": f"s3://somewhere/pdfs/{days[0]}/",
        "milvus-uri": "http://milvus:19530",
        "metadata": "path,sidecar,object",
        "embedding-model": "BAAI/bge-m3",
    }


ODD_SOURCE = "s3://bucket/a 'quoted' $HOME; rm -rf/数据/"
WHOLE_FORM = {
    "source": ODD_SOURCE,
    "full_refresh": True,
    "keep_missing": True,
    "migrate": True,
    "dry_run": True,
    "limit": 5,
    "max_failed_fraction": 0,
    "max_deleted_fraction": 0.5,
    "embedding_model": "/models/mini lm",
    "chunk_tokens": 128,
    "chunk_overlap": 16,
}


@begins("ingest_pdfs", WHOLE_FORM)
def test_a_manual_run_takes_every_param_and_odd_characters(stage: Any, begun: str):
    assert stage.airflow.wait_run("ingest_pdfs", begun)["state"] == "success"
    assert flags(stage.airflow.xcom("ingest_pdfs", begun, "ingest")) == {
        "source": ODD_SOURCE,
        "milvus-uri": "http://milvus:19530",
        "metadata": "path,sidecar,object",
        "embedding-model": "/models/mini lm",
        "chunk-tokens": "128",
        "chunk-overlap": "16",
        "max-failed-fraction": "0",
        "max-deleted-fraction": "0.5",
        "limit": "5",
        "full-refresh": "",
        "keep-missing": "",
        "migrate": "",
        "dry-run": "",
    }
    log = stage.airflow.task_log("ingest_pdfs", begun, "ingest")
    assert any(line.startswith("There is no Dag clean_ray_jobs") for line in log)
    assert stage.events_of(begun) == []


@pytest.mark.nightly
@begins("ingest_pdfs", partition_key="2026-03-04")
def test_a_manual_run_with_a_partition_key_reads_that_day(stage: Any, begun: str):
    assert stage.airflow.wait_run("ingest_pdfs", begun)["state"] == "success"
    report = stage.airflow.xcom("ingest_pdfs", begun, "ingest")
    assert flags(report)["source"] == "s3://somewhere/pdfs/2026-03-04/"
    events = stage.airflow.api("GET", "/assets/events?source_dag_id=ingest_pdfs&limit=100")["asset_events"]
    (event,) = [event for event in events if event["source_run_id"] == begun]
    assert event["extra"]["argv"] == report["argv"]


@begins("ingest_pdfs")
def test_a_manual_run_without_day_and_source_fails_at_once_with_one_sentence(stage: Any, begun: str):
    assert stage.airflow.wait_run("ingest_pdfs", begun)["state"] == "failed"
    (task,) = stage.airflow.task_instances("ingest_pdfs", begun)
    assert task["try_number"] == 1
    log = "\n".join(stage.airflow.task_log("ingest_pdfs", begun, "ingest"))
    assert "This run has no partition and no source" in log
    assert stage.jobs_of(begun) == []


def by_schedule(stage: Any) -> None:
    stage.listen()
    stage.open("ingest_often")


@pytest.mark.begins.with_args(by_schedule)
def test_the_schedule_starts_runs_with_their_partition(stage: Any):
    def done() -> list[dict[str, Any]]:
        return [run for run in stage.airflow.runs("ingest_often", "scheduled") if run["state"] == "success"]

    try:
        run = poll(done, 300, "no scheduled run succeeded", interval=0.5)[0]
    finally:
        stage.airflow.api("PATCH", "/dags/ingest_often", {"is_paused": True})
    report = stage.airflow.xcom("ingest_often", run["dag_run_id"], "ingest")
    found = [word for word in report["argv"] if word.startswith("--source=")]
    assert found[0] == f"--source=s3://somewhere/pdfs/{run['partition_key']}/"
    assert len(found) == 4
    stage.assert_both_started_once(run["dag_run_id"], run["partition_key"])
