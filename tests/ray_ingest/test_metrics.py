"""The metrics of a run, as StatsD's packets and as OpenTelemetry's points, through Airflow's own loggers."""

import socket
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.sdk._shared.observability.metrics.base_stats_logger import NoStatsLogger
from airflow.sdk._shared.observability.metrics.otel_logger import SafeOtelLogger
from airflow.sdk.observability import stats
from airflow.sdk.observability.metrics.statsd_logger import get_statsd_logger
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader

from airflow_ray.exceptions import no_job_error
from airflow_ray.job_failure import job_failure
from ray_ingest.approvals import approval_task
from ray_ingest.assets import collection_asset
from ray_ingest.factory import daily_task
from ray_ingest.metrics import record_failure, record_success
from ray_jobs_api.failures import FailureReason
from ray_jobs_api.job_outcome import JobOutcome

DOCUMENTS = collection_asset("documents")
NEWEST = 1_700_000_000.5
REPORT = {
    "pipeline": "pdfs",
    "dry_run": False,
    "added": 5,
    "changed": 2,
    "failed": 3,
    "unchanged": 10,
    "deleted": 1,
    "kept": 0,
    "empty": 1,
    "partly": 2,
    "rows_written": 40,
    "rows_deleted": 6,
    "seconds": 12.5,
    "stages": {"embed": {"seconds": 8.25, "items": 40}},
    "failure_counts": [
        {"stage": "parse", "error_type": "Encrypted", "count": 2, "example": {}},
        {"stage": "read", "error_type": "Forbidden", "count": 1, "example": {}},
    ],
    "unmigrated": 0,
    "failed_in_ledger": 4,
    "newest": NEWEST,
}


class Store(dict[str, Any]):
    set = dict.__setitem__


def context(**more: Any) -> dict[str, Any]:
    task = SimpleNamespace(dag_id="ingest_pdfs", outlets=[DOCUMENTS])
    return {"task": task, "asset_state_store": {DOCUMENTS: Store()}, **more}


