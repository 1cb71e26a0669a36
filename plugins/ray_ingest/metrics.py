"""Metrics of a run, from its report, through Airflow's own ``Stats``: StatsD, Datadog or OpenTelemetry.

Counters and timers add up over runs. Gauges hold the state after the last run, and times as seconds since 1970, so that
an age keeps growing while no run ends. Tags tell the pipeline, the Dag and more. Plain StatsD has no tags, and Airflow
drops them there, so that one pipeline would overwrite the gauge of another; the values of the tags are appended to the
name then. ``dags/README.md`` has the table of all metrics.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

from ray_ingest.job_scripts import COLLECTIONS

PREFIX = "ray_ingest"
"""The first part of all names, behind Airflow's own prefix."""

_NEWEST_KEY = "newest_object"
"""The key in the state of the first outlet: a run over an old prefix must not set the gauge back."""
_OUTCOMES = ("failed", "unchanged", "deleted", "kept")
_COUNTERS = {"empty": "objects_empty", "partly": "objects_partly", "rows_written": "rows_written",
             "rows_deleted": "rows_deleted"}  # fmt: skip
"""The names of the counters of other keys of the report."""


def record_success(context: Any, report: Mapping[str, Any] | None) -> None:
    """A ``post_execute`` hook: record the metrics of a run that succeeded. It raises nothing."""
    _record(context, report, succeeded=True)


def record_failure(context: Any) -> None:
    """An ``on_failure_callback``: record the metrics of a failed run, with those of its report. It raises nothing."""
    _record(context, getattr(context.get("exception"), "report", None), succeeded=False)


def record_undecided(pipeline: str) -> Callable[[Any], None]:
    """An ``on_failure_callback`` of a question to a person: a run that nobody approved has failed, too."""

    def callback(context: Any) -> None:
        with _reported():
            _Sender({"pipeline": pipeline, "dag_id": context["task"].dag_id}).gauge("last_failure", time.time())

    return callback


@contextmanager
def _reported() -> Iterator[None]:
    try:
        yield
    except Exception:
        logging.getLogger("airflow.task").warning("The metrics of this run are incomplete.", exc_info=True)


def _record(context: Any, report: Mapping[str, Any] | None, *, succeeded: bool) -> None:
    report = report or {}
    if report.get("dry_run"):
        return
    with _reported():
        task = context["task"]
        pipeline = {"pipeline": _pipeline_of(task.outlets[0].name)}
        of_dag = _Sender({**pipeline, "dag_id": task.dag_id})
        if not report.get("awaiting"):  # until a person has decided, the run is neither
            of_dag.gauge("last_success" if succeeded else "last_failure", time.time())
        if report:
            _record_work(of_dag, report)
            _record_state(_Sender(pipeline), report, context)


def _pipeline_of(collection: str) -> str:
    return next(pipeline for pipeline, collections in COLLECTIONS.items() if collection in collections)


class _Sender:
    """Sends metrics that have these tags, and some their own."""

    def __init__(self, tags: Mapping[str, str]) -> None:
        from airflow.sdk.configuration import conf
        from airflow.sdk.observability import stats

        self._stats, self._tags = stats, tags
        datadog, statsd, influxdb = (
            conf.getboolean("metrics", option)
            for option in ("statsd_datadog_enabled", "statsd_on", "statsd_influxdb_enabled")
        )
        self._has_tags = datadog or influxdb or not statsd  # Airflow's own order; OpenTelemetry comes last

    def count(self, name: str, value: float, **tags: str) -> None:
        name, tags = self._named(name, tags)
        self._stats.incr(name, int(value), tags=tags)

    def time(self, name: str, seconds: float, **tags: str) -> None:
        name, tags = self._named(name, tags)
        self._stats.timing(name, timedelta(seconds=seconds), tags=tags)

    def gauge(self, name: str, value: float) -> None:
        name, tags = self._named(name, {})
        self._stats.gauge(name, value, tags=tags)

    def _named(self, name: str, own: Mapping[str, str]) -> tuple[str, dict[str, str]]:
        tags = {**self._tags, **own}
        if self._has_tags:
            return f"{PREFIX}.{name}", tags
        # As in Airflow's own names, whose parts dots separate.
        return ".".join([PREFIX, name, *(value.replace(".", "__") for value in tags.values())]), {}


def _record_work(sender: _Sender, report: Mapping[str, Any]) -> None:
    """What the run has done, each object with one outcome."""
    counts = {key: int(report.get(key, 0)) for key in ("added", "changed", *_OUTCOMES, *_COUNTERS)}
    ingested = max(0, counts["added"] + counts["changed"] - counts["failed"])  # no counter goes down
    sender.count("objects", ingested, outcome="ingested")
    for outcome in _OUTCOMES:
        sender.count("objects", counts[outcome], outcome=outcome)
    for key, name in _COUNTERS.items():
        sender.count(name, counts[key])
    for group in report.get("failure_counts", ()):
        sender.count("failures", group["count"], stage=group["stage"], error_type=group["error_type"])
    sender.time("run_duration", report.get("seconds", 0))
    for stage, done in report.get("stages", {}).items():
        sender.time("stage_duration", done["seconds"], stage=stage)
        sender.count("stage_items", done["items"], stage=stage)


def _record_state(sender: _Sender, report: Mapping[str, Any], context: Any) -> None:
    """The state of the pipeline after the run."""
    sender.gauge("unmigrated_objects", report.get("unmigrated", 0))
    if report.get("failed_in_ledger") is not None:
        sender.gauge("failed_objects", report["failed_in_ledger"])
    if report.get("newest"):
        state = context["asset_state_store"][context["task"].outlets[0]]
        newest = max(state.get(_NEWEST_KEY) or 0, min(report["newest"], time.time()))  # no clock of a store is ahead
        state.set(_NEWEST_KEY, newest)
        sender.gauge("newest_object", newest)
