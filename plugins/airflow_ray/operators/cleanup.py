"""``RayJobCleanupOperator``: stops jobs whose task has ended, and deletes the records of old jobs.

Ray keeps records for ever (ray-project/ray#65692).
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterable, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from airflow_ray.exceptions import no_job_error
from airflow_ray.job_ids import readable_id
from airflow_ray.operators.base import RayBaseOperator
from ray_jobs_api.failures import FailureReason, JobNotFoundError

if TYPE_CHECKING:
    from airflow.sdk import Context

    from ray_jobs_api.client import JobInfo, RayJobsClient


class RayJobCleanupOperator(RayBaseOperator):
    """Stop live jobs whose task has ended, and delete records of jobs that ended more than ``keep_days`` ago.

    It touches only jobs that this Airflow submitted: it stops those that ``orphans`` finds (their task was usually
    marked or skipped while Airflow ran no code of it), and deletes those with this Airflow's ``job_prefix``.

    Returns counts: ``{"stopped", "unknown", "deleted", "kept"}``. ``unknown`` are live jobs whose Dag run Airflow does
    not know: it was deleted, or belongs to another Airflow with the same ``job_prefix``. The log names them, and they
    are left alone. ``kept`` are records of jobs that are live or too young to be deleted.

    :param keep_days: at least 1, so that a task that waits for its triggerer still finds its job. Templated.
    :param conn_id: connection of type ``ray``. Templated.
    """

    template_fields: Sequence[str] = ("keep_days", "conn_id")
    ui_color = "#d6eefc"

    def __init__(self, *, keep_days: float | str = 7, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.keep_days = keep_days

    def execute(self, context: Context) -> dict[str, int]:
        """Ask Ray once for all jobs, then Airflow for the tasks of the live ones, then stop and delete one by one."""
        from airflow_ray.orphans import find_orphans

        try:
            age = timedelta(days=float(self.keep_days))
        except (ValueError, TypeError, OverflowError):
            age = timedelta(0)
        if age < timedelta(days=1):
            sentence = f"keep_days must be a number of at least 1, not {self.keep_days!r}."
            raise self._logged(no_job_error(sentence, FailureReason.CONFIGURATION))
        prefix = self._connect(None).job_prefix
        jobs = self._call(lambda client: jobs_with_prefix(client, prefix))
        live = find_orphans(jobs, prefix)
        for submission_id in live.unknown:
            self.log.warning(
                "Ray job %s is live, and Airflow does not know its Dag run. If the run was deleted, stop the job in "
                "Ray; if it belongs to another Airflow, give each Airflow a 'job_prefix' of its own.",
                submission_id,
            )
        stopped = self._call(lambda client: stop_jobs(client, live.orphaned))
        if stopped:
            self.log.info("Asked Ray to stop jobs whose task has ended: %s.", ", ".join(stopped))
        deleted = self._call(lambda client: delete_old_jobs(client, jobs, age.total_seconds()))
        self.log.info(
            "Deleted the records of %d jobs that ended more than %s ago; kept those of %d.",
            deleted,
            age,
            len(jobs) - deleted,
        )
        counts = {"stopped": len(stopped), "unknown": len(live.unknown)}
        return {**counts, "deleted": deleted, "kept": len(jobs) - deleted}


async def jobs_with_prefix(client: RayJobsClient, prefix: str) -> list[JobInfo]:
    """The jobs that an Airflow with this ``job_prefix`` submitted."""
    return [job for job in await client.jobs() if _has_prefix(job, prefix)]


async def stop_jobs(client: RayJobsClient, submission_ids: Iterable[str]) -> list[str]:
    """Ask Ray to stop jobs. Returns the ids of those that had not ended before."""
    stopped = []
    for submission_id in submission_ids:
        with contextlib.suppress(JobNotFoundError):
            if await client.stop(submission_id):
                stopped.append(submission_id)
    return stopped


async def delete_old_jobs(client: RayJobsClient, jobs: Iterable[JobInfo], seconds: float) -> int:
    """Delete the records of those jobs that ended more than ``seconds`` ago. Returns their number."""
    now = time.time()
    old = [job for job in jobs if job.finished and job.ended and job.seconds_since(job.ended, now) > seconds]
    for job in old:
        with contextlib.suppress(JobNotFoundError):  # somebody else deleted it first
            await client.delete(job.submission_id)
    return len(old)


def _has_prefix(job: JobInfo, prefix: str) -> bool:
    dag_id, task_id = (job.metadata.get(name, "") for name in ("airflow_dag_id", "airflow_task_id"))
    return bool(dag_id and task_id) and job.submission_id.startswith(f"{readable_id(prefix, dag_id, task_id)}-")
