"""The job before a clear, where Airflow has discarded the record of it, as 3.4 does."""

import asyncio
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from airflow_ray.job_ids import Attempt
from airflow_ray.job_record import JobRecord, job_before_clear
from ray_jobs_api.client import JobInfo

BEFORE = Attempt("d", "r", "t", -1, epoch=0, try_number=2)
CLEARED = replace(BEFORE, epoch=2, try_number=4)
"""The second try after the clear."""


def job(attempt: Attempt, status: str = "RUNNING", started: float = 1.0) -> JobInfo:
    return JobInfo(attempt.submission_id, status, started=started, metadata={**attempt.metadata, "own": "of a user"})


def found(*jobs: JobInfo) -> str | None:
    async def all_jobs() -> list[JobInfo]:
        return list(jobs)

    return asyncio.run(job_before_clear(SimpleNamespace(jobs=all_jobs), CLEARED))


def test_ray_knows_the_job_that_goes_on():
    assert found(job(replace(BEFORE, try_number=1), started=0.5), job(BEFORE)) == BEFORE.submission_id
    ended_before = replace(BEFORE, run_started="2026-01-31T00:00:00+00:00")
    assert found(job(ended_before)) == ended_before.submission_id, "Airflow starts a run anew that had ended"


@pytest.mark.parametrize(
    "other",
    [
        job(BEFORE, "STOPPED"),
        job(CLEARED),
        job(replace(CLEARED, try_number=3)),
        job(replace(BEFORE, map_index=1)),
        job(replace(BEFORE, run_id="another")),
        job(replace(BEFORE, prefix="another_airflow")),
        replace(job(BEFORE), metadata={}),
    ],
)
def test_jobs_that_have_ended_of_the_same_epoch_or_of_others_are_left_alone(other: JobInfo):
    assert found(other) is None


@pytest.mark.parametrize(
    ("stored", "attempt", "stop", "forgotten"),
    [
        (None, CLEARED, True, True),
        (None, CLEARED, False, False),
        (None, BEFORE, True, False),
        ({"submission_id": "j", "epoch": 0, "state": "placed"}, CLEARED, True, False),
    ],
)
def test_ray_is_asked_only_for_a_cleared_task_without_a_record(
    stored: Any, attempt: Attempt, stop: bool, forgotten: bool
):
    record = JobRecord({"task_state_store": {"airflow_ray_job": stored}})
    assert record.earlier_jobs(attempt, adopt=True, stop_superseded=stop).is_forgotten is forgotten
