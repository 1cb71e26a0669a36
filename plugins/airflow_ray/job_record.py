"""Keeps a task's record of its job between attempts, in Airflow's task state store.

The store outlives retries *and*, in Airflow 3.3, clears (apache/airflow#72100). So the record never says whether work
is done; it says which job may still be running and must be stopped before a cleared task starts afresh. A clear in
Airflow 3.4 discards the record; then Ray is asked for that job (``job_before_clear``).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from airflow_ray.job_ids import readable_id

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_ray.job_ids import Attempt
    from ray_jobs_api.client import RayJobsClient

_KEY = "airflow_ray_job"


@dataclass(frozen=True)
class EarlierJobs:
    """Ids of jobs of earlier attempts, as ``ray_jobs_api.placement.place`` takes them.

    ``is_forgotten``: the task was cleared, and whether a job of it goes on is known to Ray alone.
    """

    earlier: list[str]
    in_doubt: str | None
    superseded: str | None
    is_forgotten: bool = False


async def job_before_clear(client: RayJobsClient, attempt: Attempt) -> str | None:
    """The id of a job that goes on, which an attempt before the last clear of this task has submitted."""
    of_task = {name: value for name, value in attempt.metadata.items() if name != "airflow_try_number"}
    of_epoch = {each.submission_id for each in (attempt, *attempt.predecessors())}
    prefix = f"{readable_id(attempt.prefix, attempt.dag_id, attempt.task_id)}-"
    found = [
        job
        for job in await client.jobs()
        if not job.finished
        and job.submission_id.startswith(prefix)
        and job.submission_id not in of_epoch
        and of_task.items() <= dict(job.metadata).items()
    ]
    latest = max(found, key=lambda job: job.started or 0.0, default=None)
    return latest.submission_id if latest else None


class JobRecord:
    """One key of the store: ``{"submission_id", "epoch", "state"}``.

    ``state`` is ``submitting`` from just before a submission until Ray's answer has arrived, then ``placed``, and
    ``given_up`` once the job was stopped for a limit although nobody wanted the work to end.
    """

    def __init__(self, context: Context) -> None:
        self._store = context["task_state_store"]

    @property
    def submission_id(self) -> str | None:
        """The job that this task waits for, or last waited for."""
        submission_id = self._read().get("submission_id")
        return str(submission_id) if submission_id else None

    def earlier_jobs(self, attempt: Attempt, *, adopt: bool, stop_superseded: bool) -> EarlierJobs:
        """The jobs that an attempt may adopt, and the one that it must stop first.

        :param adopt: False for an attempt that must submit a job of its own.
        :param stop_superseded: whether the job of an epoch before the last clear is stopped.
        """
        record, recorded = self._read(), self.submission_id
        same_epoch = record.get("epoch") == attempt.epoch
        given_up = same_epoch and record.get("state") == "given_up"
        # A job that was given up may be alive: the API that was to stop it may have failed.
        superseded = recorded if given_up or (stop_superseded and not same_epoch) else None
        in_doubt = recorded if same_epoch and record.get("state") == "submitting" else None
        earlier = [each.submission_id for each in attempt.predecessors()] if adopt and not given_up else []
        is_forgotten = stop_superseded and not record and attempt.epoch > 0
        return EarlierJobs(earlier, in_doubt, superseded, is_forgotten)

    def submitting(self, attempt: Attempt, submission_id: str) -> None:
        """Record the job before it exists."""
        self._write(attempt.epoch, submission_id, "submitting")

    def placed(self, attempt: Attempt, submission_id: str) -> None:
        """Record the job that does the work."""
        self._write(attempt.epoch, submission_id, "placed")

    def give_up(self) -> None:
        """Record that the job was stopped for a limit: the next attempt submits its own."""
        if record := self._read():
            self._write(record["epoch"], record["submission_id"], "given_up")

    def _read(self) -> dict[str, Any]:
        stored = self._store.get(_KEY)
        return stored if isinstance(stored, dict) else {}

    def _write(self, epoch: int, submission_id: str, state: str) -> None:
        self._store.set(_KEY, {"submission_id": submission_id, "epoch": epoch, "state": state})
