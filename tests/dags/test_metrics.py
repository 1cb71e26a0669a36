"""The metrics of real runs are right, and each query of the board, the rules and the alerts finds those it needs."""

import time
from collections import Counter
from typing import Any

import pytest

import monitoring
from embedded.processes import poll
from ray_ingest.job_scripts import COLLECTIONS

PROMETHEUS_MAKES = {"up": {"job", "instance"}, "ALERTS": {"alertname", "alertstate"}}
"""Metrics of its own, with the labels that queries use."""
OF_TARGETS = {"job", "instance"}
"""Labels that Prometheus adds to all that it reads."""


def test_the_counts_of_airflow_are_the_sums_of_the_reports(stage: Any):
    found: Counter[tuple[str, ...]] = Counter()
    for (name, labels), value in stage.metrics.of_demo.items():
        if name in ("airflow_ray_ingest_rows_written", "airflow_ray_ingest_objects"):
            own = dict(labels)
            found[name.removeprefix("airflow_ray_ingest_"), own["pipeline"], own.get("outcome", "")] += value
    expected: Counter[tuple[str, ...]] = Counter()
    for report in stage.metrics.demo_reports:
        pipeline = report["pipeline"]
        expected["rows_written", pipeline, ""] += report["rows_written"]
        expected["objects", pipeline, "ingested"] += report["added"] + report["changed"] - report["failed"]
        for outcome in ("failed", "unchanged", "deleted", "kept"):
            expected["objects", pipeline, outcome] += report[outcome]
    assert found == expected and found["objects", "pdfs", "unchanged"] and found["rows_written", "images", ""]


def test_ray_exports_the_counts_of_a_job(stage: Any):
    found: Counter[tuple[str, ...]] = Counter()
    for (name, labels), value in stage.metrics.ray.values.items():
        own = dict(labels)
        found[name, own.get("pipeline", ""), own.get("stage", own.get("outcome", ""))] += value
    assert found["ray_ingest_stage_seconds", "videos", "load"] > 0
    assert found["ray_ingest_stage_items", "images", "load"] >= 1
    assert {key for key in found if key[0] == "ray_ingest_objects_waiting"} >= {
        ("ray_ingest_objects_waiting", pipeline, "") for pipeline in COLLECTIONS
    }


def known(stage: Any) -> dict[str, set[str]]:
    """The labels of each metric that runs have made, and of those that the rules make of them."""
    labels: dict[str, set[str]] = {}
    for name, own in (*stage.metrics.airflow.samples(), *stage.metrics.ray.values):
        labels.setdefault(name, set(OF_TARGETS)).update(key for key, _ in own)
    labels |= PROMETHEUS_MAKES
    for query in monitoring.queries():
        if query.record:
            labels[query.record] = set.union(*(labels.get(name, set()) for name, _ in query.needs()))
    return labels


def missing(stage: Any) -> list[str]:
    """Each metric or label that a query names, and that no run has made."""
    labels = known(stage)
    return [
        f"{query.name}: {name} {sorted(wanted - labels.get(name, set()))}"
        for query in monitoring.queries()
        for name, wanted in query.needs()
        if name not in labels or wanted - labels[name]
    ]


def failing_run(stage: Any) -> None:
    """A run that fails with a report, for the metrics that no run of the demo makes; several tests share one."""
    form = {"source": "s3://bucket/too-many-fail/"}
    if not any(run["conf"] == form for run in stage.airflow.runs("ingest_images")):
        stage.trigger("ingest_images", form)


@pytest.mark.begins.with_args(failing_run)
def test_each_query_names_metrics_and_labels_that_runs_have_made(stage: Any):
    poll(lambda: not missing(stage), 120, f"metrics of runs: {missing(stage)}", interval=1)


@pytest.mark.begins.with_args(failing_run)
def test_each_query_has_a_value_in_a_real_prometheus(stage: Any):
    if (prometheus := stage.metrics.prometheus) is None:
        pytest.skip("no prometheus here (Debian's package of this name): the queries were parsed and not evaluated")
    poll(lambda: not missing(stage), 120, f"metrics of runs: {missing(stage)}", interval=1)

    def empty() -> list[str]:
        return [
            f"{query.name}: {operand}"
            for query in monitoring.queries()
            for operand in query.operands()
            if not prometheus.has_ever_a_value(operand, stage.metrics.began, time.time())
        ]

    poll(lambda: not empty(), 30, "each query has a value", interval=1)


def test_the_numbers_on_the_board_are_those_of_the_reports(stage: Any):
    if (prometheus := stage.metrics.prometheus) is None:
        pytest.skip("no prometheus here (Debian's package of this name): the board's numbers were not computed")
    written: Counter[str] = Counter()
    for report in stage.metrics.demo_reports:
        written[report["pipeline"]] += report["rows_written"]
    (panel,) = [panel for panel in monitoring.board()["panels"] if panel["title"] == "Rows"]
    shown = prometheus.query(panel["targets"][0]["expr"], stage.metrics.demo_ended)
    assert {labels["pipeline"]: value for labels, value in shown} == written
    lag = prometheus.query("ray_ingest:lag_seconds", stage.metrics.demo_ended)
    assert {labels["pipeline"] for labels, _ in lag} == set(COLLECTIONS)
    assert all(0 < value < stage.metrics.demo_ended - stage.metrics.began for _, value in lag)
