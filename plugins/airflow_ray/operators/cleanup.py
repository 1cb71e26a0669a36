"""``RayJobCleanupOperator``: stops jobs whose task has ended, and removes the records of old ones.

Ray keeps records for ever (ray-project/ray#65692).
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterable, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from airflow_ray.exceptions import early_error
from airflow_ray.job_ids import readable
from airflow_ray.operators.base import RayJobTask
from ray_jobs_api.failures import FailureReason, JobNotFoundError

if TYPE_CHECKING:
    from airflow.sdk import Context

    from ray_jobs_api.client import JobInfo, RayJobsClient


class RayJobCleanupOperator(RayJobTask):
    """Stop live jobs whose task has ended, and delete finished ones that ended more than ``keep_days`` ago.

    Only jobs that this Airflow submitted. Stopped are those of ``orphans``: their task ended (was marked or skipped,
    mostly) in a moment in which Airflow ran no code of it. Deleted are those with this Airflow's ``job_prefix``.

    Returns counts: ``{"stopped", "unknown", "deleted", "kept"}``. ``unknown`` are live jobs whose Dag run Airflow does
    not know: it was deleted, or is of another Airflow with the same ``job_prefix``. The log names them; nothing is done
    to them. ``kept`` are records of jobs that are live or too young to be deleted.

    :param keep_days: at least 1, so that a task that waits for its triggerer still finds its job. Templated.
    :param conn_id: connection of type ``ray``. Templated.
    """

    template_fields: Sequence[str] = ("keep_days", "conn_id")
    ui_color = "#d6eefc"

    def __init__(self, *, keep_days: float | str = 7, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.keep_days = keep_days

    def execute(self, context: Context) -> dict[str, int]:
        """Ask Ray for all jobs once, then Airflow for the tasks of live ones, then stop and delete one by one."""
        from airflow_ray.orphans import find_orphans

        try:
            age = timedelta(days=float(self.keep_days))
        except (ValueError, TypeError, OverflowError):
            age = timedelta(0)
        if age < timedelta(days=1):
            sentence = f"keep_days must be a number of at least 1, not {self.keep_days!r}."
            raise self._logged(early_error(sentence, FailureReason.CONFIGURATION))
        prefix = self._connect(None).job_prefix
        jobs = self._call(lambda client: jobs_of(client, prefix))
        live = find_orphans(jobs, prefix)
        for submission_id in live.unknown:
            self.log.warning(
                "Ray job %s is live, and Airflow does not know its Dag run. If that was deleted, stop the job in Ray; "
                "if it is of another Airflow, give each Airflow a 'job_prefix' of its own.",
                submission_id,
            )
        stopped = self._call(lambda client: stop(client, live.orphaned))
        if stopped:
            self.log.info("Asked Ray to stop jobs whose task has ended: %s.", ", ".join(stopped))
        deleted = self._call(lambda client: delete_old_jobs(client, jobs, age.total_seconds()))
        self.log.info(
            "Deleted the records of %d jobs that ended more than %s ago; %d of this Airflow stay.",
            deleted,
            age,
            len(jobs) - deleted,
        )
        counts = {"stopped": len(stopped), "unknown": len(live.unknown)}
        return {**counts, "deleted": deleted, "kept": len(jobs) - deleted}


async def jobs_of(client: RayJobsClient, prefix: str) -> list[JobInfo]:
    """The jobs that an Airflow with this ``job_prefix`` submitted."""
    return [job for job in await client.jobs() if _is_ours(job, prefix)]


async def stop(client: RayJobsClient, submission_ids: Iterable[str]) -> list[str]:
    """Ask Ray to stop jobs; returns the ids of those that had not ended before."""
    stopped = []
    for submission_id in submission_ids:
        with contextlib.suppress(JobNotFoundError):
            if await client.stop(submission_id):
                stopped.append(submission_id)
    return stopped


async def delete_old_jobs(client: RayJobsClient, jobs: Iterable[JobInfo], seconds: float) -> int:
    """Delete those of the jobs that ended more than ``seconds`` ago; returns how many they are."""
    old = [job for job in jobs if job.finished and job.ended and job.ended < time.time() - seconds]
    for job in old:
        with contextlib.suppress(JobNotFoundError):  # somebody was faster
            await client.delete(job.submission_id)
    return len(old)


def _is_ours(job: JobInfo, prefix: str) -> bool:
    dag_id, task_id = (job.metadata.get(name, "") for name in ("airflow_dag_id", "airflow_task_id"))
    return bool(dag_id and task_id) and job.submission_id.startswith(f"{readable(prefix, dag_id, task_id)}-")
