"""Which live jobs may be stopped, according to Airflow's states of their tasks.

The supervisor is a stand-in: it gives every state on demand. A real Airflow is asked in ``tests/dags/test_orphans.py``.
"""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.sdk.api.datamodels._generated import TaskInstanceState
from airflow.sdk.exceptions import AirflowRuntimeError, ErrorType
from airflow.sdk.execution_time.comms import ErrorResponse, GetDagRun, TaskStatesResult

from airflow_ray.job_ids import Attempt, start_text
from airflow_ray.orphans import find_orphans
from ray_jobs_api.client import JobInfo

STARTED = datetime(2026, 2, 1, 0, 0, 1, 42, tzinfo=UTC)
ATTEMPT = Attempt("dag", "run", "task", 3, epoch=0, try_number=2, run_started=start_text(STARTED))
JOB = JobInfo(ATTEMPT.submission_id, "RUNNING", metadata={**ATTEMPT.metadata, "airflow_on_kill": "stop"})


class Supervisor:
    """Knows one task instance; a ``run`` that is a number is the HTTP status of Airflow's refusal."""

    def __init__(self, state: str | None, run: Any) -> None:
        self.state, self.run = state, run

    def send(self, message: Any) -> Any:
        if not isinstance(message, GetDagRun):
            assert (message.dag_id, message.run_ids, message.map_index) == ("dag", ["run"], 3)
            return TaskStatesResult(task_states={"run": {"task_3": self.state}})
        if isinstance(self.run, int):
            raise AirflowRuntimeError(ErrorResponse(error=ErrorType.API_SERVER_ERROR, detail={"status_code": self.run}))
        return self.run


def run(state: str = "running", started: datetime = STARTED) -> Any:
    return SimpleNamespace(state=state, start_date=started)


@pytest.fixture
def verdict(supervise: Any) -> Any:
    def of(state: str | None, dag_run: Any, job: JobInfo = JOB) -> tuple[int, int]:
        """How many orphaned and unknown jobs the one makes."""
        supervise(Supervisor(state, dag_run))
        found = find_orphans([job], "airflow")
        return len(found.orphaned), len(found.unknown)

    return of


ENDED = {"success", "failed", "skipped", "upstream_failed"}


@pytest.mark.parametrize("state", [None, *(state.value for state in TaskInstanceState)])
def test_only_a_task_that_has_ended_has_its_job_stopped(verdict: Any, state: str | None):
    assert verdict(state, run()) == (int(state in ENDED), 0)


@pytest.mark.parametrize("state", [None, "removed"])
def test_a_task_without_a_future_ends_with_its_run(verdict: Any, state: str | None):
    assert verdict(state, run("failed")) == (1, 0)


@pytest.mark.parametrize("state", ["running", "deferred", "up_for_retry"])
def test_the_end_of_its_run_alone_does_not_end_a_task(verdict: Any, state: str):
    assert verdict(state, run("failed")) == (0, 0)


def test_a_run_of_the_same_name_with_another_start_proves_nothing(verdict: Any):
    assert verdict("failed", run(started=STARTED + timedelta(microseconds=1))) == (0, 1)


def test_a_run_that_airflow_does_not_know_proves_nothing(verdict: Any):
    assert verdict(None, 404) == (0, 1)


def test_an_airflow_that_does_not_answer_is_an_error(verdict: Any):
    with pytest.raises(AirflowRuntimeError):
        verdict("failed", 503)


@pytest.mark.parametrize(
    "job",
    [
        replace(JOB, metadata={**JOB.metadata, "airflow_on_kill": "detach"}),
        replace(JOB, metadata=ATTEMPT.metadata),
        replace(JOB, metadata={**JOB.metadata, "airflow_map_index": "?"}),
        replace(JOB, status="SUCCEEDED"),
    ],
    ids=["detached", "does not say", "garbled", "finished"],
)
def test_a_job_without_on_kill_stop_is_left_alone(verdict: Any, job: JobInfo):
    assert verdict("failed", run("failed"), job) == (0, 0)
