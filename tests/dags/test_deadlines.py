"""The deadlines of real runs: the demo's scheduled ones are of yesterday, and miss 00:00 of today."""

from datetime import date, timedelta
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


def test_the_function_of_the_site_is_called_once_or_the_triggerer_says_so(stage: Any) -> None:
    """That of the images is a function, for a worker, and that of the videos a coroutine; the PDFs have none."""
    pages = stage.folder / "pages"
    expected = []
    for dag_id in ("ingest_images", "ingest_videos"):
        (run,) = stage.airflow.runs(dag_id, "scheduled")
        expected.append(f"{dag_id} scheduled {date.fromisoformat(run['partition_key']) + timedelta(days=1)}")
    poll(lambda: pages.read_text().count("\n") >= 2, 120, "both functions are called", interval=1)
    assert sorted(pages.read_text().splitlines()) == expected
    logs = stage.airflow.folder / "logs" / "triggerer_callbacks"  # in Airflow 3.4

    def is_said() -> bool:
        return any("was not done by" in log.read_text() for log in (stage.airflow.log, *logs.rglob("*.log")))

    poll(is_said, 60, "the default callback runs", interval=1)
