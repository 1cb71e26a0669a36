"""``RayJobCleanupOperator``: removes the records of old jobs, which Ray keeps for ever (ray-project/ray#65692)."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from .errors import FailureReason, JobNotFoundError, early_error
from .job_ids import readable
from .job_task import RayJobTask

if TYPE_CHECKING:
    from airflow.sdk import Context

    from .client import JobInfo, RayJobsClient


class RayJobCleanupOperator(RayJobTask):
    """Delete finished jobs that this Airflow submitted and that ended more than ``keep_days`` ago.

    Jobs of others, and of Airflows with another ``job_prefix``, stay. Returns ``{"deleted": n, "kept": n}``, where
    ``kept`` counts jobs of ours that are live or too young.

    :param keep_days: at least 1, so that a task that waits for its triggerer still finds its job. Templated.
    :param conn_id: connection of type ``ray``. Templated.
    """

    template_fields: Sequence[str] = ("keep_days", "conn_id")
    ui_color = "#d6eefc"

    def __init__(self, *, keep_days: float | str = 7, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.keep_days = keep_days

    def execute(self, context: Context) -> dict[str, int]:
        """Ask for all jobs once, then delete one by one."""
        try:
            age = timedelta(days=float(self.keep_days))
        except (ValueError, TypeError, OverflowError):
            age = timedelta(0)
        if age < timedelta(days=1):
            sentence = f"keep_days must be a number of at least 1, not {self.keep_days!r}."
            raise self._logged(early_error(sentence, FailureReason.CONFIGURATION))
        prefix = self._connect(None).job_prefix
        result = self._call(lambda client: delete_old_jobs(client, prefix, age.total_seconds()))
        self.log.info(
            "Deleted the records of %d jobs that ended more than %s ago; %d of this Airflow stay.",
            result["deleted"],
            age,
            result["kept"],
        )
        return result


async def delete_old_jobs(client: RayJobsClient, prefix: str, seconds: float) -> dict[str, int]:
    """Delete the jobs of one ``job_prefix`` that ended more than ``seconds`` ago; see ``RayJobCleanupOperator``."""
    ours = [job for job in await client.jobs() if _is_ours(job, prefix)]
    old = [job for job in ours if job.finished and job.ended and job.ended < time.time() - seconds]
    for job in old:
        with contextlib.suppress(JobNotFoundError):  # somebody was faster
            await client.delete(job.submission_id)
    return {"deleted": len(old), "kept": len(ours) - len(old)}


def _is_ours(job: JobInfo, prefix: str) -> bool:
    dag_id, task_id = (job.metadata.get(name, "") for name in ("airflow_dag_id", "airflow_task_id"))
    return bool(dag_id and task_id) and job.submission_id.startswith(f"{readable(prefix, dag_id, task_id)}-")
