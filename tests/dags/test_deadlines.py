"""The deadlines of real runs: the demo's scheduled ones are of yesterday, and miss 00:00 of today."""

from typing import Any

from embedded.processes import poll
from ray_ingest.job_scripts import COLLECTIONS


def test_scheduled_runs_miss_their_deadline_and_the_others_have_none(stage: Any) -> None:
    """In the demo, each Dag has one run by the schedule, and `ingest_pdfs` two others."""
    daily = [f"ingest_{pipeline}" for pipeline in COLLECTIONS]

    def missed() -> dict[str, float]:
        """By Dag, without the copies that other tests run."""
        return {
            dag_id: value
            for (name, labels), value in stage.metrics.airflow.samples().items()
            if name == "airflow_deadline_alerts_deadline_missed" and (dag_id := dict(labels)["dag_id"]) in daily
        }

    assert len(stage.airflow.runs("ingest_pdfs")) > 1
    poll(lambda: missed().keys() >= set(daily), 60, "the scheduler sees missed deadlines", interval=1)
    assert missed() == dict.fromkeys(daily, 1)
    poll(lambda: "was not done by" in stage.airflow.log.read_text(), 60, "the callback runs", interval=1)
