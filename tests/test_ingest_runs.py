"""The demo's runs: each starts in its own way, so many at a time, and one that fails ends the demo with its log."""

import io
from collections.abc import Mapping
from typing import Any

import pytest

from embedded import ingest_runs
from embedded.exhibits import Batch, How
from embedded.ingest_runs import RunError, run_all
from embedded.progress import Progress

BATCHES = (
    Batch("pdfs", How.SCHEDULE, "2026-01-02", ("a.pdf",)),
    Batch("images", How.SCHEDULE, "2026-01-02", ("a.jpg",)),
    Batch("pdfs", How.BACKFILL, "2026-01-01", ("c.pdf",)),
    Batch("pdfs", How.FORM, "2026-01-02", ("a.pdf",)),
)


class Airflow:
    """Has each run that it was asked for; a run ends when it has been looked at twice."""

    def __init__(self, last_state: str = "success") -> None:
        self.asked: list[str] = []
        self.most_at_once = 0
        self._last_state = last_state
        self._runs: dict[str, dict[str, Any]] = {}

    def _make(self, dag: str, kind: str, key: str | None) -> dict[str, Any]:
        self.asked.append(f"{dag} {kind} {key}")
        run_id = str(len(self._runs))
        self._runs[run_id] = {"dag": dag, "kind": kind, "dag_run_id": run_id, "partition_key": key, "looks": 0}
        self.most_at_once = max(self.most_at_once, sum(run["looks"] < 2 for run in self._runs.values()))
        return self._runs[run_id]

    def unpause(self, dag: str) -> None:
        self._make(dag, "scheduled", "2026-01-02")

    def backfill(self, dag: str, first: str, last: str) -> None:
        assert first == last
        self._make(dag, "backfill", first)

    def trigger(self, dag: str, conf: Mapping[str, str]) -> dict[str, Any]:
        return self._make(dag, f"manual {conf['source']}", None)

    def runs(self, dag: str, kind: str) -> list[dict[str, Any]]:
        return [run for run in self._runs.values() if (run["dag"], run["kind"]) == (dag, kind)]

    def run(self, dag: str, run_id: str) -> dict[str, str]:
        run = self._runs[run_id]
        run["looks"] += 1
        return {"state": self._last_state if run["looks"] >= 2 else "running"}

    def task_instances(self, dag: str, run_id: str) -> list[dict[str, Any]]:
        return [{"state": "deferred", "try_number": 1}]

    def task_log(self, *arguments: object) -> list[str]:
        return ["the last line of the log"]

    def xcom(self, dag: str, run_id: str, task: str) -> dict[str, int]:
        return {"added": 1, "unchanged": 0, "rows_written": 2, "run": int(run_id)}


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ingest_runs, "POLL_SECONDS", 0.0)


@pytest.mark.parametrize("at_once", [1, 2])
def test_runs_start_in_their_order_and_so_many_at_a_time(at_once: int):
    airflow = Airflow()
    ended = run_all(airflow, "bucket", BATCHES, at_once, Progress(io.StringIO()))
    assert airflow.asked == [
        "ingest_pdfs scheduled 2026-01-02",
        "ingest_images scheduled 2026-01-02",
        "ingest_pdfs backfill 2026-01-01",
        "ingest_pdfs manual s3://bucket/pdfs/2026-01-02/ None",
    ]
    assert airflow.most_at_once == at_once
    assert [(each.batch, each.report["run"]) for each in ended] == list(zip(BATCHES, range(4), strict=True))


def test_a_failed_run_ends_the_demo_with_its_log():
    with pytest.raises(RunError, match=r"pdfs 2026-01-02 \(schedule\)(.|\n)*failed\nthe last line of the log"):
        run_all(Airflow("failed"), "bucket", BATCHES, 2, Progress(io.StringIO()))
