"""Dags that wait for ``documents`` start once after each run that changed some, whether they are partitioned or not.

Runs by schedule, by backfill, and that are dry are in ``test_ingest_dag_runs``.
"""

from pathlib import Path
from typing import Any

import pytest

from embedded.airflow_standalone import FINAL_STATES
from embedded.processes import poll


def begins(source: str | None = None, partition_key: str | None = None) -> pytest.MarkDecorator:
    """The test's run ingests a source, or a day and the one before it."""

    def start(stage: Any, end: Path) -> str:
        stage.listen()
        conf = {"source": source.format(end=end)} if source else {"lookback_days": 1}
        return str(stage.trigger("ingest_pdfs", conf, partition_key))

    return pytest.mark.begins.with_args(start)


@pytest.mark.nightly
@begins(partition_key="2026-03-05")
def test_both_start_after_a_day_and_not_for_the_unchanged_one_before_it(stage: Any, begun: str):
    assert stage.airflow.wait_run("ingest_pdfs", begun)["state"] == "success"
    sources = {f"s3://somewhere/pdfs/2026-03-{day}/" for day in ("05", "04")}
    assert set(stage.airflow.xcom("ingest_pdfs", begun, "ingest")["by_source"]) == sources
    stage.assert_both_started_once(begun, "2026-03-05")


@begins(source="s3://bucket/any/prefix/")
def test_both_start_after_a_prefix_by_hand(stage: Any, begun: str):
    assert stage.airflow.wait_run("ingest_pdfs", begun)["state"] == "success"
    stage.assert_both_started_once(begun, "s3://bucket/any/prefix/")


@begins(source="s3://bucket/unchanged/")
def test_none_starts_after_a_run_that_changed_nothing(stage: Any, begun: str):
    assert stage.airflow.wait_run("ingest_pdfs", begun)["state"] == "success"
    (task,) = stage.airflow.task_instances("ingest_pdfs", begun)
    log = stage.airflow.task_log("ingest_pdfs", begun, "ingest", task["try_number"])
    assert "No rows have changed: no asset events." in log
    assert stage.events_of(begun) == []


@pytest.mark.nightly
@begins(source="s3://bucket/pdfs/2026-03-06/fails-once/3{end}")
def test_both_start_once_a_failed_task_that_was_cleared_succeeds(stage: Any, begun: str):
    """The rows are those of the failed try, as the other one finds nothing to do."""
    assert stage.airflow.wait_run("ingest_pdfs", begun)["state"] == "failed"
    assert stage.events_of(begun) == []
    stage.airflow.api(
        "POST", "/dags/ingest_pdfs/clearTaskInstances", {"dag_run_id": begun, "dry_run": False, "only_failed": True}
    )
    assert stage.airflow.wait_run("ingest_pdfs", begun)["state"] == "success"
    assert_both_started_once(stage, "2026-03-06")


@pytest.mark.nightly
@begins(source="s3://bucket/pdfs/2026-03-07/fails-once/4{end}")
def test_both_start_once_a_retry_succeeds(stage: Any, begun: str):
    assert stage.airflow.wait_run("ingest_pdfs", begun)["state"] == "success"
    (task,) = stage.airflow.task_instances("ingest_pdfs", begun)
    assert task["try_number"] == 2
    assert_both_started_once(stage, "2026-03-07")
    assert {event["partition_key"] for event in stage.events_of(begun)} >= {None, "2026-03-07"}


def assert_both_started_once(stage: Any, day: str) -> None:
    """After the success of whichever run: those of other tests announce what failed ones have left, too."""
    plain, by_day = "example_documents_changed", "example_documents_by_day"

    def started() -> dict[str, list[str]] | None:
        events = [event for event in stage.events() if day in event["extra"].get("partitions", ())]
        runs = [
            run
            for event in events
            for run in event["created_dagruns"]
            if event["partition_key"] == run["partition_key"] and event["partition_key"] in (None, day)
        ]
        if len(runs) < 2 or any(run["state"] not in FINAL_STATES for run in runs):
            return None
        return {dag_id: [run["state"] for run in runs if run["dag_id"] == dag_id] for dag_id in (plain, by_day)}

    assert poll(started, 180, f"{day} has not started both", interval=1) == {plain: ["success"], by_day: ["success"]}


def announce(stage: Any, day: str) -> None:
    """Let a run succeed, unless one of another test has done so since the day's failed."""
    if any(day in event["extra"].get("partitions", ()) for event in stage.events()):
        return
    run_id = stage.trigger("ingest_pdfs", {"source": "s3://bucket/unchanged/"})
    assert stage.airflow.wait_run("ingest_pdfs", run_id)["state"] == "success"


@pytest.mark.nightly
@begins(source="s3://bucket/pdfs/2026-03-08/too-many-fail/")
def test_both_start_once_after_the_next_success_where_a_run_failed_for_good(stage: Any, begun: str):
    assert stage.airflow.wait_run("ingest_pdfs", begun)["state"] == "failed"
    assert stage.events_of(begun) == []
    announce(stage, "2026-03-08")
    assert_both_started_once(stage, "2026-03-08")


@pytest.mark.nightly
def test_both_start_once_after_the_next_success_where_somebody_marked_a_run(stage: Any):
    stage.listen()
    run_id = stage.trigger("ingest_pdfs", {"source": "s3://bucket/pdfs/2026-03-09/goes-on/"})
    stage.wait_job(stage.submission_id("ingest_pdfs", run_id, "ingest"), "RUNNING")
    stage.mark_failed("ingest_pdfs", run_id, "ingest")
    assert stage.airflow.wait_run("ingest_pdfs", run_id)["state"] == "failed"
    announce(stage, "2026-03-09")
    assert_both_started_once(stage, "2026-03-09")


@pytest.mark.nightly
def test_an_event_that_a_person_creates_starts_the_dags_of_its_kind(stage: Any):
    """On the page of the asset: with a partition key, and then without one."""
    stage.listen()
    stage.quiet()
    (asset,) = [each for each in stage.airflow.api("GET", "/assets?limit=100")["assets"] if each["name"] == "documents"]
    before = len(stage.airflow.runs("example_documents_changed"))

    def ended(dag_id: str, event: dict[str, Any]) -> list[str] | None:
        (found,) = [each for each in stage.events() if each["id"] == event["id"]]
        states = [
            stage.airflow.run(dag_id, run["run_id"])["state"]
            for run in found["created_dagruns"]
            if (run["dag_id"], run["partition_key"]) == (dag_id, event["partition_key"])
        ]
        return states if states and all(state in FINAL_STATES for state in states) else None

    for dag_id, key in (("example_documents_by_day", "2026-03-10"), ("example_documents_changed", None)):
        event = stage.airflow.api("POST", "/assets/events", {"asset_id": asset["id"], "partition_key": key}, once=True)
        states = poll(lambda dag_id=dag_id, event=event: ended(dag_id, event), 120, f"{dag_id} starts", interval=1)
        assert states == ["success"]
    assert len(stage.airflow.runs("example_documents_changed")) == before + 1
