"""The metrics of a job, as the actor that counts its progress hands them to Ray."""

import pytest

from ingest.common.waiting import SECONDS_BETWEEN_LINES
from ingest.stages.progress import ProgressCounts

EXPORT_SECONDS = 10
"""Ray's `metrics_report_interval_ms`; a gauge that was not set for twice as long is forgotten."""
STAGES = ["read", "embed", "write"]


@pytest.fixture
def gauges(monkeypatch):
    """The last value of each gauge, by its name and the values of its tags."""
    values = {}

    class Gauge:
        def __init__(self, name, description, tag_keys):
            self.name, self.tag_keys = name, tag_keys

        def set(self, value, tags):
            assert set(tags) == set(self.tag_keys)
            values[self.name, *(tags[key] for key in self.tag_keys)] = value

    monkeypatch.setattr("ray.util.metrics.Gauge", Gauge)
    return values


def test_all_counts_of_a_job_are_exported_when_the_driver_asks_for_the_progress(gauges):
    counts = ProgressCounts("pdfs", STAGES)
    counts.add("read", 4, 0.5, 0)
    counts.add("embed", 30, 2.0, 900)
    counts.add("embed", 10, 1.5, 300)
    counts.add_objects(2, 1)
    assert set(gauges.values()) == {0}
    counts.get(10)
    assert gauges == {
        ("ingest_objects", "pdfs", "ok"): 2,
        ("ingest_objects", "pdfs", "failed"): 1,
        ("ingest_objects_waiting", "pdfs"): 7,
        ("ingest_stage_items", "pdfs", "read"): 4,
        ("ingest_stage_seconds", "pdfs", "read"): 0.5,
        ("ingest_stage_items", "pdfs", "embed"): 40,
        ("ingest_stage_seconds", "pdfs", "embed"): 3.5,
        ("ingest_stage_items", "pdfs", "write"): 0,
        ("ingest_stage_seconds", "pdfs", "write"): 0,
        ("ingest_tokens", "pdfs"): 1200,
    }


def test_all_series_begin_at_zero_so_that_a_short_job_has_a_rate(gauges):
    ProgressCounts("pdfs", STAGES)
    zeros = {(name, "pdfs", stage) for name in ("ingest_stage_items", "ingest_stage_seconds") for stage in STAGES}
    assert zeros | {("ingest_tokens", "pdfs")} <= {series for series, value in gauges.items() if value == 0}


def test_a_repeated_write_does_not_make_the_queue_negative(gauges):
    counts = ProgressCounts("pdfs", STAGES)
    counts.add_objects(2, 0)
    counts.add_objects(2, 0)
    counts.get(2)
    assert gauges["ingest_objects_waiting", "pdfs"] == 0


def test_the_driver_asks_often_enough_for_ray_to_keep_the_gauges():
    assert SECONDS_BETWEEN_LINES <= EXPORT_SECONDS
