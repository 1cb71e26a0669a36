"""The deadlines of real runs: the demo's scheduled ones are of yesterday, and miss 00:00 of today."""

from typing import Any

from prometheus_client.parser import text_string_to_metric_families

from embedded.processes import poll
from ray_ingest.job_scripts import COLLECTIONS


def test_scheduled_runs_miss_their_deadline_and_the_others_have_none(stage: Any) -> None:
    """In the demo, each Dag has one run by the schedule, and `ingest_pdfs` two others."""

    def missed() -> dict[str, float]:
        families = text_string_to_metric_families(stage.metrics.airflow.exposition())
        samples = [sample for family in families for sample in family.samples]
        return {
            sample.labels["dag_id"]: sample.value
            for sample in samples
            if sample.name == "airflow_deadline_alerts_deadline_missed"
        }

    daily = [f"ingest_{pipeline}" for pipeline in COLLECTIONS]
    assert len(stage.airflow.runs("ingest_pdfs")) > 1
    poll(lambda: missed().keys() >= set(daily), 60, "the scheduler sees missed deadlines", interval=1)
    assert missed() == dict.fromkeys(daily, 1)
    poll(lambda: "was not done by" in stage.airflow.log.read_text(), 60, "the callback runs", interval=1)