@pytest.fixture
def packets(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], list[str]]]:
    """What has arrived at a StatsD server, in order."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))
        server.setblocking(False)

        def received() -> list[str]:
            found = []
            while True:
                try:
                    found.append(server.recv(4096).decode())
                except BlockingIOError:
                    return found

        settings = {"STATSD_ON": "True", "STATSD_HOST": "127.0.0.1", "STATSD_PORT": str(server.getsockname()[1])}
        for name, value in settings.items():
            monkeypatch.setenv(f"AIRFLOW__METRICS__{name}", value)
        stats.initialize(factory=get_statsd_logger, export_legacy_names=False)
        yield received
        stats.initialize(factory=NoStatsLogger, export_legacy_names=False)


def test_statsd_with_tags_gets_every_number_of_the_report(packets, monkeypatch):
    monkeypatch.setenv("AIRFLOW__METRICS__STATSD_INFLUXDB_ENABLED", "True")
    monkeypatch.setattr(time, "time", lambda: NEWEST + 60)
    record_success(context(), REPORT)
    both = "pipeline=pdfs,dag_id=ingest_pdfs"
    expected = [
        f"last_success,{both}:{NEWEST + 60}|g",
        *(
            f"objects,{both},outcome={outcome}:{count}|c"
            for outcome, count in (("ingested", 4), ("failed", 3), ("unchanged", 10), ("deleted", 1), ("kept", 0))
        ),
        f"objects_empty,{both}:1|c",
        f"objects_partly,{both}:2|c",
        f"rows_written,{both}:40|c",
        f"rows_deleted,{both}:6|c",
        f"failures,{both},stage=parse,error_type=Encrypted:2|c",
        f"failures,{both},stage=read,error_type=Forbidden:1|c",
        f"run_duration,{both}:12500.000000|ms",
        f"stage_duration,{both},stage=embed:8250.000000|ms",
        f"stage_items,{both},stage=embed:40|c",
        "unmigrated_objects,pipeline=pdfs:0|g",
        "failed_objects,pipeline=pdfs:4|g",
        f"newest_object,pipeline=pdfs:{NEWEST}|g",
    ]
    assert packets() == [f"airflow.ray_ingest.{line}" for line in expected]


def test_plain_statsd_has_the_values_of_the_tags_in_the_names(packets):
    made = context()
    made["task"].dag_id = "team.ingest"
    record_success(made, REPORT)
    names = [line.partition(":")[0].removeprefix("airflow.ray_ingest.") for line in packets()]
    assert "objects.pdfs.team__ingest.ingested" in names
    assert "failures.pdfs.team__ingest.parse.Encrypted" in names
    assert "newest_object.pdfs" in names


def test_opentelemetry_gets_the_same_numbers_with_attributes():
    reader = InMemoryMetricReader()
    logger = SafeOtelLogger(MeterProvider([reader]), "airflow")
    stats.initialize(factory=lambda: logger, export_legacy_names=False)
    record_success(context(), REPORT)
    stats.initialize(factory=NoStatsLogger, export_legacy_names=False)
    metrics = reader.get_metrics_data().resource_metrics[0].scope_metrics[0].metrics
    points = {
        (metric.name.removeprefix("airflow.ray_ingest."), *point.attributes.values()): point
        for metric in metrics
        for point in metric.data.data_points
    }
    assert points["objects", "pdfs", "ingest_pdfs", "ingested"].value == 4
    assert points["failures", "pdfs", "ingest_pdfs", "parse", "Encrypted"].value == 2
    assert points["stage_duration", "pdfs", "ingest_pdfs", "embed"].sum == 8250
    assert points["failed_objects", "pdfs"].value == 4
    assert points["newest_object", "pdfs"].value == NEWEST


def gauges(lines: list[str]) -> dict[str, float]:
    found = [line.removeprefix("airflow.ray_ingest.").partition(":") for line in lines if line.endswith("|g")]
    return {name: float(value.removesuffix("|g")) for name, _, value in found}


def test_a_run_over_an_old_prefix_does_not_set_the_newest_object_back(packets):
    made = context()
    for newest, expected in ((NEWEST, NEWEST), (NEWEST - 1e6, NEWEST), (NEWEST + 1, NEWEST + 1)):
        record_success(made, {**REPORT, "newest": newest})
        assert gauges(packets())["newest_object.pdfs"] == expected


def test_an_object_from_the_future_counts_as_of_now(packets):
    before = time.time()
    record_success(context(), {**REPORT, "newest": before + 1e6})
    assert before <= gauges(packets())["newest_object.pdfs"] <= time.time()


def failure(outcome: JobOutcome) -> Exception:
    return job_failure(outcome, {3: FailureReason.TOO_MANY_FAILED}, {})


def test_a_failed_run_counts_what_its_report_says_but_is_no_success(packets):
    outcome = JobOutcome("job", "FAILED", exit_code=3, error="too many failed", report=REPORT)
    record_failure(context(exception=failure(outcome)))
    lines = packets()
    assert "airflow.ray_ingest.objects.pdfs.ingest_pdfs.failed:3|c" in lines
    assert gauges(lines)["failed_objects.pdfs"] == 4
    assert "last_failure.pdfs.ingest_pdfs" in gauges(lines)
    assert "last_success" not in str(lines)


@pytest.mark.parametrize(
    "more",
    [
        {},
        {"exception": ValueError("a bug")},
        {"exception": no_job_error("no job", FailureReason.UNREACHABLE)},
        {"exception": failure(JobOutcome("job", "FAILED", exit_code=1))},
    ],
)
def test_a_failure_without_a_report_is_one_all_the_same(packets, more):
    record_failure(context(**more))
    assert list(gauges(packets())) == ["last_failure.pdfs.ingest_pdfs"]


def test_a_dry_run_has_no_metrics(packets):
    record_success(context(), {**REPORT, "dry_run": True})
    assert packets() == []


def test_a_success_without_a_report_is_one_all_the_same(packets):
    record_success(context(), None)
    assert list(gauges(packets())) == ["last_success.pdfs.ingest_pdfs"]


def test_a_run_that_nobody_approved_has_failed(packets):
    from airflow.sdk import DAG

    with DAG("ingest_pdfs", schedule=None):
        task = approval_task("ingest", "pdfs")
    record_success(context(), {"awaiting": {"removals": "75 of 100 objects are missing"}})
    assert not [name for name in gauges(packets()) if name.startswith("last_")]
    (callback,) = task.on_failure_callback
    callback({"task": task})
    assert list(gauges(packets())) == ["last_failure.pdfs.ingest_pdfs"]


@pytest.mark.parametrize("broken", [{"added": "many"}, {"stages": [1]}, {"failure_counts": [{}]}, {"newest": "today"}])
def test_no_report_fails_a_task(packets, broken, caplog):
    record_success(context(), {**REPORT, **broken})
    assert "The metrics of this run are incomplete." in caplog.text


def test_metrics_that_cannot_be_sent_fail_no_task(caplog):
    def no_backend() -> None:
        raise RuntimeError("no backend")

    stats.initialize(factory=no_backend, export_legacy_names=False)
    record_success(context(), REPORT)
    stats.initialize(factory=NoStatsLogger, export_legacy_names=False)
    assert "The metrics of this run are incomplete." in caplog.text


def test_an_older_report_gives_the_metrics_that_it_has(packets):
    record_success(context(), {"rows_written": 1})
    assert "airflow.ray_ingest.rows_written.pdfs.ingest_pdfs:1|c" in packets()


def test_the_tasks_of_the_daily_dags_record_both(packets):
    from airflow.sdk import DAG

    with DAG("ingest_pdfs", schedule=None):
        task = daily_task("pdfs", __file__)
    assert record_failure in task.on_failure_callback
    made = {
        **context(),
        "task": task,
        "ti": SimpleNamespace(try_number=1, max_tries=3, xcom_push=lambda **_: None, start_date=datetime.now(UTC)),
        "dag_run": SimpleNamespace(partition_key="2026-01-31", run_id="manual__1"),
        "task_state_store": Store(),
    }
    task._post_execute_hook(made, {**REPORT, "rows_written": 0, "rows_deleted": 0})
    assert "airflow.ray_ingest.objects.pdfs.ingest_pdfs.ingested:4|c" in packets()
    assert task.outlets == []
