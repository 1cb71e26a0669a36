"""The deadlines of real runs: the demo's scheduled ones are of yesterday, and miss 00:00 of today."""

from typing import Any

from prometheus_client.parser import text_string_to_metric_families

from embedded.processes import poll
from ray_ingest.job_scripts import COLLECTIONS


def test_scheduled_runs_miss_their_deadline_and_the_others_have_none(stage: Any) -> None:
    runs = {
        run["dag_run_id"]: (run["dag_id"], run["run_type"])
        for pipeline in COLLECTIONS
        for run in stage.airflow.runs(f"ingest_{pipeline}")
    }

    def missed() -> set[tuple[str, str]]:
        families = text_string_to_metric_families(stage.metrics.airflow.exposition())
        found = [sample.labels for family in families for sample in family.samples if "deadline_missed" in sample.name]
        return {runs[labels["dagrun_id"]] for labels in found if labels["dagrun_id"] in runs}

    expected = {(f"ingest_{pipeline}", "scheduled") for pipeline in COLLECTIONS}
    poll(lambda: missed() >= expected, 60, "the scheduler sees missed deadlines", interval=1)
    assert missed() == expected
    log = stage.airflow.log.read_text()
    assert "was not done by" in log
