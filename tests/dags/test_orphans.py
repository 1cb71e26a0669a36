"""Tasks that end in the moment in which Airflow runs no code of them: after their deferral, before a triggerer comes.

One scenario: four jobs whose tasks no triggerer watches, of which one may be stopped, and one run of the cleanup.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

pytestmark = pytest.mark.nightly


@dataclass
class Cleaned:
    """Ids of the four jobs, their states before the cleanup, and the log of that."""

    jobs: dict[str, str]
    before: dict[str, str]
    log: list[str]


@pytest.fixture(scope="module")
def cleaned(stage: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cleaned]:
    end = tmp_path_factory.mktemp("unwatched") / "end"
    cases = dict.fromkeys(("marked", "deleted", "waiting"), "case_unwatched")
    cases["detached"] = "case_unwatched_detached"
    runs = {name: stage.start(case, "until", str(end)) for name, case in cases.items()}
    jobs = {name: stage.submission_id(case, runs[name]) for name, case in cases.items()}
    for name, case in cases.items():
        stage.wait_state(case, runs[name], "deferred")
        stage.wait_job(jobs[name], "RUNNING")
    try:
        stage.mark_failed("case_unwatched", runs["marked"])
        stage.mark_failed("case_unwatched_detached", runs["detached"])
        # Airflow refuses to delete a run that is running.
        run = f"/dags/case_unwatched/dagRuns/{runs['deleted']}"
        stage.airflow.api("PATCH", run, {"state": "failed"})
        stage.airflow.api("DELETE", run)
        before = {name: stage.job(job)["status"] for name, job in jobs.items()}
        stage.open("case_cleanup")
        run_id = stage.airflow.trigger("case_cleanup")["dag_run_id"]
        assert stage.airflow.wait_run("case_cleanup", run_id)["state"] == "success"
        yield Cleaned(jobs, before, stage.airflow.task_log("case_cleanup", run_id, "job"))
    finally:
        end.touch()
        stage.mark_failed("case_unwatched", runs["waiting"])


def test_airflow_itself_leaves_all_four_running(cleaned: Cleaned):
    assert set(cleaned.before.values()) == {"RUNNING"}


def test_the_job_of_a_task_that_was_marked_is_stopped(stage: Any, cleaned: Cleaned):
    stage.wait_job(cleaned.jobs["marked"], "STOPPED")
    (line,) = [line for line in cleaned.log if line.startswith("Asked Ray to stop jobs whose task has ended: ")]
    assert cleaned.jobs["marked"] in line


@pytest.mark.parametrize("name", ["waiting", "detached"])
def test_a_job_that_somebody_wants_is_left_alone(stage: Any, cleaned: Cleaned, name: str):
    assert stage.job(cleaned.jobs[name])["status"] == "RUNNING"
    assert not [line for line in cleaned.log if cleaned.jobs[name] in line]


def test_the_job_of_a_deleted_run_is_named_and_left_alone(stage: Any, cleaned: Cleaned):
    assert stage.job(cleaned.jobs["deleted"])["status"] == "RUNNING"
    (line,) = [line for line in cleaned.log if cleaned.jobs["deleted"] in line]
    assert "is live, and Airflow does not know its Dag run." in line
